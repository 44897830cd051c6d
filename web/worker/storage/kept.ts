// Models that the library keeps in its cache, for the list of the section Model.

import { deleteCachedRepository, listCachedRepositories } from "gradloom";
import type { KeptModel } from "../../protocol/model.ts";
import { hasFolders } from "./folders.ts";

export async function listKept(): Promise<readonly KeptModel[]> {
  if (!hasFolders()) return [];
  const found = await listCachedRepositories();
  return found
    .filter(({ type }) => type === "model")
    .map(({ name, size, revisions }) => {
      const main = revisions.find(({ refs }) => refs.includes("main")) ?? revisions[0];
      return { key: name, id: name, commit: main?.commit ?? "", bytes: size };
    });
}

export async function deleteKept({ key }: { readonly key: string }): Promise<readonly KeptModel[]> {
  await deleteCachedRepository(key);
  return listKept();
}

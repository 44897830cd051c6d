// Models and datasets that the library keeps in its cache, as huggingface_hub lays it out: one folder a repository.

import type { KeptModel } from "../../protocol/model.ts";
import { bytesBelow, list, readFile, remove } from "./folders.ts";

const CACHE = "/.cache/huggingface/hub";
const MODEL = /^models--(.+)$/;

export async function listKept(): Promise<readonly KeptModel[]> {
  const kept: KeptModel[] = [];
  for (const { kind, name } of await list(CACHE)) {
    const [, id] = MODEL.exec(name) ?? [];
    if (kind !== "directory" || id === undefined) continue;
    const commits = (await list(`${CACHE}/${name}/snapshots`)).map((each) => each.name);
    const main = await readFile(`${CACHE}/${name}/refs/main`);
    const commit = (await main?.text())?.trim() ?? commits[0] ?? "";
    const bytes = await bytesBelow(`${CACHE}/${name}`);
    kept.push({ key: name, id: id.replace("--", "/"), commit, bytes });
  }
  return kept.sort((a, b) => a.id.localeCompare(b.id));
}

export async function deleteKept({ key }: { readonly key: string }): Promise<readonly KeptModel[]> {
  if (MODEL.test(key) && !key.includes("/")) await remove(`${CACHE}/${key}`);
  return listKept();
}

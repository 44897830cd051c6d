// The list of the cache, and deleting from it.

import { mkdir, symlink, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { expect, it } from "vitest";
import {
  deleteCachedRepository,
  listCachedRepositories,
} from "../../src/hub/cachedRepositories.ts";
import { COMMIT } from "../support/fakeHub.ts";
import { temporaryFolder } from "../support/folder.ts";

const folder = temporaryFolder();

it("lists repositories with their commits, branches and sizes, counts a blob once, and deletes one", async () => {
  const cacheDir = join(folder(), "cache");
  expect(await listCachedRepositories({ cacheDir })).toEqual([]);
  const path = join(cacheDir, "models--team--tiny");
  const other = "f".repeat(40);
  for (const name of ["blobs", "refs", `snapshots/${COMMIT}`, `snapshots/${other}/sub`])
    await mkdir(join(path, name), { recursive: true });
  await writeFile(join(path, "blobs/abc"), "12345");
  await writeFile(join(path, "blobs/def.incomplete"), "123");
  await writeFile(join(path, "refs/main"), COMMIT);
  await symlink("../../blobs/abc", join(path, "snapshots", COMMIT, "a.bin"));
  await symlink("../../../blobs/abc", join(path, "snapshots", other, "sub/a.bin"));
  await mkdir(join(cacheDir, "datasets--rows"));
  await mkdir(join(cacheDir, ".locks"));

  const [rows, tiny, ...more] = await listCachedRepositories({ cacheDir });
  expect(more).toEqual([]);
  expect(rows).toMatchObject({ type: "dataset", name: "rows", size: 0, revisions: [] });
  expect(tiny).toEqual({
    ...{ type: "model", name: "team/tiny", path, incompleteSize: 3, size: 5 + 3 + COMMIT.length },
    revisions: [
      { commit: COMMIT, refs: ["main"], files: ["a.bin"], size: 5 },
      { commit: other, refs: [], files: ["sub/a.bin"], size: 5 },
    ],
  });
  expect(await deleteCachedRepository("team/tiny", { cacheDir })).toBe(tiny!.size);
  expect(await deleteCachedRepository("team/tiny", { cacheDir })).toBe(0);
  expect(await listCachedRepositories({ cacheDir })).toEqual([rows]);
  await expect(deleteCachedRepository("../x", { cacheDir })).rejects.toThrow(/must be a Hub id/);
});

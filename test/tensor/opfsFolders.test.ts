// The folders of a page's file system that are kept by path, against one in memory: its handles stand for paths, as a browser's do.

import { beforeEach, expect, it } from "vitest";
import {
  folderOf,
  forgetFolder,
  keptFolder,
  makeFolders,
} from "../../src/tensor/files/opfsFolders.ts";

/** Paths of the folders that exist, and how many handles were made. */
let [there, made] = [new Set<string>(), 0];

function handle(path: string): FileSystemDirectoryHandle {
  const getDirectoryHandle = async (name: string, options?: FileSystemGetDirectoryOptions) => {
    const inner = `${path}/${name}`;
    if (options?.create && there.has(path)) there.add(inner);
    if (!there.has(inner)) throw new DOMException(inner, "NotFoundError");
    made++;
    return handle(inner);
  };
  return { name: path, getDirectoryHandle } as unknown as FileSystemDirectoryHandle;
}

const root = handle("");
const [run, save] = [
  ["page", "run"],
  ["page", "run", "checkpoint-2"],
];

beforeEach(() => {
  [there, made] = [new Set([""]), 0];
  forgetFolder(["page"]);
});

it("asks the browser for a folder once", async () => {
  const first = await makeFolders(root, save);
  expect(made).toBe(3);
  expect(await folderOf(root, save)).toBe(first);
  await makeFolders(root, [...run, "checkpoint-4"]);
  expect(made).toBe(4);
});

it("makes folders again that another tab deleted", async () => {
  await makeFolders(root, save);
  there = new Set(["", "/page"]);
  await makeFolders(root, save);
  expect([...there]).toContain("/page/run/checkpoint-2");
});

it("finds none where none is, and none that was forgotten, nor what was in it", async () => {
  await expect(folderOf(root, run)).rejects.toThrow(DOMException);
  await makeFolders(root, save);
  await makeFolders(root, ["page", "runs"]);
  there = new Set([""]);
  forgetFolder(run);
  await expect(folderOf(root, save)).rejects.toThrow(DOMException);
  expect(keptFolder(save)).toBeUndefined();
  expect(keptFolder(["page", "runs"])).toBeDefined();
});

it("keeps no more than 64", async () => {
  await makeFolders(root, save);
  for (let i = 0; i < 63; i++) await makeFolders(root, ["page", `${i}`]);
  expect(keptFolder(save)).toBeUndefined();
  expect(keptFolder(["page"])).toBeDefined();
  expect(keptFolder(["page", "0"])).toBeDefined();
});

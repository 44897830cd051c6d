// Under which names files are written.

import { mkdir, readdir, readFile } from "node:fs/promises";
import { expect, it } from "vitest";
import { fillUnseen, writeAtomically } from "../../src/tensor/writeAtomically.ts";
import { temporaryFolder } from "../support/folder.ts";

const newName = temporaryFolder();

async function newFolder(): Promise<string> {
  const folder = newName();
  await mkdir(folder);
  return folder;
}

/** What a folder holds while a file in it is written. */
async function namesWhileWriting(folder: string, name: string, text: string): Promise<string[]> {
  let names: string[] = [];
  async function* chunks(): AsyncGenerator<Uint8Array> {
    yield new TextEncoder().encode(text);
    names = await readdir(folder);
  }
  await writeAtomically(`${folder}/${name}`, chunks());
  return names;
}

it("a file that can be seen has another name until it is whole", async () => {
  const folder = await newFolder();
  const names = await namesWhileWriting(folder, "a", "one");
  expect(names).toEqual([expect.stringMatching(/^a\.[0-9a-f]{8}\.tmp$/)]);
  expect(await readdir(folder)).toEqual(["a"]);
});

it("a file of a folder that nobody sees yet has its name at once, over an older one", async () => {
  const folder = await newFolder();
  await fillUnseen(folder, async () => {
    expect(await namesWhileWriting(folder, "a", "longer")).toEqual(["a"]);
    expect(await namesWhileWriting(folder, "a", "two")).toEqual(["a"]);
  });
  expect(await readFile(`${folder}/a`, "utf8")).toBe("two");
  expect(await namesWhileWriting(folder, "b", "seen again")).not.toContain("b");
});

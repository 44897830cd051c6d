import { readFile, readdir } from "node:fs/promises";
import { expect, it } from "vitest";
import { addLora } from "../../src/t5/lora/adapter.ts";
import { LoraConfig } from "../../src/t5/lora/config.ts";
import { temporaryFolder } from "../support/folder.ts";
import { tinyT5 } from "../support/tinyT5.ts";

const folder = temporaryFolder();

it.each(["a model", "an adapter"])("gives the files of %s as they are saved", async (what) => {
  const model = tinyT5();
  if (what === "an adapter") addLora(model, new LoraConfig({ r: 2 }));
  const path = folder();
  await model.savePretrained(path);
  const files = await model.toFiles();
  expect([...files.keys()].sort()).toEqual((await readdir(path)).sort());
  for (const [name, blob] of files) {
    const saved = await readFile(`${path}/${name}`);
    expect(saved.equals(new Uint8Array(await blob.arrayBuffer())), name).toBe(true);
  }
});

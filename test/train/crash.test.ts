// kill -9 at any moment: the short form of scripts/crashTest.mjs, and what it cannot time: a kill between the two renames
// that replace a checkpoint.

import { execFile } from "node:child_process";
import { mkdir, readdir, readFile, rename, writeFile } from "node:fs/promises";
import { fileURLToPath } from "node:url";
import { promisify } from "node:util";
import { expect, it } from "vitest";
import { recoverFolders, writeFolderAtomically } from "../../src/train/checkpoint/atomicFolder.ts";
import { Trainer } from "../../src/train/trainer.ts";
import { temporaryFolder } from "../support/folder.ts";
import { TinyModel, tinyRows } from "../support/tinyModel.ts";

const folder = temporaryFolder();
const script = fileURLToPath(new URL("../../scripts/crashTest.mjs", import.meta.url));

it("ends with the figures of an uninterrupted run, however often it is killed", async () => {
  const flags = ["--steps", "12", "--save-every", "3", "--kills", "2"];
  const { stdout } = await promisify(execFile)(process.execPath, [script, ...flags]);
  expect(JSON.parse(stdout)).toMatchObject({ kills: 2, sameLog: true, sameWeights: true });
});

it("brings back a checkpoint whose replacement was cut short", async () => {
  const outputDir = folder();
  const train = (resumeFromCheckpoint: boolean) =>
    new Trainer({
      ...{ model: new TinyModel(), trainDataset: tinyRows(4) },
      args: { outputDir, maxSteps: 3, saveSteps: 3, disableTqdm: true },
    }).train({ resumeFromCheckpoint });
  await train(false);
  const hidden = `${outputDir}/.checkpoint-3.0123abcd.replaced`;
  await rename(`${outputDir}/checkpoint-3`, hidden);
  await writeFile(`${hidden}/.gradloom-temporary`, "");
  await mkdir(`${outputDir}/.checkpoint-3.89abcdef.partial`);
  expect((await train(true)).globalStep).toBe(3);
  expect(await readdir(`${outputDir}/checkpoint-3`)).not.toContain(".gradloom-temporary");
});

it("leaves a folder that is there alone, and nothing of what it replaced", async () => {
  const parent = folder();
  const write = (text: string) =>
    writeFolderAtomically(`${parent}/checkpoint-1`, (to) =>
      writeFile(`${to}/trainer_state.json`, text),
    );
  await write("first");
  await write("second");
  expect(await readdir(parent)).toEqual(["checkpoint-1"]);
  const hidden = `${parent}/.checkpoint-1.0123abcd.replaced`;
  await mkdir(hidden);
  await writeFile(`${hidden}/.gradloom-temporary`, "");
  await recoverFolders(parent);
  expect(await readFile(`${parent}/checkpoint-1/trainer_state.json`, "utf8")).toBe("second");
  await recoverFolders(`${parent}/nowhere`);
});

// One run a folder: what the second one is told, and whose lock may be taken over.

import { execFile, spawn } from "node:child_process";
import { mkdir, readdir, readFile, utimes, writeFile } from "node:fs/promises";
import { fileURLToPath } from "node:url";
import { promisify } from "node:util";
import { expect, it } from "vitest";
import { deleteOwnLocks, lockOutputFolder } from "../../src/train/checkpoint/outputLock.ts";
import { Trainer } from "../../src/train/trainer.ts";
import { temporaryFolder } from "../support/folder.ts";
import { isFull } from "../support/full.ts";
import { TinyModel, tinyRows } from "../support/tinyModel.ts";

const folder = temporaryFolder();
const LOCK = ".gradloom.lock";

it("refuses a second run by name, in the same process too, and leaves nothing behind", async () => {
  const outputDir = folder();
  const train = () =>
    new Trainer({
      ...{ model: new TinyModel(), trainDataset: tinyRows(4) },
      args: { outputDir, maxSteps: 2, disableTqdm: true },
    }).train();
  // Which of the two writes its lock first is the file system's to say.
  const runs = await Promise.allSettled([train(), train()]);
  expect(runs.map(({ status }) => status).sort()).toEqual(["fulfilled", "rejected"]);
  const refused = runs.find((run) => run.status === "rejected");
  expect(String((refused?.reason as Error).message)).toMatch(
    new RegExp(
      `^outputDir: .* got the lock of process ${process.pid} on .* since 20.*delete .*lock\\.$`,
    ),
  );
  expect(await readdir(outputDir)).toEqual(["checkpoint-2"]);
  await train();
});

it("deletes what was left where a process was killed while it took the lock, and nothing else", async () => {
  const outputDir = folder();
  await mkdir(outputDir);
  const [old, young] = [crypto.randomUUID(), crypto.randomUUID()].map((id) => `${LOCK}.${id}`);
  const others = [`${LOCK}.mine`, ".gradloom.locks", young!];
  for (const name of [old!, ...others]) await writeFile(`${outputDir}/${name}`, "x");
  const before = new Date(Date.now() - 60_000);
  for (const name of [old!, ...others.slice(0, 2)])
    await utimes(`${outputDir}/${name}`, before, before);
  await (
    await lockOutputFolder(outputDir)
  )();
  expect((await readdir(outputDir)).sort()).toEqual([...others].sort());
});

it("leaves no lock behind where the process ends in the middle, or while it takes one, and deletes none of another", async () => {
  const [held, others] = [folder(), folder()];
  const unlock = await lockOutputFolder(held);
  const text = await readFile(`${held}/${LOCK}`, "utf8");
  const { id } = JSON.parse(text) as { id: string };
  await writeFile(`${held}/${LOCK}.${id}`, text); // as between two steps of taking it
  const again = await lockOutputFolder(others);
  await writeFile(`${others}/${LOCK}`, text.replace(id, crypto.randomUUID()));
  await writeFile(`${others}/${LOCK}.${id}`, text);
  deleteOwnLocks();
  expect(await readdir(held)).toEqual([]);
  expect((await readdir(others)).sort()).toEqual([LOCK, `${LOCK}.${id}`]);
  await Promise.all([unlock(), again()]);
  expect((await readdir(others)).sort()).toEqual([LOCK, `${LOCK}.${id}`]);
});

it("takes over the lock of a process that is gone, and of one whose pid is another's now", async () => {
  const outputDir = folder();
  const unlock = await lockOutputFolder(outputDir);
  const own = JSON.parse(await readFile(`${outputDir}/${LOCK}`, "utf8")) as Record<string, unknown>;
  await unlock();
  expect(await readdir(outputDir)).toEqual([]);

  const gone = spawn(process.execPath, ["--version"], { stdio: "ignore" });
  await new Promise((resolve) => gone.on("close", resolve));
  const stale = [
    { pid: gone.pid, processStart: "5" },
    ...(own.processStart ? [{ processStart: "5" }] : []),
  ];
  for (const edit of stale) {
    await writeFile(`${outputDir}/${LOCK}`, JSON.stringify({ ...own, id: "other", ...edit }));
    await (
      await lockOutputFolder(outputDir)
    )();
    expect(await readdir(outputDir)).toEqual([]);
  }
  // Nobody here knows what runs on another machine or wrote something else into the file.
  for (const text of [
    JSON.stringify({ ...own, id: "other", host: "elsewhere" }),
    "",
    "{}",
    "[1]",
  ]) {
    await writeFile(`${outputDir}/${LOCK}`, text);
    await expect(lockOutputFolder(outputDir)).rejects.toThrow(/must be of one run at a time/);
    expect(await readFile(`${outputDir}/${LOCK}`, "utf8")).toBe(text);
  }
});

it("does not give back the lock of another", async () => {
  const outputDir = folder();
  const unlock = await lockOutputFolder(outputDir);
  await writeFile(`${outputDir}/${LOCK}`, "{}");
  await unlock();
  expect(await readdir(outputDir)).toEqual([LOCK]);
});

it("gives the lock of a dead process to one of those who race for it", async () => {
  const outputDir = folder();
  await mkdir(outputDir);
  const unlock = await lockOutputFolder(outputDir);
  const own = JSON.parse(await readFile(`${outputDir}/${LOCK}`, "utf8")) as object;
  await unlock();
  for (let round = 0; round < (isFull ? 200 : 20); round++) {
    const stale = { ...own, pid: 2 ** 30, id: `stale ${round}` };
    await writeFile(`${outputDir}/${LOCK}`, JSON.stringify(stale));
    const results = await Promise.allSettled(
      Array.from({ length: 5 }, () => lockOutputFolder(outputDir)),
    );
    const held = results.flatMap((result) => (result.status === "fulfilled" ? [result.value] : []));
    expect(held).toHaveLength(1);
    await held[0]!();
  }
  expect(await readdir(outputDir)).toEqual([]);
});

it("lets one of several processes train, and no checkpoint mixes two", async () => {
  const script = fileURLToPath(new URL("../../scripts/folderTest.mjs", import.meta.url));
  const rounds = isFull ? "50" : "2";
  const { stdout } = await promisify(execFile)(process.execPath, [script, "--rounds", rounds]);
  expect(JSON.parse(stdout)).toMatchObject({ rounds: Number(rounds), mixed: 0, unexpected: [] });
}, 900_000);

// Where a command's results go: made before the work begins, so that a place that cannot be written to is said at once.

import { constants } from "node:fs";
import { access, mkdir, stat } from "node:fs/promises";
import { dirname, join } from "node:path";
import { ArgumentError } from "../tensor/errors.ts";
import { deleteTemporaries, writeAtomically } from "../tensor/writeAtomically.ts";
import { lockOutputFolder } from "../train/checkpoint/outputLock.ts";

const held: (() => Promise<void>)[] = [];

/**
 * Makes a folder and those above it where they are missing, and holds it for this run alone until
 * `releaseOutputFolders`. Temporary files of a run that was killed are deleted.
 * @throws {ArgumentError} when it cannot be made or written to
 * @throws {CheckpointError} when another run holds it
 */
export async function openOutputFolder(folder: string): Promise<void> {
  await makeOutputFolder(folder);
  held.push(await lockOutputFolder(folder));
  for (const name of ["report.html", "samples.jsonl"]) await deleteTemporaries(join(folder, name));
}

/** For the end of the process, whatever its reason. */
export async function releaseOutputFolders(): Promise<void> {
  for (const release of held.splice(0)) await release();
}

async function makeOutputFolder(folder: string): Promise<void> {
  try {
    await makeFolder(folder);
    await access(folder, constants.W_OK);
  } catch (error) {
    throw new ArgumentError(
      `output: must be a folder that can be written to, got ${folder} (${reasonOf(error)}). Choose another folder.`,
      { cause: error },
    );
  }
}

// Not mkdir's `recursive`: Node 20 to 24 never return from it below /proc and other places without mkdir.
async function makeFolder(folder: string): Promise<void> {
  const found = await stat(folder).catch(() => null);
  if (found?.isDirectory()) return;
  if (found === null && dirname(folder) !== folder) await makeFolder(dirname(folder));
  await mkdir(folder);
}

function reasonOf(error: unknown): string {
  const { code = String(error) } = error as NodeJS.ErrnoException;
  return code === "EEXIST" ? "a file" : code;
}

/** Writes report.html whole or not at all. @returns its path */
export async function writeReport(folder: string, html: string): Promise<string> {
  const path = join(folder, "report.html");
  await writeAtomically(path, [Buffer.from(html)]);
  return path;
}

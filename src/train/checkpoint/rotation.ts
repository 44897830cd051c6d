// The checkpoints of an output folder: which there are, and which may go.

import { files } from "../../tensor/files/files.ts";
import { basename, join } from "../../tensor/files/paths.ts";
import { CheckpointError } from "../../tensor/errors.ts";
import { deleteFolder, isCheckpoint, isMissing, recoverFolders, SIGN } from "./atomicFolder.ts";

export interface CheckpointFolder {
  readonly path: string;
  readonly step: number;
  /** When it was written, in milliseconds. */
  readonly time: number;
}

export const checkpointName = (step: number): string => `checkpoint-${step}`;

/** The checkpoint-N folders of `outputDir`, in order of N. Files, broken links and folders of another kind do not count. */
export async function listCheckpoints(outputDir: string): Promise<CheckpointFolder[]> {
  const found: CheckpointFolder[] = [];
  for (const name of await files.readdir(outputDir).catch(missingIsEmpty)) {
    const step = /^checkpoint-(\d+)$/.exec(name)?.[1];
    if (step === undefined) continue;
    const path = join(outputDir, name);
    if (!(await isCheckpoint(path))) continue;
    found.push({ path, step: Number(step), time: await files.folderTime(path, SIGN) });
  }
  return found.sort((a, b) => a.step - b.step);
}

function missingIsEmpty(error: unknown): string[] {
  if (isMissing(error)) return [];
  throw error;
}

/** Spread of times, in milliseconds, below which a file system may not keep them apart (transformers' rule). */
const INDISTINCT = 1000;

/**
 * Which checkpoints to delete so that `limit` stay: the oldest, but never the newest nor the best. So two stay with a
 * limit of 1 when those are two.
 * @param best path of the best checkpoint, or null
 */
export function surplusCheckpoints(
  checkpoints: readonly CheckpointFolder[],
  limit: number,
  best: string | null,
): CheckpointFolder[] {
  const times = checkpoints.map(({ time }) => time);
  const isDistinct = Math.max(...times) - Math.min(...times) >= INDISTINCT;
  const byAge = [...checkpoints].sort((a, b) =>
    isDistinct && a.time !== b.time ? a.time - b.time : a.step - b.step,
  );
  const newest = byAge.at(-1);
  const deletable = byAge.filter((c) => c !== newest && c.path !== best);
  return deletable.slice(0, Math.max(0, byAge.length - limit));
}

/** Deletes checkpoints until at most `limit` are left, as {@link surplusCheckpoints} says. */
export async function rotateCheckpoints(
  outputDir: string,
  limit: number,
  best: string | null,
): Promise<void> {
  const checkpoints = await listCheckpoints(outputDir);
  for (const { path } of surplusCheckpoints(checkpoints, limit, best)) await deleteFolder(path);
}

/** With a limit of one checkpoint, the best is what is left in the end. */
export async function keepOnly(outputDir: string, best: string): Promise<void> {
  const checkpoints = await listCheckpoints(outputDir);
  if (!checkpoints.some(({ path }) => path === best)) return; // it is elsewhere: then these are all there is
  for (const { path } of checkpoints) if (path !== best) await deleteFolder(path);
}

/** The folder that `resumeFromCheckpoint` means. @throws {CheckpointError} when `resume` is true and there is no checkpoint */
export async function checkpointToResume(
  outputDir: string,
  resume: string | boolean | undefined,
): Promise<string | null> {
  if (typeof resume === "string") return resume;
  if (resume !== true) return null;
  await recoverFolders(outputDir);
  const newest = (await listCheckpoints(outputDir)).at(-1);
  if (newest) return newest.path;
  throw new CheckpointError(
    `resumeFromCheckpoint: ${outputDir} must hold a checkpoint-N folder, got none. Train without it first.`,
  );
}

/** The checkpoint of the same name in `outputDir`: a run may have been moved since it wrote `path` down. */
export async function checkpointIn(outputDir: string, path: string | null): Promise<string | null> {
  if (path === null) return null;
  const found = (await listCheckpoints(outputDir)).find((c) => basename(c.path) === basename(path));
  return found?.path ?? path;
}

// What a run writes about itself: figures by split, and its state (transformers' save_metrics and save_state).

import { files } from "../../tensor/files/files.ts";
import { CheckpointError } from "../../tensor/errors.ts";
import { writeAtomically } from "../../tensor/writeAtomically.ts";
import { sortedJson } from "../sortedJson.ts";
import type { Metrics } from "../speed.ts";
import { parseObject, type TrainerState } from "../trainerState.ts";

const ALL = "all_results.json";

/**
 * Writes SPLIT_results.json, and with `combined` adds the figures to all_results.json, in place of those of the same names.
 * @throws {CheckpointError} for an all_results.json that is no JSON object
 * @throws {GradloomError} when a file cannot be written
 */
export async function writeMetrics(
  folder: string,
  split: string,
  metrics: Readonly<Metrics>,
  combined: boolean,
): Promise<void> {
  await files.makeFolder(folder);
  const all = combined ? { ...(await allResults(`${folder}/${ALL}`)), ...metrics } : null;
  await write(`${folder}/${split}_results.json`, sortedJson(metrics, 4));
  if (all !== null) await write(`${folder}/${ALL}`, sortedJson(all, 4));
}

/** Writes trainer_state.json. */
export async function writeState(folder: string, state: TrainerState): Promise<void> {
  await files.makeFolder(folder);
  await write(`${folder}/trainer_state.json`, state.toJSONText());
}

async function allResults(path: string): Promise<Record<string, unknown>> {
  const text = await files.readText(path).catch((error: NodeJS.ErrnoException) => {
    if (error.code === "ENOENT") return null;
    throw new CheckpointError(`${path}: must be readable, got ${error.code}`, { cause: error });
  });
  return text === null ? {} : parseObject(text, path);
}

function write(path: string, text: string): Promise<void> {
  return writeAtomically(path, [new TextEncoder().encode(text)]);
}

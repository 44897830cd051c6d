// A callback that summarises the same few rows at every evaluation and appends them to samples.jsonl, so that the
// report of a resumed run shows them from the beginning.

import { appendFile, mkdir, readFile } from "node:fs/promises";
import { join } from "node:path";
import { parseJson } from "../../tensor/json.ts";
import { writeAtomically } from "../../tensor/writeAtomically.ts";
import type { TrainerCallback } from "../../train/callbacks.ts";

/** What the model wrote for every sample row after an update. */
export interface SampleRecord {
  readonly step: number;
  readonly texts: readonly string[];
}

export interface SampleRecorder {
  readonly callback: TrainerCallback;
  readonly records: SampleRecord[];
}

/**
 * @param summarize gives one text for each sample row
 * @param onRecord gets each new record
 */
export function sampleRecorder(
  summarize: () => Promise<string[]>,
  onRecord: (record: SampleRecord) => Promise<void> = () => Promise.resolve(),
): SampleRecorder {
  const records: SampleRecord[] = [];
  const callback: TrainerCallback = {
    async onTrainBegin({ outputDir }, state) {
      // What a killed run wrote after its last checkpoint will be written again.
      const isResumed = state.globalStep > 0;
      const before = isResumed ? await readRecords(fileIn(outputDir)) : [];
      records.push(...before.filter(({ step }) => step <= state.globalStep));
      if (!state.isWorldProcessZero) return; // of several processes one writes
      await mkdir(outputDir, { recursive: true });
      const bytes = new TextEncoder().encode(records.map(toLine).join(""));
      await writeAtomically(fileIn(outputDir), [bytes]);
    },
    async onEvaluate({ outputDir }, state) {
      const record = { step: state.globalStep, texts: await summarize() };
      records.push(record);
      if (state.isWorldProcessZero) await appendFile(fileIn(outputDir), toLine(record));
      await onRecord(record);
    },
  };
  return { callback, records };
}

function fileIn(outputDir: string): string {
  return join(outputDir, "samples.jsonl");
}

function toLine(record: SampleRecord): string {
  return `${JSON.stringify(record)}\n`;
}

/**
 * The records of a file; none when there is no file. A last line that a crash cut off is left out, and so are lines that
 * are no record, with a word on stderr.
 */
async function readRecords(path: string): Promise<SampleRecord[]> {
  const text = await readFile(path, "utf8").catch(() => "");
  const lines = text
    .slice(0, text.lastIndexOf("\n") + 1)
    .split("\n")
    .filter((line) => line !== "");
  const records = lines.flatMap((line) => toRecord(line) ?? []);
  if (records.length < lines.length) {
    process.stderr.write(
      `warning: ${path}: ${lines.length - records.length} lines are no sample records; they are left out\n`,
    );
  }
  return records;
}

function toRecord(line: string): SampleRecord | null {
  try {
    const { step, texts } = parseJson(line) as SampleRecord;
    const isRecord =
      Number.isSafeInteger(step) &&
      step >= 0 &&
      Array.isArray(texts) &&
      texts.every((text) => typeof text === "string");
    return isRecord ? { step, texts } : null;
  } catch {
    return null;
  }
}

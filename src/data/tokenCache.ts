// Token ids on disk, so that a dataset is tokenised once. An entry's name is the hash of everything that its ids follow
// from, and a few rows are tokenised anew before it is believed, so it cannot be stale. It holds the SHA-256 of its ids, so
// that a disk or a hand that changed one bit is noticed: 30 MB of ids take some 30 ms to hash.

import { createHash } from "node:crypto";
import { mkdir, readdir, rm, stat, utimes } from "node:fs/promises";
import { homedir } from "node:os";
import { basename, join } from "node:path";
import type { Tokenizer } from "../model/tokenizer.ts";
import { openSafetensors, writeSafetensors } from "../tensor/safetensors.ts";
import { warn } from "../tensor/warnings.ts";
import type { Example } from "./collate.ts";
import { DEFAULT_COLUMNS, type Dataset, type Row } from "./dataset.ts";
import {
  DEFAULT_MAX_LENGTH,
  preprocess,
  rowEncoder,
  type PreprocessOptions,
} from "./preprocess.ts";
import { templateColumns, trainingTemplate } from "./prompt.ts";

/** Part of every key: raised when the layout of entries changes. */
const FORMAT = "gradloom tokens 2";
/** Rows of an entry that are tokenised again and compared. */
const PROBES = 16;
/** Entries that were not used for so long are deleted when another one is written. */
const KEPT_DAYS = 30;
const DAY = 24 * 60 * 60 * 1000;

/** Options of `preprocess`, and where its results are kept. */
export interface CacheOptions extends PreprocessOptions {
  /** Folder of the entries; default `tokenCacheFolder()`. */
  readonly cacheDir?: string;
}

/** GRADLOOM_CACHE/tokens, else gradloom/tokens in XDG_CACHE_HOME or ~/.cache. */
export function tokenCacheFolder(): string {
  const { GRADLOOM_CACHE: own, XDG_CACHE_HOME: caches } = process.env;
  return join(own || join(caches || join(homedir(), ".cache"), "gradloom"), "tokens");
}

/**
 * `preprocess`, from the cache when it has been done before. An entry appears whole or not at all. Where none can be
 * written, stderr says so and the ids are used without.
 * @throws {DatasetError | ArgumentError} as `preprocess`
 */
export async function preprocessCached(
  dataset: Pick<Dataset, "rows">,
  tokenizer: Pick<Tokenizer, "encode" | "fingerprint">,
  options: CacheOptions = {},
): Promise<Example[]> {
  const { cacheDir = tokenCacheFolder(), onProgress } = options;
  const encode = rowEncoder(tokenizer, options);
  const { rows } = dataset;
  const path = join(cacheDir, `${await entryName(rows, tokenizer, options)}.safetensors`);
  const cached = await readEntry(path, options.faithful !== true);
  if (cached !== undefined && isBelievable(cached, rows, encode)) {
    const now = new Date();
    await utimes(path, now, now).catch(() => undefined); // kept longer; a cache that is read only does without
    onProgress?.(rows.length, rows.length);
    return cached;
  }
  const examples = await preprocess(dataset, tokenizer, options);
  try {
    await mkdir(cacheDir, { recursive: true });
    await deleteUnused(cacheDir);
    await writeEntry(path, examples);
  } catch (error) {
    const reason = error instanceof Error ? error.message : String(error);
    warn(
      `tokens are not kept for the next time: ${reason} Set GRADLOOM_CACHE to a folder that can be written to.`,
    );
  }
  return examples;
}

/** SHA-256 of the texts, the prompt, the tokenizer and the settings. */
async function entryName(
  rows: readonly Row[],
  tokenizer: Pick<Tokenizer, "fingerprint">,
  options: CacheOptions,
): Promise<string> {
  const { faithful = false, maxLength = DEFAULT_MAX_LENGTH } = options;
  const { targetColumn = DEFAULT_COLUMNS.targetColumn } = options;
  const template = trainingTemplate(options);
  const columns = [...templateColumns(template), targetColumn];
  const { maxSourceLength = maxLength, maxTargetLength = maxLength } = options;
  const lengths =
    maxSourceLength === maxTargetLength
      ? { maxLength: maxSourceLength }
      : { maxSourceLength, maxTargetLength };
  const settings = { faithful, ...lengths, template, targetColumn, rows: rows.length };
  const hash = createHash("sha256");
  hash.update(JSON.stringify([FORMAT, await tokenizer.fingerprint(), settings]));
  for (const row of rows) hash.update(JSON.stringify(columns.map((column) => row[column])));
  return hash.digest("hex").slice(0, 32);
}

/** Whether some rows, the first and the last among them, have these ids today. */
function isBelievable(
  examples: readonly Example[],
  rows: readonly Row[],
  encode: (rows: readonly Row[], first: number) => Example[],
): boolean {
  if (examples.length !== rows.length) return false;
  const step = Math.max(1, (rows.length - 1) / (PROBES - 1));
  for (let place = 0; place <= rows.length - 1; place += step) {
    const i = Math.round(place);
    const [expected] = encode([rows[i]!], i);
    if (JSON.stringify(expected) !== JSON.stringify(examples[i])) return false;
  }
  return true;
}

async function writeEntry(path: string, examples: readonly Example[]): Promise<void> {
  const flat = (key: "inputIds" | "labels") => {
    const lengths = Int32Array.from(examples, (example) => example[key].length);
    const ids = new Int32Array(lengths.reduce((sum, length) => sum + length, 0));
    let end = 0;
    for (const example of examples) {
      ids.set(example[key], end);
      end += example[key].length;
    }
    return { ids, lengths };
  };
  const [inputs, labels] = [flat("inputIds"), flat("labels")];
  const vector = (data: Int32Array) => ({ dtype: "I32" as const, shape: [data.length], data });
  const parts: Parts = [inputs.ids, inputs.lengths, labels.ids, labels.lengths];
  const tensors = Object.fromEntries(NAMES.map((name, i) => [name, vector(parts[i]!)] as const));
  await writeSafetensors(path, tensors, { sha256: digest(path, parts) });
}

const NAMES = ["input_ids", "input_lengths", "labels", "label_lengths"] as const;
type Parts = readonly [Int32Array, Int32Array, Int32Array, Int32Array];

/** SHA-256 of an entry's name and content. */
function digest(path: string, parts: Parts): string {
  const hash = createHash("sha256").update(basename(path));
  for (const part of parts) hash.update(`${part.length}:`).update(part);
  return hash.digest("hex");
}

/** @param hasMask whether rows carry a mask, which is then 1 throughout: only faithful rows are padded */
async function readEntry(path: string, hasMask: boolean): Promise<Example[] | undefined> {
  try {
    const file = await openSafetensors(path);
    const read = async (name: string) => {
      const { data } = await file.read(name);
      if (data instanceof Int32Array) return data;
      throw new Error("not ids");
    };
    try {
      const [ids, lengths, labelIds, labelLengths] = [
        await read(NAMES[0]),
        await read(NAMES[1]),
        await read(NAMES[2]),
        await read(NAMES[3]),
      ] as const;
      const sum = digest(path, [ids, lengths, labelIds, labelLengths]);
      if (file.metadata["sha256"] !== sum) return undefined;
      const inputs = split(ids, lengths);
      const labels = split(labelIds, labelLengths);
      return inputs.map((inputIds, i) => ({
        inputIds,
        ...(hasMask ? { attentionMask: new Array<number>(inputIds.length).fill(1) } : {}),
        labels: labels[i]!,
      }));
    } finally {
      await file.close();
    }
  } catch {
    return undefined; // none, or one that cannot be read and is written again
  }
}

function split(ids: Int32Array, lengths: Int32Array): number[][] {
  let end = 0;
  return Array.from(lengths, (length) => Array.from(ids.subarray(end, (end += length))));
}

async function deleteUnused(folder: string): Promise<void> {
  for (const name of await readdir(folder)) {
    const path = join(folder, name);
    const age = Date.now() - (await stat(path)).mtimeMs;
    if (age > KEPT_DAYS * DAY) await rm(path, { force: true });
  }
}

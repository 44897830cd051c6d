// What pages do with their private file system: models and rows from the Hub, and checkpoints.

import type * as Gradloom from "../../src/browser.ts";
import { freshModel, ids } from "./measure.ts";

type Library = typeof Gradloom;

interface RunOptions {
  readonly args: Gradloom.TrainingArgumentsInput;
  readonly resume?: boolean;
  /** The page is told, and goes on no further, while this checkpoint is being written. */
  readonly hangInSave?: number;
}

export interface RunFigures {
  /** By step. */
  readonly losses: readonly (readonly [number, number])[];
  readonly checkpoints: readonly string[];
  readonly files: readonly string[];
  readonly tokens: readonly (readonly number[])[];
}

export function storeTasks(library: Library) {
  return {
    /** @returns what the model goes on with, and what was downloaded of each file */
    async fromHub(id: string, text: string, options: Gradloom.HubOptions, abortAt = Infinity) {
      const loaded: Record<string, number> = {};
      const leaving = new AbortController();
      const device = await library.openDevice("cpu", { threads: 1 });
      const onProgress = ({ file, loaded: bytes }: Gradloom.DownloadProgress) => {
        loaded[file] = bytes;
        if (bytes > abortAt) leaving.abort();
      };
      const hub = { ...options, onProgress, signal: leaving.signal };
      const model = await library.T5ForConditionalGeneration.fromPretrained(id, { device, ...hub });
      const tokenizer = await library.Tokenizer.fromPretrained(id, hub);
      const [row] = await model.generate(tokenizer.encode(text), { maxNewTokens: 12 });
      await device.close();
      return { text: tokenizer.decode(row!), loaded };
    },

    async datasetFromHub(id: string, options: Gradloom.LoadDatasetOptions) {
      const { train } = await library.loadDataset(id, options);
      return train!.rows;
    },

    cached: () => library.listCachedRepositories(),
    forget: (id: string) => library.deleteCachedRepository(id),

    async trainRun({ args, resume = false, hangInSave }: RunOptions): Promise<RunFigures> {
      const device = await library.openDevice("cpu", { threads: 1 });
      const model = freshModel(library, device);
      const hang = async () => {
        await fetch("/hanging");
        await new Promise(() => undefined);
      };
      const trainer = new library.Trainer({
        model,
        trainDataset: rows(24, 0),
        evalDataset: rows(4, 50),
        args: {
          ...{ maxSteps: 6, perDeviceTrainBatchSize: 4, learningRate: 1e-2, loggingSteps: 1 },
          ...{ saveStrategy: "steps", saveSteps: 2, disableTqdm: true, seed: 5, ...args },
        },
        // Called in the middle of a save, when the model's files are written.
        tokenizer: {
          savePretrained: async (folder: string) => {
            if (hangInSave !== undefined && folder.includes(`checkpoint-${hangInSave}`))
              await hang();
          },
        } as unknown as Gradloom.TrainerTokenizer,
      });
      await trainer.train(resume ? { resumeFromCheckpoint: true } : {});
      const losses = trainer.state.logHistory.flatMap(({ step, loss }) =>
        loss === undefined ? [] : [[step, loss] as const],
      );
      const tokens = await model.generate({ inputIds: [ids(10, 5)] }, { maxNewTokens: 8 });
      await device.close();
      const folder = await open(trainer.args.outputDir);
      return { losses, tokens, ...(await list(folder)) };
    },

    listFolder: async (path: string) => list(await open(path)),

    /** Handles that the browser was asked for from one checkpoint to the next, once there are as many as stay. */
    async handlesOfSave(outputDir: string): Promise<number> {
      const count = countHandles();
      const device = await library.openDevice("cpu", { threads: 1 });
      const seen: number[] = [];
      const trainer = new library.Trainer({
        model: freshModel(library, device),
        trainDataset: rows(24, 0),
        args: {
          ...{ outputDir, maxSteps: 4, perDeviceTrainBatchSize: 4, disableTqdm: true },
          ...{ saveStrategy: "steps", saveSteps: 1, saveTotalLimit: 1 },
        },
        callbacks: [{ onSave: () => void seen.push(count()) }],
      });
      await trainer.train();
      await device.close();
      return seen[3]! - seen[2]!;
    },
  };
}

/** @returns how many handles of files and folders the browser has made since, those that lists give included */
function countHandles(): () => number {
  let made = 0;
  const counted = <T>(work: Promise<T>): Promise<T> =>
    work.then((handle) => {
      made++;
      return handle;
    });
  const folder = FileSystemDirectoryHandle.prototype as FileSystemDirectoryHandle & {
    entries(): AsyncIterable<[string, FileSystemHandle]>;
    [Symbol.asyncIterator](): AsyncIterable<[string, FileSystemHandle]>;
  };
  const { getFileHandle, getDirectoryHandle, entries } = folder;
  folder.getFileHandle = function (...rest) {
    return counted(getFileHandle.apply(this, rest));
  };
  folder.getDirectoryHandle = function (...rest) {
    return counted(getDirectoryHandle.apply(this, rest));
  };
  folder[Symbol.asyncIterator] = async function* () {
    for await (const entry of entries.call(this)) {
      made++;
      yield entry;
    }
  };
  return () => made;
}

function rows(count: number, seed: number) {
  return Array.from({ length: count }, (_, row) => ({
    inputIds: ids(16, row + seed),
    labels: ids(8, 3 * row + 1 + seed),
  }));
}

/** What the browser itself finds, past the library. */
async function open(path: string): Promise<FileSystemDirectoryHandle> {
  let folder = await navigator.storage.getDirectory();
  for (const part of path.split("/")) folder = await folder.getDirectoryHandle(part);
  return folder;
}

async function list(folder: FileSystemDirectoryHandle) {
  const found = folder as unknown as AsyncIterable<[string, FileSystemHandle]>;
  const [checkpoints, files]: [string[], string[]] = [[], []];
  for await (const [name, handle] of found) {
    if (handle.kind === "file") continue;
    checkpoints.push(name);
    const inside = handle as unknown as AsyncIterable<[string, FileSystemHandle]>;
    for await (const [file] of inside) files.push(`${name}/${file}`);
  }
  return { checkpoints: checkpoints.sort(), files: files.sort() };
}

// The log of a run as TensorBoard shows it (transformers' TensorBoardCallback).

import { homeFolder, variable } from "../../tensor/host.ts";
import { argumentsJson } from "../arguments/json.ts";
import type { TrainingArguments } from "../arguments/arguments.ts";
import type { CallbackInfo, TrainerCallback, TrainerControl } from "../callbacks.ts";
import type { Metrics } from "../speed.ts";
import type { TrainerState } from "../trainerState.ts";
import { defaultLoggingDir, EventFile } from "./eventFile.ts";

/** Where a `TensorBoardCallback` writes. */
export interface TensorBoardOptions {
  /** Default: `loggingDir`, then the environment variable TENSORBOARD_LOGGING_DIR, then outputDir/runs/DATE_HOST. */
  readonly logDir?: string | undefined;
}

/**
 * Writes each log record to an event file for TensorBoard, under transformers' tags: train/loss, train/learning_rate,
 * eval/rouge1, ... The arguments and the model's configuration are texts beside them. `reportTo: "tensorboard"` adds one to a
 * Trainer; one that is passed as a callback takes its place, and `addText` puts own texts beside the figures. Node only.
 */
export class TensorBoardCallback implements TrainerCallback {
  readonly name = "TensorBoardCallback";
  #folder: string | null;
  #file: EventFile | null = null;

  constructor({ logDir }: TensorBoardOptions = {}) {
    this.#folder = logDir ?? null;
  }

  /** Folder of the event files; null before training. */
  get logDir(): string | null {
    return this.#folder;
  }

  async onTrainBegin(
    args: TrainingArguments,
    state: TrainerState,
    _control: TrainerControl,
    { model }: CallbackInfo,
  ): Promise<void> {
    if (!state.isWorldProcessZero) return;
    const file = await this.#open(args);
    const config = model.config?.toJSON();
    await file.add(0, [
      { tag: "args", value: JSON.stringify(argumentsJson(args), null, 2) },
      ...(config === undefined
        ? []
        : [{ tag: "model_config", value: JSON.stringify(config, null, 2) }]),
    ]);
  }

  async onLog(
    args: TrainingArguments,
    state: TrainerState,
    _control: TrainerControl,
    { logs = {} }: CallbackInfo,
  ): Promise<void> {
    if (!state.isWorldProcessZero) return;
    const file = await this.#open(args);
    const figures = Object.entries(rewriteLogs(logs));
    await file.add(
      state.globalStep,
      figures.map(([tag, value]) => ({ tag, value })),
    );
  }

  /** The file of this run is whole; what is logged later goes to another one in the same folder. */
  onTrainEnd(): void {
    this.#file = null;
  }

  /**
   * Puts a text beside the figures; TensorBoard reads it as Markdown. Nothing happens before training has begun.
   * @param step update that it belongs to
   */
  async addText(tag: string, text: string, step: number): Promise<void> {
    await this.#file?.add(step, [{ tag, value: text }]);
  }

  async #open(args: TrainingArguments): Promise<EventFile> {
    this.#folder ??=
      args.loggingDir ??
      expanded(variable("TENSORBOARD_LOGGING_DIR")) ??
      defaultLoggingDir(args.outputDir);
    this.#file ??= await EventFile.create(this.#folder);
    return this.#file;
  }
}

/** transformers' rewrite_logs: eval_loss -> eval/loss, test_loss -> test/loss, loss -> train/loss. */
export function rewriteLogs(logs: Readonly<Metrics>): Metrics {
  const entries = Object.entries(logs).map(([key, value]): [string, number] => {
    const [, prefix, name] = /^(eval|test)_(.*)$/s.exec(key) ?? [null, "train", key];
    return [`${prefix}/${name}`, value];
  });
  return Object.fromEntries(entries);
}

/** Python's expanduser. */
function expanded(path: string | undefined): string | undefined {
  if (path === undefined || path === "") return undefined;
  return path.replace(/^~(?=\/|$)/, () => homeFolder());
}

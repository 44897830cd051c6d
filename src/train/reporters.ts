// Where log records go besides trainer.state: stderr, and a file for other programs.

import type { TrainingArguments } from "./arguments/arguments.ts";
import type { TrainerCallback } from "./callbacks.ts";
import type { TrainerState } from "./trainerState.ts";

/** One line of stderr for each log record, unless disableTqdm is set. */
const printer: TrainerCallback = {
  onLog(args, state, _control, { logs = {} }) {
    if (args.disableTqdm) return;
    const shown = Object.entries(logs).map(
      ([key, value]) => `${key} ${Number(value.toPrecision(5))}`,
    );
    console.error(`step ${state.globalStep}/${state.maxSteps}: ${shown.join(", ")}`);
  },
};

/** outputDir/log.jsonl: the log history, one record a line. */
const jsonLines: TrainerCallback = {
  async onTrainBegin(args, state) {
    const { mkdir, writeFile } = await import("node:fs/promises");
    await mkdir(args.outputDir, { recursive: true });
    // A resumed run begins with what its checkpoint knew, not with what the killed run logged after it.
    await writeFile(logFile(args), state.logHistory.map(toLine).join(""));
  },
  async onLog(args, state) {
    const { appendFile, mkdir } = await import("node:fs/promises");
    await mkdir(args.outputDir, { recursive: true });
    await appendFile(logFile(args), toLine(state.logHistory.at(-1)));
  },
};

/** Says where the log is, for there is no well-kept writer of event files to depend on (docs/internals/dependencies.md). */
const instead: TrainerCallback = {
  onTrainBegin(args) {
    console.error(
      `reportTo: TensorBoard event files are not written by this version; the log is in ${logFile(args)}, ` +
        "one JSON record a line (docs/guide/training.md shows how to give it to TensorBoard)",
    );
  },
};

/** Callbacks that `args.reportTo` and `args.disableTqdm` ask for. */
export function reportersOf(args: TrainingArguments): TrainerCallback[] {
  if (args.reportTo === "none") return [printer];
  return args.reportTo === "tensorboard" ? [printer, jsonLines, instead] : [printer, jsonLines];
}

function logFile(args: TrainingArguments): string {
  return `${args.outputDir}/log.jsonl`;
}

function toLine(record: TrainerState["logHistory"][number] | undefined): string {
  return `${JSON.stringify(record)}\n`;
}

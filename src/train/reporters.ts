// Where log records go besides trainer.state: stderr, and a file for other programs.

import type { TrainingArguments } from "./arguments.ts";
import type { TrainerCallback } from "./callbacks.ts";
import type { TrainerState } from "./state.ts";

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

export function reportersOf(args: TrainingArguments): TrainerCallback[] {
  return args.reportTo === "none" ? [printer] : [printer, jsonLines];
}

function logFile(args: TrainingArguments): string {
  return `${args.outputDir}/log.jsonl`;
}

function toLine(record: TrainerState["logHistory"][number] | undefined): string {
  return `${JSON.stringify(record)}\n`;
}

// Where log records go besides trainer.state: stderr, a file for other programs, and TensorBoard.

import { files } from "../tensor/files/files.ts";
import type { TrainingArguments } from "./arguments/arguments.ts";
import type { TrainerCallback } from "./callbacks.ts";
import { TensorBoardCallback } from "./tensorboard/callback.ts";
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
    await files.makeFolder(args.outputDir);
    // A resumed run begins with what its checkpoint knew, not with what the killed run logged after it.
    await files.writeFile(logFile(args), state.logHistory.map(toLine).join(""));
  },
  async onLog(args, state) {
    await files.makeFolder(args.outputDir);
    await files.appendFile(logFile(args), toLine(state.logHistory.at(-1)));
  },
};

/** Reporters that are had. */
const REPORTERS = ["jsonl", "tensorboard"] as const;

/** What `reportTo` names: "all" means every reporter that needs nothing but a disk. */
export function reporterNames(args: TrainingArguments): readonly string[] {
  const names: readonly string[] = [args.reportTo].flat();
  if (names.includes("all")) return REPORTERS;
  return names.filter((name) => name !== "none");
}

/**
 * Callbacks that `args.reportTo` and `args.disableTqdm` ask for.
 * @param given callbacks of the caller; a TensorBoardCallback among them is the one
 */
export function reportersOf(
  args: TrainingArguments,
  given: readonly TrainerCallback[],
): TrainerCallback[] {
  const names = reporterNames(args);
  const hasTensorBoard = given.some((callback) => callback instanceof TensorBoardCallback);
  return [
    printer,
    ...(names.includes("jsonl") ? [jsonLines] : []),
    ...(names.includes("tensorboard") && !hasTensorBoard ? [new TensorBoardCallback()] : []),
  ];
}

function logFile(args: TrainingArguments): string {
  return `${args.outputDir}/log.jsonl`;
}

function toLine(record: TrainerState["logHistory"][number] | undefined): string {
  return `${JSON.stringify(record)}\n`;
}

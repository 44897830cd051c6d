// What a person wants to know of a run besides its log: how much there is to do, where it begins, what it cost, why it
// ended early, and how to go on when it was cut short.

import { basename, join } from "node:path";
import { countWithoutEmbeddings, trainingFlos } from "../../train/flos.ts";
import type { TrainerCallback } from "../../train/callbacks.ts";
import { checkpointName, listCheckpoints } from "../../train/checkpoint/rotation.ts";
import type { Output } from "../terminal/output.ts";

/** What is said when the first signal comes while training. */
export const INTERRUPTED =
  "interrupted: finishing this update and saving a checkpoint; Ctrl-C again stops at once";

export interface RunNotes {
  readonly callback: TrainerCallback;
  /** Says on stderr which checkpoint there is to resume from, and the command that does; nothing when there is none. */
  sayHowToGoOn(): void;
}

export interface RunNotesOptions {
  /** Examples to train on; null for a stream. */
  readonly examples: number | null;
  readonly resumeFromCheckpoint: string | true | undefined;
}

export function runNotes(output: Output, options: RunNotesOptions): RunNotes {
  const { examples, resumeFromCheckpoint } = options;
  let newest: string | null = null;
  const began = { step: 0, flos: 0, stepAt: 0 };
  let seconds = 0;

  const callback: TrainerCallback = {
    async onTrainBegin(args, state, _control, { model }) {
      Object.assign(began, { step: state.globalStep, flos: state.totalFlos });
      const there = await listCheckpoints(args.outputDir);
      if (resumeFromCheckpoint !== undefined) {
        newest = resumeFromCheckpoint === true ? there.at(-1)!.path : resumeFromCheckpoint;
        output.print(
          `resuming from ${newest}: ${state.globalStep} of ${state.maxSteps} updates are done`,
        );
      } else if (there.length > 0) {
        const names = there.map(({ path }) => basename(path)).join(", ");
        output.print(
          `${args.outputDir} holds a run already (${names}): this one begins anew and replaces checkpoints of the same names`,
        );
      }
      const { perDeviceTrainBatchSize: size, gradientAccumulationSteps: batches } = args;
      const trained = [...model.parameters().values()].filter((x) => x.requiresGrad);
      const weights = trained.reduce((sum, x) => sum + x.size, 0);
      output.print(
        `training: ${examples === null ? "a stream of" : grouped(examples)} examples, ` +
          `${grouped(size * batches)} an update (${batches} x ${size}), ` +
          `${grouped(state.maxSteps)} updates, ${grouped(weights)} trainable weights`,
      );
    },
    onStepBegin() {
      began.stepAt = performance.now();
    },
    onStepEnd() {
      seconds += (performance.now() - began.stepAt) / 1000;
    },
    onSave({ outputDir }, state) {
      newest = join(outputDir, checkpointName(state.globalStep));
    },
    onTrainEnd(args, state, _control, { model }) {
      const updates = state.globalStep - began.step;
      if (state.globalStep < state.maxSteps) {
        const best =
          state.bestGlobalStep === null ? "" : `, best at update ${state.bestGlobalStep}`;
        output.print(
          `stopped early after update ${state.globalStep} of ${state.maxSteps}: ` +
            `${args.metricForBestModel ?? "the metric"} did not improve any more${best}`,
        );
      }
      if (updates === 0) return;
      const flosOfToken = trainingFlos([[0]], countWithoutEmbeddings(model.parameters()));
      const tokens = (state.totalFlos - began.flos) / flosOfToken;
      const size = args.perDeviceTrainBatchSize * args.gradientAccumulationSteps;
      const speed = (count: number): string => Number((count / seconds).toPrecision(3)).toString();
      output.print(
        `${grouped(updates)} updates in ${seconds.toFixed(1)} s without evaluating and saving: ` +
          `${speed(updates * size)} samples/s, ${speed(tokens)} prompt tokens/s, ${peakMemory(model.device)}`,
      );
    },
  };

  const sayHowToGoOn = (): void => {
    if (newest === null) return;
    process.stderr.write(`saved: ${newest}\ngo on with: ${commandToResume(newest)}\n`);
  };
  return { callback, sayHowToGoOn };
}

function peakMemory(device: { readonly kind: string; memory(): { peakBytes: number } }): string {
  const mebibytes = (bytes: number): string => `${Math.round(bytes / 2 ** 20)} MiB`;
  const resident = mebibytes(1024 * process.resourceUsage().maxRSS);
  const own =
    device.kind === "cpu" ? "" : ` and ${mebibytes(device.memory().peakBytes)} of tensors`;
  return `peak memory ${resident}${own}`;
}

function grouped(count: number): string {
  return count.toLocaleString("en-US");
}

/** The command line of this process, with the checkpoint to begin from. */
function commandToResume(checkpoint: string): string {
  return resumeCommand(process.argv, checkpoint, process.cwd());
}

/**
 * @param argv as `process.argv` has it
 * @param folder that the command is run in: what lies below it is named without it
 */
export function resumeCommand(argv: readonly string[], checkpoint: string, folder: string): string {
  const [node = "node", script = "", ...args] = argv;
  const below = (path: string): string =>
    path.startsWith(`${folder}/`) ? path.slice(folder.length + 1) : path;
  const program = basename(script) === "gradloom" ? ["gradloom"] : [basename(node), below(script)];
  const at = args.findIndex((arg) => /^--resume-from-checkpoint(=|$)/.test(arg));
  if (at >= 0) {
    const hasValue = args[at]!.endsWith("checkpoint") && args[at + 1]?.startsWith("-") === false;
    args.splice(at, hasValue ? 2 : 1);
  }
  const shown = withoutTokens(args);
  return [...program, ...shown, "--resume-from-checkpoint", below(checkpoint)]
    .map(quoted)
    .join(" ");
}

/** What is printed is read by others: who goes on sets HF_TOKEN, or gives the token again. */
function withoutTokens(args: readonly string[]): string[] {
  return args.filter(
    (arg, i) =>
      !/^--(hub[-_])?token(=|$)/.test(arg) && !/^--(hub[-_])?token$/.test(args[i - 1] ?? ""),
  );
}

/** For a POSIX shell. */
function quoted(word: string): string {
  return /^[\w@%+=:,./-]+$/.test(word) ? word : `'${word.replaceAll("'", `'\\''`)}'`;
}

// The optimizer of a run (optim, optimArgs).

import { toCamelCase } from "../fields/names.ts";
import { readJson } from "../fields/rules.ts";
import { Adafactor, type AdafactorOptions } from "../optim/adafactor.ts";
import { AdamW } from "../optim/adamw.ts";
import type { Gradients } from "../optim/gradients.ts";
import type { Pack } from "../optim/pack.ts";
import { ArgumentError } from "../tensor/errors.ts";
import type { Tensor } from "../tensor/tensor.ts";
import type { Stored } from "./stored.ts";
import type { TrainingArguments } from "./arguments/arguments.ts";

/** What the training loop and checkpoints need of AdamW and Adafactor. */
export interface Optimizer {
  steps: number;
  zeroGradIn(buckets: readonly Pack[]): Gradients;
  step(gradients: Gradients, learningRate: number): void;
  /** The rate of the next update of an optimizer that finds its own; null where the schedule gives it. */
  relativeRate?(): number | null;
  state(): ReadonlyMap<string, Stored>;
  /** Of several processes that each keep a part: rank 0 calls it when it has read the state, the others to answer until then. */
  shareState?(): Promise<void>;
  dispose(): void;
}

/** @throws {ArgumentError} for optimArgs that the optimizer does not have, or that contradict each other */
export function makeOptimizer(
  parameters: ReadonlyMap<string, Tensor>,
  args: TrainingArguments,
): Optimizer {
  const { weightDecay, learningRate } = args;
  if (args.optim !== "adafactor") {
    if (args.optimArgs !== null) {
      throw new ArgumentError(
        `optimArgs: must be left out with optim "${args.optim}", got "${args.optimArgs}". ` +
          "Use adamBeta1, adamBeta2, adamEpsilon and weightDecay.",
      );
    }
    const { adamBeta1, adamBeta2, adamEpsilon } = args;
    return new AdamW(parameters, {
      ...{ betas: [adamBeta1, adamBeta2], eps: adamEpsilon, weightDecay },
    });
  }
  // transformers' choice for its Trainer, which reads no optimArgs here
  const own = { scaleParameter: false, relativeStep: false, ...adafactorArgs(args.optimArgs) };
  const lr = own.relativeStep ? null : learningRate;
  return new Adafactor(parameters, { ...own, weightDecay, lr });
}

const ADAFACTOR_ARGS = {
  ...{ eps1: "number", eps2: "number", clipThreshold: "number", decayRate: "number" },
  ...{ beta1: "number", scaleParameter: "boolean", relativeStep: "boolean", warmupInit: "boolean" },
} as const;

/** "scale_parameter=true,clip_threshold=0.5" as options; eps1 and eps2 are the two of eps. */
function adafactorArgs(text: string | null): AdafactorOptions {
  const values: Record<string, unknown> = {};
  for (const part of (text ?? "").replaceAll(" ", "").split(",").filter(Boolean)) {
    const [key = "", given = ""] = part.split("=");
    const name = toCamelCase(key);
    const kind = ADAFACTOR_ARGS[name as keyof typeof ADAFACTOR_ARGS];
    const value = kind === "number" && given !== "" ? Number(given) : readJson(given);
    if (typeof value !== kind || Number.isNaN(value)) {
      throw new ArgumentError(
        `optimArgs: must be name=value with commas between, of scale_parameter, relative_step and warmup_init (true or false), ` +
          `eps1, eps2, clip_threshold, decay_rate and beta1 (numbers), got "${part}"`,
      );
    }
    values[name] = value;
  }
  const { eps1 = 1e-30, eps2 = 1e-3, ...options } = values as Record<string, number>;
  return { ...options, eps: [eps1, eps2] };
}

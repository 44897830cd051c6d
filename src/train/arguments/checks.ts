// Whether training arguments are what they must be, and which of them go together.

import { didYouMean } from "../../fields/names.ts";
import { checkFields, formatValue } from "../../fields/rules.ts";
import { readsMetrics } from "../../optim/schedule.ts";
import { ArgumentError } from "../../tensor/errors.ts";
import { cureOf } from "./cures.ts";
import type { TrainingArguments } from "./fields.ts";
import { OTHER_ARGUMENTS } from "./otherArguments.ts";
import { argumentRules } from "./rules.ts";

/** @throws {ArgumentError} for the first field that is unknown or not what it must be */
export function checkArguments(args: TrainingArguments): void {
  checkFields(args, argumentRules, {
    unknown: (name) =>
      new ArgumentError(
        `TrainingArguments: every name must be known, got ${name}. ` +
          didYouMean(name, Object.keys(argumentRules), Object.keys(OTHER_ARGUMENTS)),
      ),
    wrong: (name, must, value) =>
      new ArgumentError(
        `${name}: must be ${must}, got ${formatValue(value)}${cureOf(name, value)}`,
      ),
  });
}

/** @throws {ArgumentError} for fields that contradict each other (transformers' __post_init__) */
export function checkCombinations(args: TrainingArguments): void {
  const { evalStrategy, evalSteps, saveStrategy, saveSteps } = args;
  if (args.fp16 && args.bf16) {
    throw new ArgumentError("fp16: must be false beside bf16, got true for both. Choose one.");
  }
  if (args.loadBestModelAtEnd && saveStrategy !== "best") {
    if (evalStrategy !== saveStrategy) {
      throw new ArgumentError(
        `loadBestModelAtEnd: evalStrategy and saveStrategy must be equal, got "${evalStrategy}" and "${saveStrategy}". ` +
          "Set evalStrategy, so that every checkpoint has been evaluated.",
      );
    }
    if (evalStrategy === "steps" && !isMultiple(saveSteps, evalSteps!)) {
      throw new ArgumentError(
        `loadBestModelAtEnd: saveSteps must be a multiple of evalSteps, got ${saveSteps} and ${evalSteps}. ` +
          "Make them equal.",
      );
    }
  }
  if (args.loadBestModelAtEnd && evalStrategy === "no") {
    throw new ArgumentError(
      'loadBestModelAtEnd: needs evaluations, got evalStrategy "no". Set it to "steps" or "epoch".',
    );
  }
  if (readsMetrics(args.lrSchedulerType) && evalStrategy === "no") {
    throw new ArgumentError(
      `lrSchedulerType: "${args.lrSchedulerType}" needs evaluations, got evalStrategy "no". Set it to "steps" or "epoch".`,
    );
  }
  if (saveStrategy === "best" && args.metricForBestModel === null) {
    throw new ArgumentError(
      'saveStrategy: "best" needs metricForBestModel, got null. Set it, for example to "loss".',
    );
  }
}

/** Both whole, or both shares of the run (whose quotient is whole up to rounding). */
function isMultiple(of: number, unit: number): boolean {
  if (of < 1 !== unit < 1) return false;
  return of >= 1 ? of % unit === 0 : Math.abs(of / unit - Math.round(of / unit)) < 1e-6;
}

// Whether training arguments are what they must be, and which of them go together.

import { ArgumentError } from "../../tensor/errors.ts";
import { argumentRules, type Field, type Rule } from "./rules.ts";
import type { TrainingArguments } from "./arguments.ts";

/** @throws {ArgumentError} for the first field that is unknown or not what it must be */
export function checkFields(args: Readonly<Record<Field, unknown>>): void {
  for (const [name, value] of Object.entries(args)) {
    const rule: Rule | undefined = Object.hasOwn(argumentRules, name)
      ? argumentRules[name as Field]
      : undefined;
    if (rule === undefined) {
      throw new ArgumentError(
        `TrainingArguments: every name must be known, got ${name}. Did you mean ${nearest(name)}?`,
      );
    }
    if (!rule.holds(value)) {
      throw new ArgumentError(`${name}: must be ${rule.must}, got ${format(value)}`);
    }
  }
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

function format(value: unknown): string {
  return typeof value === "string" ? JSON.stringify(value) : String(value);
}

/** The known name that takes the fewest changed letters; learning_rate is nearest to learningRate. */
function nearest(name: string): string {
  const plain = (text: string): string => text.replaceAll("_", "").toLowerCase();
  const distances = Object.keys(argumentRules).map((known) => ({
    known,
    distance: editDistance(plain(name), plain(known)),
  }));
  return distances.reduce((best, next) => (next.distance < best.distance ? next : best)).known;
}

/** Levenshtein distance: insertions, deletions and substitutions of letters. */
function editDistance(a: string, b: string): number {
  let row = Array.from({ length: b.length + 1 }, (_, j) => j);
  for (let i = 1; i <= a.length; i++) {
    const next = [i];
    for (let j = 1; j <= b.length; j++) {
      const substituted = row[j - 1]! + (a[i - 1] === b[j - 1] ? 0 : 1);
      next.push(Math.min(substituted, row[j]! + 1, next[j - 1]! + 1));
    }
    row = next;
  }
  return row[b.length]!;
}

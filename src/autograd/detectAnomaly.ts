// detectAnomaly: which op was the first whose output or gradient became NaN or infinite
// (torch.autograd.detect_anomaly, which looks for NaN in gradients).

import { AnomalyError, AutogradError, type Anomaly } from "../tensor/errors.ts";
import { formatShape } from "../tensor/shape.ts";
import { CheckedValues, type FirstAnomaly, type NonFinite } from "./checkedValues.ts";
import { setValueChecks, valueChecks } from "./valueChecks.ts";

/** What `detectAnomaly` looks for. */
export interface DetectAnomalyOptions {
  /**
   * Whether infinite values count, as NaN does. Default true. False for programs in which they belong: -Infinity as a mask,
   * or gradients in f16 mixed precision, where steps that overflow are left out.
   */
  readonly checkInfinite?: boolean;
}

/**
 * Runs `fn` and checks the output of each op and each gradient of `backward`, in `noGrad` and `checkpoint` as well. For
 * finding an error, not for every step: each op takes a pass over its inputs and output more, and keeps its stack.
 * What is not an op is not checked: optimizers, metrics, the caches of `generate`. Ops that other code runs while an
 * asynchronous `fn` waits are.
 * @param fn runs ops, and `backward` for gradients to be checked; may be asynchronous. It must leave the device open, for the
 *   findings are read when it ends. An error takes its result's place: make tensors in a `Scope` to free them then
 * @returns what `fn` returns, if every value was finite
 * @throws {AnomalyError} that names the first op whose output or gradient was not finite; its `cause` is what `fn` threw
 * @throws {AutogradError} while another detectAnomaly runs
 * @throws what `fn` throws, if every value was finite until then
 */
export async function detectAnomaly<T>(
  fn: () => T | Promise<T>,
  { checkInfinite = true }: DetectAnomalyOptions = {},
): Promise<T> {
  if (valueChecks !== null) {
    throw new AutogradError(
      "detectAnomaly: one may run at a time, got a second before the first had ended. Await the first.",
    );
  }
  const values = new CheckedValues();
  try {
    const outcome = await runChecked(values, fn);
    const found = await firstOf(values, checkInfinite, outcome);
    if (found) throw anomalyError(found, outcome);
    if ("error" in outcome) throw outcome.error;
    return outcome.result;
  } finally {
    values.dispose();
  }
}

type Outcome<T> = { readonly result: T } | { readonly error: unknown };

async function runChecked<T>(values: CheckedValues, fn: () => T | Promise<T>): Promise<Outcome<T>> {
  setValueChecks(values);
  try {
    return { result: await fn() };
  } catch (error) {
    return { error };
  } finally {
    setValueChecks(null);
  }
}

/** Where the counts cannot be read after `fn` threw (a GPU that was lost), its error is the one to tell. */
async function firstOf(
  values: CheckedValues,
  checkInfinite: boolean,
  outcome: Outcome<unknown>,
): Promise<FirstAnomaly | null> {
  try {
    return await values.first(checkInfinite);
  } catch (error) {
    throw "error" in outcome ? outcome.error : error;
  }
}

function anomalyError(found: FirstAnomaly, outcome: Outcome<unknown>): AnomalyError {
  const { step, call, made, given } = found;
  const phase = step.kind === "output" ? "forward" : "backward";
  const { what: tensor, shape, size, nan, infinite } = made;
  const anomaly: Anomaly = {
    ...{ op: step.op, phase, call, tensor, shape, size, nan, infinite },
    inputsFinite: given.length === 0,
  };
  const error = new AnomalyError(
    `${step.op}: ${tensor} ${formatShape(shape)} must be finite, got ${amount(made)} in ${phase} call ${call}. ${cure(found)}`,
    anomaly,
    "error" in outcome ? { cause: outcome.error } : {},
  );
  const frames = callersOf(step.calledAt);
  if (frames !== "") error.stack = `${error.name}: ${error.message}\n${frames}`;
  return error;
}

/** "1 NaN and 2 infinite of 6 values" */
function amount({ nan, infinite, size }: NonFinite): string {
  const counts = [
    ...(nan > 0 ? [`${nan} NaN`] : []),
    ...(infinite > 0 ? [`${infinite} infinite`] : []),
  ];
  return `${counts.join(" and ")} of ${size} ${size === 1 ? "value" : "values"}`;
}

function cure({ step, given: [source] }: FirstAnomaly): string {
  if (source !== undefined) {
    return (
      `Its ${source.what} ${formatShape(source.shape)} already held ${amount(source)}: ` +
      "look at where that comes from, such as a weight, a batch or a mask."
    );
  }
  return cures[step.kind];
}

const cures: Readonly<Record<FirstAnomaly["step"]["kind"], string>> = {
  output:
    "Its inputs were finite, so the op made them: look for a division by 0, a log or square root out of its domain, " +
    "or numbers beyond the dtype's range.",
  gradient:
    "The gradient of its output was finite, so the op's derivative made them: keep its inputs away from where that is not " +
    "finite (a square root or log at 0, a division by 0), or scale the loss down.",
  seed: "Pass a seed without NaN and infinite values.",
  into: "It comes from an earlier backward: check that one, too.",
  sum: "Each of them was finite, and their sum is beyond the dtype's range: scale the loss down.",
};

/** The frames of a stack that a check kept, without those of the check and of `record`. */
function callersOf(stack: string | null): string {
  const frames = (stack ?? "").split("\n").filter((line) => !line.startsWith("Error"));
  const last = frames.findIndex((line) => /\brecord\b/.test(line));
  return frames.slice(last + 1).join("\n");
}

// What detectAnomaly keeps: in which order ops and rules ran, and how many of their values were NaN or infinite.
//
// The numbers are counted on the device and stay there until somebody asks. A check costs 8 bytes there and a reference here,
// for steps that are alike (the same op, shapes and place in the program) share one description.

import { countNonFiniteInto } from "../kernels/rows/countNonFinite.ts";
import type { Device } from "../tensor/device.ts";
import { isFloat } from "../tensor/dtype.ts";
import { keep } from "../tensor/scope.ts";
import { formatShape, sizeOf, type Shape } from "../tensor/shape.ts";
import { zeros, type Tensor } from "../tensor/tensor.ts";
import type { CheckedNode, GradientKind, ValueChecks } from "./valueChecks.ts";

/** Tensors that one block of counts is for: 32 KiB. */
const BLOCK = 4096;

/** Frames of a stack: a model's own are up to twenty. */
const FRAMES = 40;

/** A tensor of a step. */
export interface CheckedTensor {
  /** "output", "input 1", "gradient of input 0". */
  readonly what: string;
  readonly shape: Shape;
}

/** What is told of an op that ran, or of a rule. */
export interface CheckedStep {
  readonly device: Device;
  readonly op: string;
  readonly kind: "output" | "gradient" | GradientKind;
  /** Stack of the op's call in the forward, from the check on. */
  readonly calledAt: string | null;
  /** What it read: told, not judged. */
  readonly given: readonly CheckedTensor[];
  readonly made: readonly CheckedTensor[];
}

/** Values of one tensor that are not finite. */
export interface NonFinite extends CheckedTensor {
  readonly nan: number;
  readonly infinite: number;
  /** Number of its values. */
  readonly size: number;
}

/** The first step that made a value that is not finite. */
export interface FirstAnomaly {
  readonly step: CheckedStep;
  /** Which step of this op and kind it is, from 1. */
  readonly call: number;
  readonly made: NonFinite;
  /** Those of `given` that were not finite either. */
  readonly given: readonly NonFinite[];
}

export class CheckedValues implements ValueChecks {
  /** In the order in which they ran. */
  readonly #steps: CheckedStep[] = [];
  readonly #byDevice = new Map<Device, Counts>();

  output(op: string, inputs: readonly (Tensor | null)[], output: Tensor): string {
    const given = numbered("input", inputs);
    const made: Named[] = isFloat(output.dtype) ? [["output", output]] : [];
    const stack = stackHere();
    // The nodes of equal steps keep one text.
    return this.#check(op, "output", stack, given, made)?.calledAt ?? stack;
  }

  gradients(
    { name, calledAt }: CheckedNode,
    dy: Tensor,
    gradients: readonly (Tensor | null)[],
  ): void {
    const made = numbered("gradient of input", gradients);
    this.#check(name, "gradient", calledAt, [["gradient of its output", dy]], made);
  }

  gradient(kind: GradientKind, node: CheckedNode | null, gradient: Tensor): void {
    const owner = node ? "its output" : "a leaf";
    const what = {
      seed: "seed",
      into: `earlier gradient of ${owner}`,
      sum: `sum of the gradients of ${owner}`,
    }[kind];
    this.#check(node?.name ?? "backward", kind, node?.calledAt ?? null, [], [[what, gradient]]);
  }

  /**
   * Reads what was counted.
   * @param infinite whether infinite values count as well, besides NaN
   */
  async first(infinite: boolean): Promise<FirstAnomaly | null> {
    for (const counts of this.#byDevice.values()) await counts.read();
    for (const [at, step] of this.#steps.entries()) {
      const counts = this.#byDevice.get(step.device)!;
      const given = step.given.map((x) => counts.next(x));
      const made = step.made.map((x) => counts.next(x));
      const anomaly = made.find((x) => x.nan > 0 || (infinite && x.infinite > 0));
      if (anomaly === undefined) continue;
      const alike = this.#steps
        .slice(0, at + 1)
        .filter(({ op, kind }) => op === step.op && kind === step.kind);
      const before = given.filter((x) => x.nan + x.infinite > 0);
      return { step, call: alike.length, made: anomaly, given: before };
    }
    return null;
  }

  dispose(): void {
    for (const counts of this.#byDevice.values()) counts.dispose();
  }

  #check(
    op: string,
    kind: CheckedStep["kind"],
    calledAt: string | null,
    given: readonly Named[],
    made: readonly Named[],
  ): CheckedStep | null {
    const device = made[0]?.[1].device;
    if (device === undefined) return null;
    let counts = this.#byDevice.get(device);
    if (counts === undefined) this.#byDevice.set(device, (counts = new Counts(device)));
    for (const [, x] of given) counts.count(x);
    for (const [, x] of made) counts.count(x);
    const describe = ([what, { shape }]: Named): CheckedTensor => ({ what, shape });
    const tensors = [...given, ...made].map(([what, { shape }]) => what + formatShape(shape));
    const step = counts.alike([op, kind, ...tensors, calledAt].join("\n"), () => ({
      ...{ device, op, kind, calledAt },
      ...{ given: given.map(describe), made: made.map(describe) },
    }));
    this.#steps.push(step);
    return step;
  }
}

/** A tensor and what it is to its step. */
type Named = readonly [what: string, x: Tensor];

/** Those that hold floating-point numbers, by their place. */
function numbered(what: string, tensors: readonly (Tensor | null)[]): Named[] {
  return tensors.flatMap((x, i): Named[] =>
    x !== null && isFloat(x.dtype) ? [[`${what} ${i}`, x]] : [],
  );
}

/** Pairs of counts on one device, NaN and infinite, in the order of the checks. */
class Counts {
  readonly #device: Device;
  readonly #steps = new Map<string, CheckedStep>();
  readonly #blocks: Tensor[] = [];
  #used = 0;
  #read: ArrayLike<number>[] = [];
  #nextRead = 0;

  constructor(device: Device) {
    this.#device = device;
  }

  count(x: Tensor): void {
    const at = this.#used++;
    if (at % BLOCK === 0) {
      const options = { device: this.#device, dtype: "u32" } as const;
      this.#blocks.push(keep(zeros([BLOCK, 2], options)));
    }
    countNonFiniteInto(x, this.#blocks.at(-1)!, at % BLOCK);
  }

  /** The step that was described as `key`. */
  alike(key: string, describe: () => CheckedStep): CheckedStep {
    const known = this.#steps.get(key);
    if (known) return known;
    const step = describe();
    this.#steps.set(key, step);
    return step;
  }

  async read(): Promise<void> {
    this.#read = await Promise.all(this.#blocks.map((block) => block.data()));
  }

  /** The counts of the next tensor of those read. */
  next(x: CheckedTensor): NonFinite {
    const at = this.#nextRead++;
    const block = this.#read[Math.floor(at / BLOCK)]!;
    const [nan, infinite] = [block[2 * (at % BLOCK)]!, block[2 * (at % BLOCK) + 1]!];
    return { ...x, nan, infinite, size: sizeOf(x.shape) };
  }

  dispose(): void {
    for (const block of this.#blocks) block.dispose();
  }
}

/** The stack at this moment, long enough to reach the program that called a model. */
function stackHere(): string {
  const limit = Error.stackTraceLimit;
  Error.stackTraceLimit = FRAMES;
  const { stack = "" } = new Error();
  Error.stackTraceLimit = limit;
  return stack;
}

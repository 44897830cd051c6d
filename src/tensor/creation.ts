// Tensors of numbers that a rule gives: ones, a row of numbers, random ones.

import { checkDevice } from "./device.ts";
import { isFloat } from "./dtype.ts";
import { ArgumentError, DtypeError } from "./errors.ts";
import { normalArray, uniformArray, type Generator } from "./philox.ts";
import { checkShape, sizeOf, type Shape } from "./shape.ts";
import { full, tensor, type Tensor, type TensorOptions } from "./tensor.ts";

/** A tensor of ones; f32 unless `dtype` says otherwise. */
export function ones(shape: Shape, options: TensorOptions): Tensor {
  return full(shape, 1, options);
}

/** 0, 1, ..., end - 1. */
export function arange(end: number, options: TensorOptions): Tensor;
/** start, start + 1, ... up to and without `end`. */
export function arange(start: number, end: number, options: TensorOptions): Tensor;
/**
 * start, start + step, ... up to and without `end`, on one axis, as torch.arange gives them.
 * @param step other than 0; below 0 counts down
 * @param options `dtype` defaults to i32 when start, end and step are whole numbers, else f32
 * @throws {ArgumentError} for a step of 0, or numbers that are not finite
 */
export function arange(start: number, end: number, step: number, options: TensorOptions): Tensor;
export function arange(...args: readonly (number | TensorOptions)[]): Tensor {
  const options = args.at(-1) as TensorOptions;
  checkDevice("arange", (options as TensorOptions | undefined)?.device);
  const numbers = args.slice(0, -1) as number[];
  const [start, end, step = 1] = numbers.length === 1 ? [0, numbers[0]!] : numbers;
  if (![start!, end!, step].every(Number.isFinite) || step === 0) {
    throw new ArgumentError(
      `arange: start, end and step must be finite and step not 0, got ${[start, end, step].join(", ")}`,
    );
  }
  const length = Math.max(0, Math.ceil((end! - start!) / step));
  const dtype = [start!, end!, step].every(Number.isInteger) ? "i32" : "f32";
  const values = Float64Array.from({ length }, (_, i) => start! + i * step);
  return tensor(values, [length], { dtype, ...options });
}

/** What `rand` and `randn` need beside the shape. */
export interface RandomOptions extends TensorOptions {
  /** Where the numbers come from: `new Generator(seed)`. The same seed gives the same numbers on every device. */
  readonly generator: Generator;
}

/**
 * Uniform numbers of [0, 1), from the generator's next stream.
 * @param options `dtype` f32 (default), f64, f16 or bf16; f64 holds the same numbers as f32
 * @throws {DtypeError} for an integer dtype
 * @throws {ArgumentError} without a generator
 */
export function rand(shape: Shape, options: RandomOptions): Tensor {
  return drawn("rand", shape, options, (size) => uniformArray(size, 0, 1, options.generator));
}

/** Normal numbers of mean 0 and standard deviation 1; arguments and errors as `rand`. */
export function randn(shape: Shape, options: RandomOptions): Tensor {
  return drawn("randn", shape, options, (size) => normalArray(size, 1, options.generator));
}

function drawn(
  name: string,
  shape: Shape,
  options: RandomOptions,
  draw: (size: number) => Float32Array,
): Tensor {
  const { dtype = "f32" } = (options as RandomOptions | undefined) ?? {};
  if (!isFloat(dtype)) {
    throw new DtypeError(`${name}: dtype must be floating-point, got ${dtype}`);
  }
  checkDevice(name, (options as RandomOptions | undefined)?.device);
  if ((options as Partial<RandomOptions>).generator === undefined) {
    throw new ArgumentError(`${name}: needs a generator. Pass { generator: new Generator(seed) }.`);
  }
  checkShape(name, shape);
  return tensor(draw(sizeOf(shape)), shape, { ...options, dtype });
}

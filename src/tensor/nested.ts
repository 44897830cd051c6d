// Numbers in arrays in arrays, as programs write small tensors and as `array()` gives them back.

import { ArgumentError, ShapeError } from "./errors.ts";
import type { Shape } from "./shape.ts";

/** Numbers in arrays in arrays, all of one depth and length. */
export type NestedNumbers = number | boolean | readonly NestedNumbers[];
/** What `tensor` makes a tensor of: a typed array, (nested) arrays of numbers, or one number. */
export type TensorData =
  | ArrayLike<number>
  | readonly NestedNumbers[]
  | number
  | Float32Array
  | Float64Array
  | Int32Array
  | Uint32Array;

function isNestedArray(data: TensorData | NestedNumbers): data is readonly NestedNumbers[] {
  return Array.isArray(data);
}

/** All numbers, row-major. @throws {ArgumentError} for what is no number */
export function flatten(data: TensorData): ArrayLike<number> {
  if (typeof data === "number") return [data];
  if (typeof data !== "object" || data === null || !("length" in data)) throw noNumbers(data);
  if (!isNestedArray(data)) return data as ArrayLike<number>;
  const flat: number[] = [];
  const visit = (item: NestedNumbers): void => {
    if (isNestedArray(item)) item.forEach(visit);
    else flat.push(numberOf(item));
  };
  data.forEach(visit);
  return flat;
}

function numberOf(item: unknown): number {
  if (typeof item === "number" || typeof item === "boolean") return Number(item);
  throw noNumbers(item);
}

function noNumbers(got: unknown): ArgumentError {
  const what = typeof got === "string" ? JSON.stringify(got) : got === null ? "null" : typeof got;
  return new ArgumentError(
    `tensor: data must be numbers, a typed array or arrays of numbers, got ${what}`,
  );
}

/** @throws {ShapeError} for arrays of unequal lengths or depths */
export function nestedShape(data: TensorData): number[] {
  const shape: number[] = [];
  const visit = (item: unknown, depth: number): void => {
    if (typeof item === "number" || typeof item === "boolean") {
      if (depth !== shape.length) throw new ShapeError("tensor: nested arrays must not be ragged");
      return;
    }
    const list = item as ArrayLike<unknown>;
    if (depth === shape.length) shape.push(list.length);
    if (list.length !== shape[depth]) {
      throw new ShapeError(
        `tensor: nested arrays must not be ragged, got lengths ${shape[depth]} and ${list.length}`,
      );
    }
    if (Array.isArray(item)) item.forEach((entry) => visit(entry, depth + 1));
  };
  visit(data, 0);
  return shape;
}

/** The reverse of `flatten`: row-major `values` in arrays of the lengths of `shape`. */
export function nest<T>(values: ArrayLike<T>, shape: Shape): T | readonly unknown[] {
  let at = 0;
  const build = (axis: number): T | unknown[] =>
    axis === shape.length
      ? values[at++]!
      : Array.from({ length: shape[axis]! }, () => build(axis + 1));
  return build(0);
}

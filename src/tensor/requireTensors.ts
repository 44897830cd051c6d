// What programs without types pass for a tensor: said at once, and not by the first property that is missing.

import { ArgumentError } from "./errors.ts";
import { Tensor } from "./tensor.ts";

/**
 * @param inputs by the names that the op's signature gives them
 * @param cure what to do about a number
 * @throws {ArgumentError} unless each is a tensor
 */
export function requireTensors(
  op: string,
  inputs: Readonly<Record<string, unknown>>,
  cure = "Make one with tensor(...).",
): void {
  for (const name in inputs) {
    const x = inputs[name];
    if (x instanceof Tensor) continue;
    const isPromise =
      typeof (x as Partial<Promise<unknown>> | null | undefined)?.then === "function";
    throw new ArgumentError(
      `${op}: ${name} must be a tensor, got ${isPromise ? "a promise" : describe(x)}. ${isPromise ? "Await it." : cure}`,
    );
  }
}

/** @throws {ArgumentError} unless s is a number; `other` is the op for tensors */
export function requireNumber(op: string, name: string, s: unknown, other: string): void {
  if (typeof s === "number") return;
  const got = s instanceof Tensor ? "a tensor" : describe(s);
  throw new ArgumentError(
    `${op}: ${name} must be a number, got ${got}. For a tensor use ${other}().`,
  );
}

/**
 * What a program without types may pass for anything else.
 * @throws {ArgumentError} unless `holds`
 */
export function requireThat(
  holds: boolean,
  op: string,
  must: string,
  got: unknown,
  cure: string,
): void {
  if (!holds) throw new ArgumentError(`${op}: ${must}, got ${describe(got)}. ${cure}`);
}

function describe(x: unknown): string {
  if (typeof x === "number" || typeof x === "boolean") return String(x);
  if (typeof x === "string") return "a text";
  if (x === null || x === undefined) return String(x);
  if (Array.isArray(x) || ArrayBuffer.isView(x)) return "an array";
  return typeof x === "function" ? "a function" : "an object";
}

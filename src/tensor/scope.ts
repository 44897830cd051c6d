// Scopes free what was made inside them and is not needed outside. Model code never names a
// lifetime: it runs in a scope, and what it returns lives on in the scope around it.

import { disposeSymbol } from "./disposal.ts";
import { ArgumentError } from "./errors.ts";

/** What scopes own: tensors. */
export interface Owned {
  /** @internal The scope that frees it, if any. */
  owner: Scope | null;
  /** Frees it; safe to repeat. */
  dispose(): void;
}

let current: Scope | null = null;

/**
 * An explicit scope, for code that awaits between the tensors it makes (training loops, generation):
 * `run` any number of synchronous pieces in it, then `dispose`. Prefer `scope(fn)` elsewhere.
 */
export class Scope {
  readonly #owned = new Set<Owned>();
  #parent: Scope | null = null;

  /** Runs `fn` with this scope receiving every tensor it makes. */
  run<T>(fn: () => T, ..._synchronous: Synchronous<T>): T {
    this.#parent = current;
    return runIn(this, fn);
  }

  /** Hands every tensor of this scope that `result` holds to the scope around it. */
  release(result: unknown): void {
    for (const owned of findOwned(result, this.#owned)) {
      this.remove(owned);
      this.#parent?.add(owned);
    }
  }

  /** Frees every tensor still owned. */
  dispose(): void {
    // Each takes itself out as it goes, which a Set allows while it is walked.
    for (const owned of this.#owned) owned.dispose();
    this.#owned.clear();
  }

  /** `dispose`, for `using memory = new Scope()`. */
  [disposeSymbol](): void {
    this.dispose();
  }

  /** @internal */
  add(tensor: Owned): void {
    this.#owned.add(tensor);
    tensor.owner = this;
  }

  /** @internal */
  remove(tensor: Owned): void {
    this.#owned.delete(tensor);
    tensor.owner = null;
  }
}

/** Runs `fn` with `scope` as the innermost one. */
function runIn<T>(scope: Scope, fn: () => T): T {
  const previous = current;
  current = scope;
  try {
    return fn();
  } finally {
    current = previous;
  }
}

/**
 * Rest parameters that nobody can supply when T is a promise: `fn` must be synchronous by type, for a
 * scope that ended before its work would free tensors in use.
 */
export type Synchronous<T> = T extends PromiseLike<unknown> ? [never] : [];

/**
 * Runs `fn` and frees every tensor made inside it, except those in its result (found in arrays,
 * Maps and plain objects), those passed to `keep`, and what the tape saved for `backward`.
 * `fn` must be synchronous; use `Scope` around awaits.
 */
export function scope<T>(fn: () => T, ...synchronous: Synchronous<T>): T {
  requireFunction("scope", fn);
  const inner = new Scope();
  try {
    const result = inner.run(fn, ...synchronous);
    inner.release(result);
    return result;
  } finally {
    inner.dispose();
  }
}

/** @internal @throws {ArgumentError} for what cannot be called: a result in place of the function that makes it */
export function requireFunction(caller: string, fn: unknown): void {
  if (typeof fn === "function") return;
  throw new ArgumentError(
    `${caller}: must be given a function, got ${fn === null ? "null" : typeof fn}. Write ${caller}(() => ...).`,
  );
}

/** Exempts a tensor from the scopes around it: it lives until `dispose` is called on it. */
export function keep<T extends Owned>(tensor: T): T {
  tensor.owner?.remove(tensor);
  return tensor;
}

/** @internal Registers a new tensor with the innermost scope, if there is one. */
export function adopt(tensor: Owned): void {
  current?.add(tensor);
}

/** The members of `owned` that `value` reaches through arrays, Maps, Sets and plain objects. */
function findOwned(value: unknown, owned: ReadonlySet<Owned>): readonly Owned[] {
  if (owned.has(value as Owned)) return [value as Owned]; // one tensor, as most scopes return
  const found: Owned[] = [];
  const seen = new Set<object>();
  const visit = (item: unknown): void => {
    if (typeof item !== "object" || item === null || seen.has(item)) return;
    seen.add(item);
    if (owned.has(item as Owned)) found.push(item as Owned);
    else if (Array.isArray(item) || item instanceof Set) item.forEach(visit);
    else if (item instanceof Map) {
      item.forEach((entry, key) => {
        visit(key);
        visit(entry);
      });
    } else if (Object.getPrototypeOf(item) === Object.prototype) Object.values(item).forEach(visit);
  };
  visit(value);
  return found;
}

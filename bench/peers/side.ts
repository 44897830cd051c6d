// What the bench asks of a library. The peers are no dependencies of this package, so their types are not here either.

import type { Workload, WorkloadName } from "./workloads.ts";

/** Runs a workload once and gives the result's elements. */
export type Run = () => Promise<ArrayLike<number>>;

/** A library. It keeps the inputs where it computes, and reads the result back. */
export interface Side {
  readonly name: string;
  prepare(workload: Workload): Promise<Run>;
  close(): Promise<void>;
}

/** How a library computes each workload from its own tensors. */
export type Computations<T, Result = T> = Readonly<
  Record<WorkloadName, (x: readonly T[]) => Result>
>;

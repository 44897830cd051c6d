// A group of processes that train one model together: what the Trainer asks of it, and the group of one, which does nothing.

import type { GroupBuffer, GroupRequest } from "./mpi.ts";

export type { GroupBuffer, GroupRequest };

/**
 * Processes that train one model together, of which this one is number `rank`. Methods that return a promise are
 * collective: every process must call them, in the same order and with buffers of the same length.
 */
export interface ProcessGroup {
  /** 0..size - 1. */
  readonly rank: number;
  /** Processes, >= 1. */
  readonly size: number;
  /** What carries the messages, for people. */
  readonly description: string;
  /** @internal x <- sum or maximum over the ranks; x must stay in place until the request is done. */
  startAllreduce(x: GroupBuffer, op?: "sum" | "max"): GroupRequest;
  /** @internal own <- this rank's part of the sum of x. */
  startReduceScatter(x: GroupBuffer, own: GroupBuffer): GroupRequest;
  /** @internal Fills the other ranks' parts of x. */
  startAllgather(x: GroupBuffer): GroupRequest;
  /** @internal Part i of `to` <- this rank's part of rank i's `from`. */
  startAlltoall(from: GroupBuffer, to: GroupBuffer): GroupRequest;
  /** @internal Waits for a request, answering signals meanwhile. @throws {DistributedError} after the group's patience */
  wait(request: GroupRequest, what: string): Promise<void>;
  /** x <- sum, or maximum, of all ranks' x, element by element. */
  allreduce(x: Float32Array | Float64Array, op?: "sum" | "max"): Promise<void>;
  /** x <- the x of rank `root`, byte by byte. */
  broadcast(x: GroupBuffer, root?: number): Promise<void>;
  /** Every rank's value, in the order of ranks; anything that JSON holds, and NaN and infinities. */
  gather<T>(value: T): Promise<T[]>;
  /** Returns once all have come here. */
  barrier(): Promise<void>;
  /** Ends all processes of the group at once, the message on stderr with this rank's number. After `close` it throws the error. */
  abort(error: unknown): never;
  /** Leaves the group; every rank must, before it ends. Safe to repeat. */
  close(): Promise<void>;
}

const DONE: GroupRequest = { test: () => true };

/** A group of this process alone: every collective is done already. */
export const singleProcess: ProcessGroup = {
  rank: 0,
  size: 1,
  description: "one process",
  startAllreduce: () => DONE,
  startReduceScatter(x, own) {
    own.set(x as never);
    return DONE;
  },
  startAllgather: () => DONE,
  startAlltoall(from, to) {
    to.set(from as never);
    return DONE;
  },
  wait: () => Promise.resolve(),
  allreduce: () => Promise.resolve(),
  broadcast: () => Promise.resolve(),
  gather: (value) => Promise.resolve([value]),
  barrier: () => Promise.resolve(),
  abort(error) {
    throw error;
  },
  close: () => Promise.resolve(),
};

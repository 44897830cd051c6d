// The page's side of the worker: calls with promises, events and an end.

import type { Method } from "../protocol/calls.ts";
import type { EventOf, FromWorker, Parameters, Result, ToWorker } from "../protocol/envelope.ts";

export interface CallOptions<M extends Method> {
  readonly onEvent?: (event: EventOf<M>) => void;
  readonly signal?: AbortSignal;
}

interface Pending {
  readonly resolve: (result: unknown) => void;
  readonly reject: (error: Error) => void;
  readonly onEvent: ((event: never) => void) | undefined;
}

let worker: Worker | null = null;
let nextId = 1;
const pending = new Map<number, Pending>();

/** What is told when the worker itself ends, as when it runs out of memory; every call that was open has failed. */
let onCrash: (message: string) => void = () => undefined;

export function whenWorkerCrashes(tell: (message: string) => void): void {
  onCrash = tell;
}

/** @throws an Error with the name and message of what the worker threw */
export function call<M extends Method>(
  method: M,
  parameters: Parameters<M>,
  { onEvent, signal }: CallOptions<M> = {},
): Promise<Result<M>> {
  const id = nextId++;
  const to = (worker ??= start());
  signal?.addEventListener("abort", () => send(to, { id, abort: true }));
  return new Promise((resolve, reject) => {
    pending.set(id, { resolve: resolve as (result: unknown) => void, reject, onEvent });
    send(to, { id, method, parameters });
  });
}

/** Ends the worker with all it has; the next call starts another one. */
export function endWorker(reason: string): void {
  worker?.terminate();
  worker = null;
  for (const { reject } of pending.values()) reject(new Error(reason));
  pending.clear();
}

function start(): Worker {
  const made = new Worker(new URL("../worker/main.ts", import.meta.url), { type: "module" });
  made.onmessage = ({ data }: MessageEvent<FromWorker>) => receive(data);
  made.onerror = ({ message }) => {
    const reason = message || "The worker of this page has ended.";
    endWorker(reason);
    onCrash(reason);
  };
  return made;
}

function send(to: Worker, message: ToWorker): void {
  to.postMessage(message);
}

function receive(message: FromWorker): void {
  const call = pending.get(message.id);
  if (call === undefined) return;
  if ("event" in message) return call.onEvent?.(message.event as never);
  pending.delete(message.id);
  if ("result" in message) return call.resolve(message.result);
  const { name, message: text } = message.error;
  call.reject(Object.assign(new Error(text), { name }));
}

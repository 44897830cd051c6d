// What travels between the page and its worker: calls with an id, and for each of them events, then one result or error.

import type { Calls, Method } from "./calls.ts";

export type Parameters<M extends Method> = Calls[M]["parameters"];
export type Result<M extends Method> = Calls[M]["result"];
/** What a call tells while it runs. */
export type EventOf<M extends Method> = Calls[M]["event"];

export interface CallMessage<M extends Method = Method> {
  readonly id: number;
  readonly method: M;
  readonly parameters: Parameters<M>;
}

/** Ends a call: its promise rejects with an AbortError, or it gives what it has, as the call says. */
export interface AbortMessage {
  readonly id: number;
  readonly abort: true;
}

export type ToWorker = CallMessage | AbortMessage;

/** An error as it crosses: structured clones keep no classes. */
export interface ErrorData {
  readonly name: string;
  readonly message: string;
}

export type FromWorker =
  | { readonly id: number; readonly event: unknown }
  | { readonly id: number; readonly result: unknown }
  | { readonly id: number; readonly error: ErrorData };

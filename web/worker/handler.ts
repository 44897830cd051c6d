// The form of what answers a call.

import type { Method } from "../protocol/calls.ts";
import type { EventOf, Parameters, Result } from "../protocol/envelope.ts";

export interface CallContext<M extends Method> {
  /** Aborted when the page ends the call. */
  readonly signal: AbortSignal;
  readonly emit: (event: EventOf<M>) => void;
}

export type Handler<M extends Method> = (
  parameters: Parameters<M>,
  context: CallContext<M>,
) => Promise<Result<M>>;

export type Handlers = { readonly [M in Method]: Handler<M> };

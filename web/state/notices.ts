// What the page says besides its fields: one notice at a time, read out by screen readers.

import { signal } from "@preact/signals";

export interface Notice {
  readonly kind: "info" | "error";
  readonly text: string;
}

export const notice = signal<Notice | null>(null);

export function say(text: string): void {
  notice.value = { kind: "info", text };
}

export function sayError(error: unknown): void {
  const text = error instanceof Error ? error.message : String(error);
  notice.value = { kind: "error", text };
}

/** What is done about an error before it is only told; recovery.ts sets it. */
let recover: (error: unknown) => Promise<boolean> = () => Promise.resolve(false);

export function recoverWith(work: (error: unknown) => Promise<boolean>): void {
  recover = work;
}

/** Runs what a button does; what goes wrong becomes a notice. */
export async function attempt(work: () => Promise<unknown>): Promise<void> {
  notice.value = null;
  try {
    await work();
  } catch (error) {
    if (isAbort(error)) return;
    if (!(await recover(error))) sayError(error);
  }
}

/** What was stopped with a button needs no notice. */
function isAbort(error: unknown): boolean {
  return error instanceof Error && error.name === "AbortError";
}

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

/** Runs what a button does; what goes wrong becomes a notice. */
export async function attempt(work: () => Promise<unknown>): Promise<void> {
  notice.value = null;
  try {
    await work();
  } catch (error) {
    sayError(error);
  }
}

// A run of before that can go on, if the browser keeps one.

import { signal } from "@preact/signals";
import type { StoredRun } from "../protocol/training.ts";
import { call } from "./client.ts";

export const stored = signal<StoredRun | null>(null);

export async function findStored(): Promise<void> {
  stored.value = await call("findRun", {});
}

/** Other rows or another model may have taken the place of what it needs. */
export async function refreshStored(): Promise<void> {
  if (stored.value !== null) await findStored();
}

// What tabs of this page tell each other: who uses which folder, and who trains. A tab that is closed or crashes lets go of all it holds.

import { needFolders } from "./folders.ts";

/** Milliseconds: a tab that is reloaded lets go a moment after its successor has begun. */
const PATIENCE = 1500;

/** @returns lets go of it; null where another tab keeps it */
export function hold(name: string, mode: LockMode): Promise<(() => void) | null> {
  needFolders();
  return new Promise((resolve, reject) => {
    navigator.locks
      .request(
        name,
        { mode, signal: AbortSignal.timeout(PATIENCE) },
        () => new Promise<void>((letGo) => resolve(letGo)),
      )
      .catch((error: unknown) => (isTimeout(error) ? resolve(null) : reject(error as Error)));
  });
}

function isTimeout(error: unknown): boolean {
  return error instanceof DOMException && error.name === "TimeoutError";
}

/** Whether this or another tab holds it. */
export async function isHeld(name: string): Promise<boolean> {
  const { held = [] } = await navigator.locks.query();
  return held.some((lock) => lock.name === name);
}

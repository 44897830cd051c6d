// maxTime: when a search has taken long enough.

/** Starts a clock. @param seconds null for no end @returns whether they are over */
export function timeLimit(seconds: number | null): () => boolean {
  if (seconds === null) return () => false;
  const end = performance.now() + 1000 * seconds;
  return () => performance.now() > end;
}

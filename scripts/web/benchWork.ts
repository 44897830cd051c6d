// What bench.ts times in Node and in the page.

/** Of a side's turn: untimed ones first, which compile, and then those that count. */
export const [WARM_UPS, WRITES] = [2, 5];

/** Milliseconds between two summaries: nobody clicks so fast that threads of the one before are still awake. */
export const PAUSE = 50;

/** Long enough to measure; sampling at this temperature rarely ends early, and both sides draw the same tokens. */
export const WRITE = {
  ...{ maxNewTokens: 256, doSample: true, temperature: 5, topK: 0, topP: 1, seed: 1 },
};

export const BATCH = 8;

export interface Turn {
  /** Milliseconds from the call to the first token. */
  readonly first: number;
  readonly tokensPerSecond: number;
  readonly samplesPerSecond: number;
}

export function median(values: readonly number[]): number {
  return [...values].sort((a, b) => a - b)[values.length >> 1]!;
}

// One dialogue in, one summary out.

export type Strategy = "greedy" | "beams" | "sampling";

export interface SummaryRequest {
  readonly dialogue: string;
  readonly strategy: Strategy;
  readonly maxNewTokens: number;
  readonly numBeams: number;
  readonly temperature: number;
  readonly topK: number;
  readonly topP: number;
  readonly seed: number;
}

/** What is written so far. */
export interface TextSoFar {
  readonly text: string;
  readonly tokens: number;
}

export interface Summary {
  readonly text: string;
  /** The decoder's tokens, start token first: what an attention map is made of. */
  readonly ids: readonly number[];
  /** Generated. */
  readonly tokens: number;
  readonly seconds: number;
  /** From the call to the first token; with beams to the whole. */
  readonly firstTokenSeconds: number;
  readonly wasStopped: boolean;
}

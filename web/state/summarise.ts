// A dialogue, how to write, and the summary as it grows.

import { batch, signal } from "@preact/signals";
import type { AttentionMap } from "../protocol/attention.ts";
import type { Strategy, Summary } from "../protocol/summary.ts";
import { call } from "./client.ts";
import { EXAMPLE_DIALOGUE } from "./exampleDialogue.ts";

export const dialogue = signal(EXAMPLE_DIALOGUE);
export const strategy = signal<Strategy>("greedy");
export const maxNewTokens = signal(60);
export const numBeams = signal(4);
export const temperature = signal(1);
export const topK = signal(50);
export const topP = signal(0.95);
export const seed = signal(1);

export const text = signal("");
export const tokensSoFar = signal(0);
export const isWriting = signal(false);
export const summary = signal<Summary | null>(null);
/** What the summary was made of: the field may have changed since. */
const summarised = signal("");

export const layer = signal(0);
export const head = signal(0);
export const map = signal<AttentionMap | null>(null);
/** The token whose row is shown; -1 for the mean over all. */
export const shownTarget = signal(-1);

let writing: AbortController | null = null;

export async function summarise(): Promise<void> {
  writing = new AbortController();
  batch(() => {
    isWriting.value = true;
    text.value = "";
    tokensSoFar.value = 0;
    summary.value = null;
    map.value = null;
  });
  summarised.value = dialogue.value;
  try {
    const request = {
      ...{ dialogue: dialogue.value, strategy: strategy.value, maxNewTokens: maxNewTokens.value },
      ...{ numBeams: numBeams.value, temperature: temperature.value, topK: topK.value },
      ...{ topP: topP.value, seed: seed.value },
    };
    const done = await call("summarise", request, {
      signal: writing.signal,
      onEvent: (soFar) =>
        batch(() => {
          text.value = soFar.text;
          tokensSoFar.value = soFar.tokens;
        }),
    });
    summary.value = done;
    text.value = done.text;
  } finally {
    isWriting.value = false;
  }
}

export function stop(): void {
  writing?.abort();
}

export async function showAttention(): Promise<void> {
  if (summary.value === null) return;
  const { ids } = summary.value;
  const request = {
    dialogue: summarised.value,
    summaryIds: ids,
    layer: layer.value,
    head: head.value,
  };
  map.value = await call("attention", request);
  if (shownTarget.value >= map.value.targets.length) shownTarget.value = -1;
}

// A summary, token by token.

import { buildPrompt, type GenerationOptions, type TokenStreamer } from "gradloom";
import type { Summary, SummaryRequest } from "../protocol/summary.ts";
import type { CallContext } from "./handler.ts";
import { Pace } from "./pace.ts";
import { theModel, type LoadedModel } from "./session.ts";

/** Milliseconds between two texts for the page: as often as eyes follow, for tiny models write thousands of tokens a second. */
const BETWEEN_TEXTS = 50;

/** Writes a summary; stopped by the signal, it gives what was written so far. */
export async function summarise(
  request: SummaryRequest,
  { signal, emit }: CallContext<"summarise">,
): Promise<Summary> {
  const loaded = theModel();
  const { model, tokenizer } = loaded;
  const started = performance.now();
  const record = new Recorder(loaded, emit, started);
  const inputs = tokenizer.encode(buildPrompt(request.dialogue), {
    truncation: true,
    maxLength: 512,
  });
  const streamed = request.strategy === "beams" ? {} : { streamer: record };
  let wasStopped = false;
  let ids: readonly number[] = [];
  try {
    const options = { ...optionsOf(request), ...streamed, signal };
    [ids = []] = await model.generate(inputs, options);
  } catch (error) {
    if (!signal.aborted) throw error;
    wasStopped = true;
    ids = record.ids;
  } finally {
    record.end();
  }
  const seconds = (performance.now() - started) / 1000;
  const written = withoutPadding(ids, model.config.padTokenId);
  return {
    ...{ seconds, wasStopped, ids: written, tokens: Math.max(0, written.length - 1) },
    text: tokenizer.decode([...written], { skipSpecialTokens: true }),
    firstTokenSeconds: record.firstTokenSeconds ?? seconds,
  };
}

function optionsOf(request: SummaryRequest): GenerationOptions {
  const { strategy, maxNewTokens, numBeams, temperature, topK, topP, seed } = request;
  switch (strategy) {
    case "greedy":
      return { maxNewTokens, numBeams: 1, doSample: false };
    case "beams":
      return { maxNewTokens, numBeams, doSample: false };
    case "sampling":
      return { maxNewTokens, numBeams: 1, doSample: true, temperature, topK, topP, seed };
  }
}

/** The start token is the pad token in T5; padding at the end is nobody's text. */
function withoutPadding(ids: readonly number[], pad: number): number[] {
  const last = ids.findLastIndex((id) => id !== pad);
  return ids.slice(0, Math.max(1, last + 1));
}

/** Tells the page the text as it grows, and remembers tokens and the time of the first one. */
class Recorder implements TokenStreamer {
  readonly ids: number[] = [];
  firstTokenSeconds: number | null = null;
  readonly #started: number;
  readonly #pace: Pace;

  constructor({ tokenizer }: LoadedModel, emit: CallContext<"summarise">["emit"], started: number) {
    this.#started = started;
    this.#pace = new Pace(BETWEEN_TEXTS, () =>
      emit({
        text: tokenizer.decode(this.ids, { skipSpecialTokens: true }),
        tokens: this.ids.length - 1,
      }),
    );
  }

  prompt(tokens: number[]): void {
    this.ids.push(...tokens);
  }

  put(tokens: number[]): void {
    this.firstTokenSeconds ??= (performance.now() - this.#started) / 1000;
    this.ids.push(...tokens);
    this.#pace.soon();
  }

  /** The result has the whole text. */
  end(): void {
    this.#pace.cancel();
  }
}

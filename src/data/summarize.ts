// Texts to summaries in one call: prompt, tokens, generation, text.

import type { GenerationOptions } from "../generation/options.ts";
import type { Tokenizer } from "../model/tokenizer.ts";
import type { T5ForConditionalGeneration } from "../t5/model.ts";
import { ArgumentError } from "../tensor/errors.ts";
import { buildPrompt } from "./prompt.ts";

const DEFAULT_MAX_NEW_TOKENS = 200;

/** How `summarize` reads and writes: the options of `generate`, and these. */
export interface SummarizeOptions extends Omit<
  GenerationOptions,
  "numReturnSequences" | "returnDictInGenerate"
> {
  /** The prompt, with {dialogue} or another name where the text goes. Default: the one that `preprocess` trains with. */
  readonly template?: string | undefined;
  /** Texts generated for at a time. Default 8. */
  readonly batchSize?: number | undefined;
  /** Called with the number of texts done, as they end. */
  readonly onProgress?: ((done: number, total: number) => unknown) | undefined;
}

/** A model that generates; without `generateMany` a batch at a time. */
export type GeneratingModel = Pick<T5ForConditionalGeneration, "generate"> &
  Partial<Pick<T5ForConditionalGeneration, "generateMany">>;

/**
 * A summary of each text, in their order: `generate` on the prompt that `preprocess` trains with.
 * @param texts one text, or several; inputs are not cut
 * @param options of `generate`, by default at most 200 new tokens; beams and sampling as the model's files say
 * @throws {ArgumentError} for texts that are no strings, an option that is out of its range, or a template without a column
 */
export async function summarize(
  model: GeneratingModel,
  tokenizer: Pick<Tokenizer, "encode" | "decode">,
  texts: string,
  options?: SummarizeOptions,
): Promise<string>;
/** Of several texts. */
export async function summarize(
  model: GeneratingModel,
  tokenizer: Pick<Tokenizer, "encode" | "decode">,
  texts: readonly string[],
  options?: SummarizeOptions,
): Promise<string[]>;
export async function summarize(
  model: GeneratingModel,
  tokenizer: Pick<Tokenizer, "encode" | "decode">,
  texts: string | readonly string[],
  { template, batchSize = 8, onProgress, ...generation }: SummarizeOptions = {},
): Promise<string | string[]> {
  if (!Number.isInteger(batchSize) || batchSize < 1) {
    throw new ArgumentError(`summarize: batchSize must be a whole number >= 1, got ${batchSize}`);
  }
  const list = checkedTexts(texts);
  const { maxLength, maxNewTokens = maxLength === undefined ? DEFAULT_MAX_NEW_TOKENS : undefined } =
    generation;
  const settings = { ...generation, maxNewTokens, numReturnSequences: 1 } as const;
  const prompts = list.map((text) => buildPrompt(text, { template }));
  const summaries: string[] = [];
  const take = (ids: readonly number[]): void =>
    void summaries.push(tokenizer.decode(ids, { skipSpecialTokens: true }));
  if (model.generateMany && settings.streamer === undefined && prompts.length > 0) {
    const inputs = tokenizer.encode(prompts);
    for await (const ids of model.generateMany(inputs, { ...settings, batchSize, onProgress })) {
      take(ids);
    }
    return typeof texts === "string" ? summaries[0]! : summaries;
  }
  for (let begin = 0; begin < prompts.length; begin += batchSize) {
    const batch = prompts.slice(begin, begin + batchSize);
    const ids = await model.generate(tokenizer.encode(batch, { padding: "longest" }), settings);
    ids.forEach(take);
    onProgress?.(summaries.length, prompts.length);
  }
  return typeof texts === "string" ? summaries[0]! : summaries;
}

function checkedTexts(texts: unknown): readonly string[] {
  const list: readonly unknown[] = Array.isArray(texts) ? texts : [texts];
  const wrong = list.findIndex((text) => typeof text !== "string");
  if (wrong < 0) return list as readonly string[];
  const got = list[wrong] === null ? "null" : typeof list[wrong];
  throw new ArgumentError(
    `summarize: texts must be a string or an array of strings, got ${got}${list.length > 1 ? ` at ${wrong}` : ""}`,
  );
}

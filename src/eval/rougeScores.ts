// ROUGE of one prediction, equal to rouge_score's (rouge/rouge_scorer.py of google-research).
//
//   precision = hits / tokens predicted     recall = hits / tokens of the reference
//   fmeasure  = 2 precision recall / (precision + recall)
//
// Lin 2004, "ROUGE: a package for automatic evaluation of summaries". Hits are for rougeN the n-grams in
// common, for rougeL the longest common subsequence, for rougeLsum the union of those of the lines.

import { ArgumentError } from "../tensor/errors.ts";
import { lcsLength, markLcs } from "./lcs.ts";
import { rougeSentences, rougeTokens } from "./rougeTokens.ts";

/** A figure of ROUGE: n-grams of one length, or the longest common subsequence of texts (L) or of their lines (Lsum). */
export type RougeType = `rouge${1 | 2 | 3 | 4 | 5 | 6 | 7 | 8 | 9 | "L" | "Lsum"}`;
/** What is computed unless `rougeTypes` says otherwise, as by Hugging Face's evaluate. */
export type DefaultRougeType = "rouge1" | "rouge2" | "rougeL" | "rougeLsum";

/** Each in [0, 1]. */
export interface RougeScore {
  readonly precision: number;
  readonly recall: number;
  readonly fmeasure: number;
}

/** Which figures `rougeScores` computes, and how words are compared. */
export interface RougeScoresOptions<T extends RougeType = DefaultRougeType> {
  /** Compares Porter stems instead of words. Default false. */
  readonly useStemmer?: boolean;
  /** Default rouge1, rouge2, rougeL, rougeLsum. */
  readonly rougeTypes?: readonly T[];
}

const DEFAULT_TYPES: readonly RougeType[] = ["rouge1", "rouge2", "rougeL", "rougeLsum"];

/**
 * Scores of one prediction, in the order of the rouge types. Of several references each type takes the one
 * with the highest fmeasure, the first among equals.
 * @param prediction any text, the empty one included; rougeLsum takes each line for a sentence
 * @throws {ArgumentError} for an unknown rouge type, something that is not text, or no reference
 */
export function rougeScores<T extends RougeType = DefaultRougeType>(
  prediction: string,
  reference: string | readonly string[],
  options: RougeScoresOptions<T> = {},
): Record<T, RougeScore> {
  const types = rougeTypesOf(options);
  const references = checkedReferences(prediction, reference, "");
  return scorePair(prediction, references, types, options.useStemmer ?? false);
}

/**
 * The rouge types asked for.
 * @throws {ArgumentError} for an unknown one
 */
export function rougeTypesOf<T extends RougeType>(options: RougeScoresOptions<T>): readonly T[] {
  const types = options.rougeTypes ?? (DEFAULT_TYPES as readonly T[]);
  const unknown = types.find((type) => !/^rouge([1-9]|L|Lsum)$/.test(type));
  if (unknown !== undefined) {
    throw new ArgumentError(
      `rouge: rougeTypes must be rouge1 to rouge9, rougeL or rougeLsum, got ${JSON.stringify(unknown)}`,
    );
  }
  return types;
}

/**
 * The references of one prediction as a list.
 * @param where ends the messages, to say which pair is meant
 * @throws {ArgumentError} unless they and the prediction are text, and there is one
 */
export function checkedReferences(
  prediction: string,
  reference: string | readonly string[],
  where: string,
): readonly string[] {
  const references = Array.isArray(reference)
    ? (reference as readonly string[])
    : [reference as string];
  if (references.length === 0) {
    throw new ArgumentError(`rouge: a prediction needs at least one reference, got none${where}`);
  }
  for (const text of [prediction, ...references] as unknown[]) {
    if (typeof text === "string") continue;
    const actual = JSON.stringify(text) ?? typeof text;
    throw new ArgumentError(
      `rouge: predictions and references must be strings, got ${actual}${where}`,
    );
  }
  return references;
}

/** {@link rougeScores} of arguments already checked. */
export function scorePair<T extends RougeType>(
  prediction: string,
  references: readonly string[],
  types: readonly T[],
  useStemmer: boolean,
): Record<T, RougeScore> {
  const numbers = new Map<string, number>();
  const predicted = prepare(prediction, useStemmer, numbers);
  const referenced = references.map((text) => prepare(text, useStemmer, numbers));
  const best = types.map((type) => {
    const scores = referenced.map((text) => scoreOf(type, predicted, text));
    return [type, scores.reduce((a, b) => (b.fmeasure > a.fmeasure ? b : a))];
  });
  return Object.fromEntries(best) as Record<T, RougeScore>;
}

/** A text as token numbers, whole and by sentence. */
interface Text {
  readonly tokens: Int32Array;
  readonly sentences: readonly Int32Array[];
}

function prepare(text: string, useStemmer: boolean, numbers: Map<string, number>): Text {
  // Equal tokens get equal numbers, so that the loops below compare integers.
  const numbered = (part: string) =>
    Int32Array.from(rougeTokens(part, useStemmer), (token) => {
      const number = numbers.get(token) ?? numbers.size;
      numbers.set(token, number);
      return number;
    });
  return { tokens: numbered(text), sentences: rougeSentences(text).map(numbered) };
}

function scoreOf(type: RougeType, prediction: Text, reference: Text): RougeScore {
  const predicted = prediction.tokens.length;
  const referenced = reference.tokens.length;
  if (type === "rougeL") {
    return toScore(lcsLength(reference.tokens, prediction.tokens), predicted, referenced);
  }
  if (type === "rougeLsum") return toScore(unionHits(prediction, reference), predicted, referenced);
  const n = Number(type.slice("rouge".length));
  return toScore(
    ngramHits(prediction.tokens, reference.tokens, n),
    predicted - n + 1,
    referenced - n + 1,
  );
}

function toScore(hits: number, predicted: number, referenced: number): RougeScore {
  const precision = hits / Math.max(predicted, 1);
  const recall = hits / Math.max(referenced, 1);
  const fmeasure = hits > 0 ? (2 * precision * recall) / (precision + recall) : 0;
  return { precision, recall, fmeasure };
}

/** N-grams in common, each at most as often as the rarer side has it. */
function ngramHits(prediction: Int32Array, reference: Int32Array, n: number): number {
  const left = new Map<string, number>();
  for (const ngram of ngrams(reference, n)) left.set(ngram, (left.get(ngram) ?? 0) + 1);
  let hits = 0;
  for (const ngram of ngrams(prediction, n)) {
    const count = left.get(ngram) ?? 0;
    if (count === 0) continue;
    left.set(ngram, count - 1);
    hits++;
  }
  return hits;
}

function* ngrams(tokens: Int32Array, n: number): Generator<string> {
  for (let i = 0; i + n <= tokens.length; i++) yield tokens.subarray(i, i + n).join();
}

/**
 * For each sentence of the reference, the tokens on its longest common subsequence with any sentence of the
 * prediction; each token counts at most as often as the prediction has it.
 */
function unionHits(prediction: Text, reference: Text): number {
  const left = new Map<number, number>();
  for (const token of prediction.tokens) left.set(token, (left.get(token) ?? 0) + 1);
  let hits = 0;
  for (const sentence of reference.sentences) {
    const marked = new Uint8Array(sentence.length);
    for (const candidate of prediction.sentences) markLcs(sentence, candidate, marked);
    for (const [i, token] of sentence.entries()) {
      const count = left.get(token) ?? 0;
      if (marked[i] === 0 || count === 0) continue;
      left.set(token, count - 1);
      hits++;
    }
  }
  return hits;
}

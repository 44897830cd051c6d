// The example's tokenizer: FLAN-T5's pipeline (normalise, "▁" for spaces, unigram, </s> at the end) with a small
// vocabulary learned from the example's own text. T5's normalisation table is replaced by NFKC.

import { TRAINING_TEMPLATE, fillTemplate } from "../../src/data/prompt.ts";
import { generateSplits } from "./generateDialogues.ts";
import { generatePretraining } from "./generatePretraining.ts";
import { trainUnigram } from "./unigram.ts";

/** Ids of the tokenizer, special ones included; a multiple of 64. */
export const VOCABULARY_SIZE = 1024;

const SENTINELS = 20;
const CORPUS_SEED = 1;
const CORPUS_PAIRS = 6000;
// Not TASK_WEIGHTS: another mix of tasks must not change the ids that a checkpoint was trained with.
const CORPUS_WEIGHTS = {
  ...{
    spans: 5,
    question: 5,
    role: 3,
    speaker: 1,
    line: 2,
    keywords: 3,
    about: 1,
    note: 0,
    headline: 0,
  },
};

const SPACE = "▁";
const SPEAKERS = ["#Person1#", "#Person2#", "#Person3#"];

/** The three files of a tokenizer in Hugging Face's format, by name. */
export function buildTokenizer(): Record<string, string> {
  const specials = ["<pad>", "</s>", "<unk>"];
  // As in T5, the sentinels are the last ids, <extra_id_0> the very last.
  const sentinels = Array.from({ length: SENTINELS }, (_, i) => `<extra_id_${SENTINELS - 1 - i}>`);
  const ascii = Array.from({ length: 94 }, (_, i) => String.fromCharCode(33 + i));
  const pieces = trainUnigram(countWords(), {
    size: VOCABULARY_SIZE - specials.length - sentinels.length,
    keep: [SPACE, ...ascii, ...SPEAKERS.map((speaker) => SPACE + speaker)],
  });
  if (specials.length + pieces.size + sentinels.length !== VOCABULARY_SIZE) {
    throw new Error(
      `the corpus must yield ${VOCABULARY_SIZE} tokens, got only ${pieces.size} pieces`,
    );
  }
  const vocabulary: [string, number][] = [
    ...specials.map((token): [string, number] => [token, 0]),
    ...[...pieces].map(([piece, score]): [string, number] => [piece, Number(score.toFixed(6))]),
    ...sentinels.map((token): [string, number] => [token, 0]),
  ];
  const ids = new Map(vocabulary.map(([token], id) => [token, id]));
  return {
    "tokenizer.json": tokenizerJson(vocabulary, ids, [...specials, ...sentinels]),
    "tokenizer_config.json": json({
      additional_special_tokens: sentinels.toReversed(),
      clean_up_tokenization_spaces: false,
      eos_token: "</s>",
      model_max_length: 512,
      pad_token: "<pad>",
      tokenizer_class: "PreTrainedTokenizerFast",
      unk_token: "<unk>",
    }),
    "special_tokens_map.json": json({
      additional_special_tokens: sentinels.toReversed(),
      eos_token: "</s>",
      pad_token: "<pad>",
      unk_token: "<unk>",
    }),
  };
}

function tokenizerJson(
  vocabulary: readonly [string, number][],
  ids: ReadonlyMap<string, number>,
  specials: readonly string[],
): string {
  const metaspace = {
    type: "Metaspace",
    replacement: SPACE,
    prepend_scheme: "always",
    split: true,
  };
  const end = { SpecialToken: { id: "</s>", type_id: 0 } };
  const tokenizer = {
    version: "1.0",
    truncation: null,
    padding: null,
    added_tokens: specials.map((content) => ({
      id: ids.get(content),
      content,
      single_word: false,
      lstrip: false,
      rstrip: false,
      normalized: false,
      special: true,
    })),
    normalizer: {
      type: "Sequence",
      normalizers: [
        { type: "NFKC" },
        { type: "Replace", pattern: { Regex: "\\s+" }, content: " " },
      ],
    },
    pre_tokenizer: metaspace,
    post_processor: {
      type: "TemplateProcessing",
      single: [{ Sequence: { id: "A", type_id: 0 } }, end],
      pair: [
        { Sequence: { id: "A", type_id: 0 } },
        end,
        { Sequence: { id: "B", type_id: 0 } },
        end,
      ],
      special_tokens: { "</s>": { id: "</s>", ids: [1], tokens: ["</s>"] } },
    },
    decoder: metaspace,
    model: { type: "Unigram", unk_id: 2, vocab: vocabulary, byte_fallback: false },
  };
  return json(tokenizer);
}

/** One entry a line, except that the short arrays of the vocabulary stay on one. */
function json(value: unknown): string {
  const pair = /\[\n\s+("(?:[^"\\]|\\.)*"),\n\s+(-?[\d.]+)\n\s+\]/g;
  return JSON.stringify(value, null, 1).replace(pair, "[$1, $2]") + "\n";
}

/**
 * Units that pieces may be cut from, with their counts. As in SentencePiece, letters, digits and punctuation do not
 * share a piece, so that "Anna" and "Anna," begin with the same token; a speaker's tag is one unit.
 */
function countWords(): Map<string, number> {
  const counts = new Map<string, number>();
  const add = (text: string): void => {
    for (const word of text.replace(/<extra_id_\d+>/g, " ").split(/\s+/)) {
      if (word === "") continue;
      for (const unit of (SPACE + word).match(UNIT) ?? []) {
        counts.set(unit, (counts.get(unit) ?? 0) + 1);
      }
    }
  };
  for (const { dialogue, summary } of generateSplits().train) {
    add(fillTemplate(TRAINING_TEMPLATE, { dialogue }));
    add(summary);
  }
  const pairs = generatePretraining(CORPUS_SEED, CORPUS_WEIGHTS);
  for (let i = 0; i < CORPUS_PAIRS; i++) {
    const { input, target } = pairs.next().value;
    add(input);
    add(target);
  }
  return counts;
}

const UNIT = /▁?(?:#Person\d#|'s|[A-Za-z]+(?:'(?!s)[A-Za-z]+)?|\d+|[^A-Za-z\d▁])|▁/gu;

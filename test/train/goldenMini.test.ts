// golden/mini: transformers' Trainer on DialogSum with the small trained T5, the notebook's way and the right way.
// Minutes of work on two cores, so `npm run test:full` only.

import { readFile } from "node:fs/promises";
import { beforeAll, describe, expect, it } from "vitest";
import { rouge } from "../../src/eval/rouge.ts";
import { defaultVariant } from "../../src/kernels/wasm/load.ts";
import { T5ForConditionalGeneration } from "../../src/t5/model.ts";
import { Tokenizer } from "../../src/model/tokenizer.ts";
import { defaultCollator } from "../../src/data/batches.ts";
import { loadDataset } from "../../src/data/loadDataset.ts";
import { preprocess } from "../../src/data/preprocess.ts";
import { fillTemplate, INFERENCE_TEMPLATE } from "../../src/data/prompt.ts";
import { Trainer } from "../../src/train/trainer.ts";
import { cpu } from "../support/device.ts";
import { isFull } from "../support/full.ts";
import { hasShared, needsShared, shared } from "../support/shared.ts";

type Scores = Readonly<Record<"rouge1" | "rouge2" | "rougeL" | "rougeLsum", number>>;

interface GoldenRun {
  readonly arguments: Readonly<
    Record<"learning_rate" | "warmup_steps" | "max_steps" | "weight_decay", number> &
      Record<"logging_steps" | "seed" | "dropout_rate", number>
  >;
  readonly batches: readonly (readonly number[])[];
  readonly log_history: readonly Readonly<Record<string, number>>[];
  readonly train_loss: number;
  readonly total_flos: number;
}

interface Summary {
  /** Of the test split. */
  readonly row: number;
  /** Start and end token included. */
  readonly ids: readonly number[];
  readonly text: string;
}

interface GoldenSummaries {
  readonly before: readonly Summary[];
  readonly after: readonly Summary[];
  readonly rouge_before_first10_seed42: Scores;
  readonly rouge_after_mean: Scores;
}

const folder = shared("models", "t5-mini-dialogsum");
/**
 * Largest relative error of a logged loss: what the README of golden/mini allows, and past update 20 of the right way, where
 * its gradients jump, more. There PyTorch misses its own run by 2.8e-3 when it rounds otherwise, and answers with another phrase
 * afterwards (docs/guide/training.md). Fused multiply-adds lead to the phrase of the golden run, other rounding need not.
 */
const TOLERANCE = 2e-3;
const LAST_CALM_STEP = 20;
const isFused = (await defaultVariant()) !== "simd" && !process.env["GRADLOOM_TEST_VARIANT"];
const TOLERANCE_AFTER = isFused ? 2.5e-3 : 4e-3;
/** Of 40 summaries after training, equal; and how far their mean ROUGE may be off. Both by the README. */
const EQUAL_AFTER = 36;
const ROUGE_AFTER = 0.01;

/** Longer than a run takes on a busy machine. */
const TIMEOUT = 1_800_000;

async function read<T>(file: string): Promise<T> {
  return JSON.parse(await readFile(shared("golden", "mini", file), "utf8")) as T;
}

function off(actual: number | undefined, expected: number): number {
  return Math.abs(actual! / expected - 1);
}

function loadModel({ arguments: { dropout_rate } }: GoldenRun) {
  return T5ForConditionalGeneration.fromPretrained(folder, {
    device: cpu,
    config: { dropout_rate },
  });
}

/** Trains as `golden` did and compares batches and log. */
async function expectSameRun(
  golden: GoldenRun,
  model: T5ForConditionalGeneration,
  tokenizer: Tokenizer,
  faithful: boolean,
): Promise<void> {
  const { train } = await loadDataset(shared("data", "dialogsum"));
  const examples = await preprocess(train!, tokenizer, { faithful });
  const rows = new Map(examples.map((example, row) => [example, row]));
  const collate = defaultCollator(tokenizer.padTokenId);
  const batches: (number | undefined)[][] = [];
  const { learning_rate, warmup_steps, max_steps, weight_decay, logging_steps, seed } =
    golden.arguments;
  const trainer = new Trainer({
    model,
    trainDataset: examples,
    args: {
      learningRate: learning_rate,
      warmupSteps: warmup_steps,
      maxSteps: max_steps,
      weightDecay: weight_decay,
      loggingSteps: logging_steps,
      seed,
      saveStrategy: "no",
      packBatches: false, // transformers pads: this run magnifies rounding, and sums without padding round otherwise
      disableTqdm: true,
    },
    collator(batch) {
      batches.push(batch.map((example) => rows.get(example)));
      return collate(batch);
    },
  });
  const { metrics } = await trainer.train();
  expect(batches).toEqual(golden.batches);
  const history = trainer.state.logHistory;
  expect(history.map(({ step }) => step)).toEqual(golden.log_history.map(({ step }) => step));
  for (const [i, { step, loss }] of golden.log_history.entries()) {
    if (loss === undefined) continue;
    const tolerance = step! <= LAST_CALM_STEP ? TOLERANCE : TOLERANCE_AFTER;
    expect(off(history[i]!.loss, loss), `step ${step}`).toBeLessThan(tolerance);
  }
  expect(off(metrics.train_loss, golden.train_loss)).toBeLessThan(TOLERANCE);
  expect(metrics.total_flos).toBe(golden.total_flos);
}

describe.runIf(isFull && hasShared)(needsShared("golden/mini"), () => {
  let tokenizer: Tokenizer;

  beforeAll(async () => {
    tokenizer = await Tokenizer.fromPretrained(folder);
  });

  it(
    "trains the notebook's way",
    async () => {
      const golden = await read<GoldenRun>("faithful.json");
      const model = await loadModel(golden);
      await expectSameRun(golden, model, tokenizer, true);
      model.dispose();
    },
    TIMEOUT,
  );

  it(
    "summarises the same, and trains the right way",
    async () => {
      const golden = await read<GoldenRun & GoldenSummaries>("run.json");
      const model = await loadModel(golden);
      const { test } = await loadDataset(shared("data", "dialogsum"));
      const rows = golden.before.map(({ row }) => row);
      const references = rows.map((row) => test!.rows[row]!.summary!);
      const summarise = async (): Promise<Summary[]> => {
        const summaries: Summary[] = [];
        for (const row of rows) {
          const prompt = tokenizer.encode(fillTemplate(INFERENCE_TEMPLATE, test!.rows[row]!));
          const [ids] = await model.generate(prompt, { maxNewTokens: 60 });
          const text = tokenizer.decode(ids!, { skipSpecialTokens: true });
          summaries.push({ row, ids: ids!, text });
        }
        return summaries;
      };
      const before = await summarise();
      expect(before).toEqual(golden.before);
      const textsBefore = before.map(({ text }) => text);
      const first = rouge(textsBefore.slice(0, 10), references.slice(0, 10), { useStemmer: true });
      for (const [type, score] of Object.entries(golden.rouge_before_first10_seed42)) {
        expect(Math.abs(first[type as keyof Scores] - score), type).toBeLessThan(1e-9);
      }

      await expectSameRun(golden, model, tokenizer, false);
      if (isFused) {
        model.eval();
        const after = await summarise();
        const equal = after.filter(({ text }, i) => text === golden.after[i]!.text);
        expect(equal.length).toBeGreaterThanOrEqual(EQUAL_AFTER);
        const texts = after.map(({ text }) => text);
        const scores = texts.map((text, i) =>
          rouge([text], [references[i]!], { useStemmer: true }),
        );
        for (const [type, expected] of Object.entries(golden.rouge_after_mean)) {
          const sum = scores.reduce((total, score) => total + score[type as keyof Scores], 0);
          expect(Math.abs(sum / scores.length - expected), type).toBeLessThan(ROUGE_AFTER);
        }
      }
      model.dispose();
    },
    TIMEOUT,
  );
});

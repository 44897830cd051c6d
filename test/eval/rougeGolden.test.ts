// ROUGE against rouge_score and evaluate, on ../shared/golden/rouge.json, the published figures and the
// notebook's own table.

import { readFileSync } from "node:fs";
import { parse } from "csv-parse/sync";
import { describe, expect, it } from "vitest";
import {
  bootstrapAggregate,
  rouge,
  rougeMeans,
  rougeSamples,
  rougeScores,
  type RougeScore,
} from "../../src/eval/rouge.ts";
import { hasShared, needsShared, shared } from "../support/shared.ts";

type Triple = [precision: number, recall: number, fmeasure: number];
type Figures = Record<Type, number>;
type Type = (typeof TYPES)[number];
interface Golden {
  pairs: [reference: string, prediction: string][];
  stemmed: Record<Type, Triple>[];
  plain: Record<Type, Triple>[];
  aggregate: {
    seed: number;
    result: Record<Type, Record<"low" | "mid" | "high" | "mean", Triple>>;
  };
  flan_t5_base_outputs: Record<
    string,
    { mean_fmeasure: Figures; aggregate_seed42_mid_fmeasure: Figures }
  >;
}
type Published = Record<string, number[]>;

const TYPES = ["rouge1", "rouge2", "rougeL", "rougeLsum"] as const;
const AGGREGATED_PAIRS = 150;

function readJson(...path: string[]): unknown {
  return JSON.parse(readFileSync(shared(...path), "utf8"));
}

function readCsv(...path: string[]): Record<string, string>[] {
  return parse(readFileSync(shared(...path), "utf8"), { columns: true });
}

function column(rows: readonly Record<string, string>[], name: string): string[] {
  return rows.map((row) => row[name]!);
}

function expectNear(actual: readonly number[], expected: readonly number[], what: string): void {
  expect(actual.length, what).toBe(expected.length);
  for (const [i, value] of actual.entries()) {
    expect(Math.abs(value - expected[i]!), what).toBeLessThanOrEqual(1e-12);
  }
}

function triple({ precision, recall, fmeasure }: RougeScore): Triple {
  return [precision, recall, fmeasure];
}

describe.skipIf(!hasShared)(needsShared("ROUGE against the reference"), () => {
  const golden = () => readJson("golden", "rouge.json") as Golden;
  const published = () => readJson("reference", "published-figures.json") as Published[];

  it.each([
    ["stemmed", true],
    ["plain", false],
  ] as const)("scores every pair, %s", (kind, useStemmer) => {
    const { pairs, [kind]: expected } = golden();
    expect(pairs.length).toBeGreaterThan(200);
    for (const [i, [reference, prediction]] of pairs.entries()) {
      const scores = rougeScores(prediction, reference, { useStemmer });
      for (const type of TYPES) {
        expectNear(triple(scores[type]), expected[i]![type], `pair ${i} ${type}`);
      }
    }
  });

  it("aggregates with seed 42: low, mid, high and mean", () => {
    const { pairs, aggregate } = golden();
    const some = pairs.slice(0, AGGREGATED_PAIRS);
    const samples = rougeSamples(
      some.map(([, prediction]) => prediction),
      some.map(([reference]) => reference),
      { useStemmer: true },
    );
    const intervals = bootstrapAggregate(samples, aggregate.seed);
    const means = rougeMeans(samples);
    for (const type of TYPES) {
      const expected = aggregate.result[type];
      for (const level of ["low", "mid", "high"] as const) {
        expectNear(triple(intervals[type][level]), expected[level], `${type} ${level}`);
      }
      expectNear(triple(means[type]), expected.mean, `${type} mean`);
    }
  });

  it("gives the figures of FLAN-T5 base over 1,500 rows, published and golden, within seconds", () => {
    const rows = readCsv("reference", "flan-t5-base-outputs.csv");
    expect(rows).toHaveLength(1500);
    const references = column(rows, "human_baseline_summaries");
    const [aggregates, , means] = published();
    const names = {
      original_model_summaries: ["original", "original"],
      instruct_model_summaries: ["instruct(full FT)", "instruct"],
      peft_model_summaries: ["peft r32 q,v", "peft"],
    } as const;
    for (const [model, expected] of Object.entries(golden().flan_t5_base_outputs)) {
      const predictions = column(rows, model);
      const before = process.cpuUsage();
      const found = rouge(predictions, references, { useStemmer: true });
      const { user, system } = process.cpuUsage(before);
      expect(user + system, "microseconds").toBeLessThan(5e6); // 0.3e6 on an idle core
      const figures = TYPES.map((type) => found[type]);
      const [inAggregates, inMeans] = names[model as keyof typeof names];
      const midExpected = TYPES.map((type) => expected.aggregate_seed42_mid_fmeasure[type]);
      expectNear(figures, midExpected, `${model} golden`);
      expectNear(figures, aggregates![inAggregates]!, `${model} published`);

      const mean = rougeMeans(rougeSamples(predictions, references, { useStemmer: true }));
      const meanFigures = TYPES.map((type) => mean[type].fmeasure);
      const meanExpected = TYPES.map((type) => expected.mean_fmeasure[type]);
      expectNear(meanFigures, meanExpected, `${model} mean`);
      expectNear(meanFigures.slice(0, 3), means![inMeans]!, `${model} published mean`);
    }
  });

  it("gives the instruct column of the notebook", () => {
    const references = column(readCsv("data", "dialogsum", "test.csv").slice(0, 10), "summary");
    const predictions = [
      ...Array<string>(3).fill("Memo to be distributed to all employees by this afternoon."),
      ...Array<string>(3).fill("Take public transport to work."),
      ...Array<string>(3).fill("Masha and Hero are getting divorced."),
      "Brian's birthday is today.",
    ];
    const found = rouge(predictions, references, { useStemmer: true });
    expectNear(
      TYPES.map((type) => found[type]),
      [0.30239596970031757, 0.15402183323922453, 0.24934584021540543, 0.2527240329414242],
      "notebook",
    );
    const means = rougeMeans(rougeSamples(predictions, references, { useStemmer: true }));
    const rounded = TYPES.map((type) => means[type].fmeasure.toFixed(6));
    expect(rounded).toEqual(["0.301253", "0.153498", "0.250335", "0.250335"]);
  });

  it("gives the figures of the golden mini run", () => {
    interface Run {
      before: { row: number; text: string }[];
      rouge_before_first10_seed42: Figures;
      rouge_before_mean: Figures;
    }
    const run = readJson("golden", "mini", "run.json") as Run;
    const test = readCsv("data", "dialogsum", "test.csv");
    const predictions = run.before.map(({ text }) => text);
    const references = run.before.map(({ row }) => test[row]!.summary!);
    const first = rouge(predictions.slice(0, 10), references.slice(0, 10), { useStemmer: true });
    const means = rougeMeans(rougeSamples(predictions, references, { useStemmer: true }));
    for (const type of TYPES) {
      expectNear([first[type]], [run.rouge_before_first10_seed42[type]], `first ten ${type}`);
      expectNear([means[type].fmeasure], [run.rouge_before_mean[type]], `mean ${type}`);
    }
  });
});

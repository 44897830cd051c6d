// One pass over an evaluation set: its loss, and on demand what the model predicts.

import { noGrad } from "../autograd/tape.ts";
import { argmaxForward } from "../kernels/rows/argmax.ts";
import { addToSumInPlace } from "../kernels/optimizer/runningSum.ts";
import { ArgumentError } from "../tensor/errors.ts";
import { keep, scope } from "../tensor/scope.ts";
import { zeros, type Tensor } from "../tensor/tensor.ts";
import { inOrderOfBatches } from "../distributed/rankRows.ts";
import type { ProcessGroup } from "../distributed/processGroup.ts";
import type { Collator, TrainDataset } from "../data/batches.ts";
import type { Batch } from "../data/collate.ts";
import type { GenerationOptions } from "../generation/options.ts";
import type { HalfDtype } from "../kernels/pointwise/roundTo.ts";
import { modelLoss } from "./loss.ts";
import { inEvaluation, inMode } from "./mode.ts";
import { nextTurn } from "../tensor/nextTurn.ts";
import { evaluationBatches } from "./rankData.ts";
import type { Metrics } from "./speed.ts";
import type { TrainableModel } from "./trainableModel.ts";

/** What `computeMetrics` gets: a row of token ids for every row of the dataset, in its order. */
export interface EvalPrediction {
  /**
   * With predictWithGenerate the generated ids, start token first, each row as long as it is. Without it the likeliest
   * token of every label position given the labels before it, which flatters a model.
   */
  readonly predictions: readonly (readonly number[])[];
  /** -100 where a label takes no part. */
  readonly labelIds: readonly (readonly number[])[];
}

/** Metrics by name; "eval_" is put before names without it. */
export type ComputeMetrics = (prediction: EvalPrediction) => Metrics | Promise<Metrics>;

export interface EvaluationOptions {
  readonly batchSize: number;
  readonly collate: Collator;
  readonly labelSmoothing: number;
  /** Whether losses are computed without padding, where the model can. */
  readonly pack: boolean;
  /** What products of the forward pass are rounded to; null for f32. */
  readonly autocast: HalfDtype | null;
  /** null computes the loss alone, which takes the least time. */
  readonly predict: "generate" | "argmax" | null;
  /** With "generate": over the model's own settings. */
  readonly generation: GenerationOptions;
  /** Awaited after every batch. */
  readonly onBatch: () => Promise<void>;
  readonly signal?: AbortSignal | undefined;
  /** Among whose ranks the batches are dealt out; all of them get the whole result. */
  readonly group: ProcessGroup;
}

export interface Evaluation extends EvalPrediction {
  /** Mean of the batches' losses, each weighted by its number of rows (docs/guide/hugging-face-semantics.md 3.6). */
  readonly loss: number;
  /** Rows seen. */
  readonly samples: number;
}

/**
 * Goes through `dataset` in its own order, with dropout off. The model is left in the mode it was in.
 * @throws {ArgumentError} when the model cannot do what `predict` asks
 * @throws the signal's reason when it is raised
 */
export function evaluationLoop(
  model: TrainableModel,
  dataset: TrainDataset,
  options: EvaluationOptions,
): Promise<Evaluation> {
  return inEvaluation(model, () => evaluateRows(model, dataset, options));
}

async function evaluateRows(
  model: TrainableModel,
  dataset: TrainDataset,
  options: EvaluationOptions,
): Promise<Evaluation> {
  const { batchSize, collate, labelSmoothing, predict, group } = options;
  // What is likeliest is wanted of every position, pads among them.
  const lossOptions = { labelSmoothing, pack: options.pack && predict !== "argmax" };
  const signal = group.size === 1 ? options.signal : undefined; // several would not end at the same batch
  const mode = { training: false, autocast: options.autocast };
  const sum = keep(zeros([1], { device: model.device }));
  const predictions: number[][][] = []; // by batch
  const labelIds: number[][][] = [];
  const prompts: Prompts[] = []; // by batch
  let samples = 0;
  try {
    for await (const batch of evaluationBatches(dataset, batchSize, group, collate)) {
      signal?.throwIfAborted();
      const rows = batch.inputIds.length;
      const likeliest = scope(() =>
        noGrad(() => {
          const { loss, logits } = inMode(model, mode, () => modelLoss(model, batch, lossOptions));
          addToSumInPlace(sum, loss, rows);
          return predict === "argmax" ? keep(argmaxForward(needed(logits))) : null;
        }),
      );
      if (likeliest !== null) predictions.push(await rowsOf(likeliest));
      if (predict === "generate") prompts.push(promptsOf(batch));
      if (predict !== null) labelIds.push([...batch.labels]);
      samples += rows;
      await nextTurn();
      if (predict !== "generate") await options.onBatch();
    }
    for await (const batch of generated(model, prompts, options, signal)) {
      predictions.push(batch);
      await options.onBatch();
    }
    const totals = Float64Array.of(await sum.item(), samples);
    await group.allreduce(totals);
    const byRank = await group.gather({ predictions, labelIds });
    return {
      loss: totals[0]! / totals[1]!,
      samples: totals[1]!,
      predictions: inOrderOfBatches(byRank.map((rank) => rank.predictions)).flat(),
      labelIds: inOrderOfBatches(byRank.map((rank) => rank.labelIds)).flat(),
    };
  } finally {
    sum.dispose();
  }
}

/** What a batch is generated from. */
type Prompts = Pick<Batch, "inputIds" | "attentionMask">;

function promptsOf({ inputIds, attentionMask }: Batch): Prompts {
  return attentionMask ? { inputIds, attentionMask } : { inputIds };
}

/** The generated ids of each batch in turn; from a model that can, all rows in one stream of continuous batches. */
async function* generated(
  model: TrainableModel,
  batches: readonly Prompts[],
  { batchSize, generation }: EvaluationOptions,
  signal: AbortSignal | undefined,
): AsyncGenerator<number[][]> {
  if (batches.length === 0) return;
  // One prediction a row, whatever the model's own num_return_sequences is.
  const settings = { ...generation, numReturnSequences: 1, signal };
  if (!model.generateMany) {
    if (!model.generate) {
      throw new ArgumentError(
        "predictWithGenerate: needs a model with generate(), got one without",
      );
    }
    for (const batch of batches) yield await model.generate(batch, settings);
    return;
  }
  const inputIds = batches.flatMap((batch) => batch.inputIds);
  const masks = batches.flatMap(
    (batch) => batch.attentionMask ?? batch.inputIds.map((ids) => ids.map(() => 1)),
  );
  const hasMasks = batches.some((batch) => batch.attentionMask !== undefined);
  const inputs = hasMasks ? { inputIds, attentionMask: masks } : { inputIds };
  let done: number[][] = [];
  let at = 0;
  for await (const ids of model.generateMany(inputs, { ...settings, batchSize })) {
    if (done.push(ids) < batches[at]!.inputIds.length) continue;
    yield done;
    done = [];
    at++;
  }
}

function needed(logits: Tensor | undefined): Tensor {
  if (logits !== undefined) return logits;
  throw new ArgumentError(
    "computeMetrics: needs logits of model.forward, got none. Set predictWithGenerate.",
  );
}

/** The rows of i32 [B, T], which is freed. */
async function rowsOf(x: Tensor): Promise<number[][]> {
  const width = x.shape.at(-1)!;
  const all = [...(await x.data())];
  const count = x.size / width;
  x.dispose();
  return Array.from({ length: count }, (_, i) => all.slice(i * width, (i + 1) * width));
}

// What is run in Node and in a page and must give the same figures. It is given the library, for a page has its own copy.

import type * as Gradloom from "../../src/browser.ts";

type Library = typeof Gradloom;

export interface Figures {
  /** [ROWS, COLS], row-major. */
  readonly product: readonly number[];
  /** Of the sum of the product's squares, with respect to the right operand: [INNER, COLS]. */
  readonly gradient: readonly number[];
  /** One for each of STEPS updates. */
  readonly losses: readonly number[];
  /** After training, chosen greedily. */
  readonly tokens: readonly (readonly number[])[];
  /** Likewise, drawn from the probabilities. */
  readonly sampled: readonly (readonly number[])[];
}

/** Large enough that the cpu device shares the product among its threads. */
const [ROWS, INNER, COLS] = [120, 96, 112];
const STEPS = 4;

const CONFIG = {
  ...{ vocab_size: 96, d_model: 32, d_kv: 8, d_ff: 64, num_heads: 4, num_layers: 2 },
  ...{ dropout_rate: 0.1, feed_forward_proj: "gated-gelu", tie_word_embeddings: false },
};

/** A matrix product with its gradient, a few training steps of a small T5 with AdamW, and greedy generation. */
export async function measure(library: Library, device: Gradloom.Device): Promise<Figures> {
  return { ...(await multiply(library, device)), ...(await train(library, device)) };
}

async function multiply({ tensor, matmul, mul, sum, backward }: Library, device: Gradloom.Device) {
  const wave = (size: number, step: number) =>
    Float32Array.from({ length: size }, (_, i) => Math.sin(step * i));
  const x = tensor(wave(ROWS * INNER, 0.37), [ROWS, INNER], { device });
  const w = tensor(wave(INNER * COLS, 0.73), [INNER, COLS], { device, requiresGrad: true });
  const product = matmul(x, w);
  const gradient = backward(sum(mul(product, product))).get(w)!;
  return { product: [...(await product.data())], gradient: [...(await gradient.data())] };
}

async function train(library: Library, device: Gradloom.Device) {
  const model = freshModel(library, device);
  const losses = await fit(library, model);
  const length = { maxNewTokens: 12, minNewTokens: 12 };
  const tokens = await model.generate(PROMPTS, length);
  const sampled = await model.generate(PROMPTS, { ...length, doSample: true, topK: 20, seed: 3 });
  model.dispose();
  return { losses, tokens, sampled };
}

export function freshModel(
  { T5Config, T5ForConditionalGeneration }: Library,
  device: Gradloom.Device,
) {
  return T5ForConditionalGeneration.fromConfig(T5Config.fromJSON(CONFIG), { device, seed: 7 });
}

const PROMPTS = { inputIds: [ids(10, 5), ids(10, 8)] };

/** Trains for STEPS updates. @returns their losses */
async function fit(
  { Trainer }: Library,
  model: Gradloom.T5ForConditionalGeneration,
  args: Gradloom.TrainingArgumentsInput = {},
) {
  const rows = Array.from({ length: 8 * STEPS }, (_, row) => ({
    inputIds: ids(32, row),
    attentionMask: ids(32, row).map((_id, i) => (i < 24 + (row % 8) ? 1 : 0)),
    labels: ids(12, 3 * row + 1),
  }));
  const trainer = new Trainer({
    model,
    trainDataset: rows,
    args: {
      ...{ maxSteps: STEPS, perDeviceTrainBatchSize: 8, learningRate: 1e-2, loggingSteps: 1 },
      ...{ saveStrategy: "no", disableTqdm: true, ...args },
    },
  });
  await trainer.train();
  return trainer.state.logHistory.flatMap(({ loss }) => (loss === undefined ? [] : [loss]));
}

export interface TrainFigures {
  readonly losses: readonly number[];
  /** Of all tensors together. */
  readonly peakBytes: number;
}

/** Losses of a few updates with these arguments, and the memory that they took. */
export async function trainWith(
  library: Library,
  args: Gradloom.TrainingArgumentsInput,
): Promise<TrainFigures> {
  const device = await library.openDevice("cpu", { threads: 1 });
  const losses = await fit(library, freshModel(library, device), args);
  const { peakBytes } = device.memory();
  await device.close();
  return { losses, peakBytes };
}

/** Logits for two rows, of the model in a folder, of an id or among files. */
export async function logitsOf(
  library: Library,
  source: Gradloom.ModelSource,
  options: Gradloom.HubOptions = {},
): Promise<number[]> {
  const device = await library.openDevice("cpu", { threads: 1 });
  const model = await library.T5ForConditionalGeneration.fromPretrained(source, {
    device,
    ...options,
  });
  const { logits } = model.forward({ ...PROMPTS, decoderInputIds: [ids(4, 1), ids(4, 2)] });
  const values = [...(await logits.data())];
  await device.close();
  return values;
}

/**
 * Trains an adapter, and keeps base and adapter as files.
 * @returns what was generated before, and by a model made of the files
 */
export async function reloadAdapter(library: Library, device: Gradloom.Device) {
  const { addLora, LoraConfig, T5ForConditionalGeneration } = library;
  const model = freshModel(library, device);
  const base = await model.toFiles();
  addLora(model, new LoraConfig({ r: 4 }));
  await fit(library, model);
  const adapter = await model.toFiles();
  const reloaded = await T5ForConditionalGeneration.fromPretrained(base, { device, adapter });
  const plain = await T5ForConditionalGeneration.fromPretrained(base, { device });
  const generate = (of: Gradloom.T5ForConditionalGeneration) =>
    of.generate(PROMPTS, { maxNewTokens: 12, minNewTokens: 12 });
  return {
    files: [...base.keys(), ...adapter.keys()],
    before: await generate(model),
    after: await generate(reloaded),
    plain: await generate(plain),
  };
}

export function ids(length: number, seed: number): number[] {
  return Array.from({ length }, (_, i) => 2 + ((i * i + 7 * seed + i) % 94));
}

/** What a model and a tokenizer that are given as files, as a page must, make of a text. */
export async function continueText(
  { T5ForConditionalGeneration, Tokenizer }: Library,
  device: Gradloom.Device,
  files: ReadonlyMap<string, Blob>,
  text: string,
): Promise<string> {
  const model = await T5ForConditionalGeneration.fromPretrained(files, { device });
  const tokenizer = await Tokenizer.fromPretrained(files);
  const [row] = await model.generate(tokenizer.encode(text), { maxNewTokens: 24, numBeams: 2 });
  model.dispose();
  return tokenizer.decode(row!);
}

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
  /** After training. */
  readonly tokens: readonly (readonly number[])[];
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
  const { T5Config, T5ForConditionalGeneration, Trainer } = library;
  const config = T5Config.fromJSON(CONFIG);
  const model = T5ForConditionalGeneration.fromConfig(config, { device, seed: 7 });
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
      ...{ saveStrategy: "no", disableTqdm: true },
    },
  });
  await trainer.train();
  const losses = trainer.state.logHistory.flatMap(({ loss }) => (loss === undefined ? [] : [loss]));
  const inputIds = [ids(10, 5), ids(10, 8)];
  const tokens = await model.generate({ inputIds }, { maxNewTokens: 12, minNewTokens: 12 });
  model.dispose();
  return { losses, tokens };
}

function ids(length: number, seed: number): number[] {
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

// A model small enough to follow by hand: y = (dropout(x) * scale) W, loss = mean (y - labels)^2. The numbers in
// inputIds and labels are taken as they are.

import { mkdir, writeFile } from "node:fs/promises";
import { dropout } from "../../src/autograd/ops/dropout.ts";
import { matmul } from "../../src/autograd/ops/matmul.ts";
import { mul, sub } from "../../src/autograd/ops/pointwise.ts";
import { mean } from "../../src/autograd/ops/reduce.ts";
import { Generator } from "../../src/tensor/philox.ts";
import { scope } from "../../src/tensor/scope.ts";
import { tensor, type Tensor } from "../../src/tensor/tensor.ts";
import type { Batch, Example } from "../../src/data/collate.ts";
import { writeTensors } from "../../src/train/checkpoint/tensorFiles.ts";
import type { TrainableModel } from "../../src/train/trainableModel.ts";
import { cpu } from "./device.ts";
import { values } from "./random.ts";

export const SOURCES = 3;
export const TARGETS = 2;

export class TinyModel implements TrainableModel {
  readonly device = cpu;
  training = false;
  random = new Generator(0);
  readonly scale: Tensor;
  readonly dense: Tensor;
  readonly #dropoutRate: number;

  constructor(options: { readonly dropoutRate?: number; readonly seed?: number } = {}) {
    const { dropoutRate = 0, seed = 1 } = options;
    const leaf = (data: Float64Array, shape: readonly number[]): Tensor =>
      tensor(data, shape, { device: cpu, dtype: "f32", requiresGrad: true });
    this.scale = leaf(new Float64Array(SOURCES).fill(1), [SOURCES]);
    this.dense = leaf(values(SOURCES * TARGETS, seed, 0.5), [SOURCES, TARGETS]);
    this.#dropoutRate = dropoutRate;
  }

  train(): void {
    this.training = true;
  }

  eval(): void {
    this.training = false;
  }

  forward({ inputIds, labels }: Batch): { loss: Tensor } {
    return scope(() => {
      const float = (rows: readonly (readonly number[])[]): Tensor =>
        tensor(rows, undefined, { device: cpu, dtype: "f32" });
      const x = float(inputIds);
      const dropped = this.training ? dropout(x, this.#dropoutRate, this.random.next()) : x;
      const error = sub(matmul(mul(dropped, this.scale), this.dense), float(labels));
      return { loss: mean(mul(error, error)) };
    });
  }

  parameters(): Map<string, Tensor> {
    return new Map([
      ["layer_norm.weight", this.scale],
      ["dense.weight", this.dense],
    ]);
  }

  async savePretrained(folder: string): Promise<void> {
    await mkdir(folder, { recursive: true });
    await writeFile(`${folder}/config.json`, "{}\n");
    await writeTensors(`${folder}/model.safetensors`, this.parameters());
  }

  /** All weights, to compare bit for bit. */
  async weights(): Promise<number[]> {
    const all = await Promise.all([...this.parameters().values()].map((x) => x.data()));
    return all.flatMap((x) => [...x]);
  }

  dispose(): void {
    for (const x of this.parameters().values()) x.dispose();
  }
}

/** Rows of a linear rule with noise. */
export function tinyRows(count: number, seed = 5): Example[] {
  const x = values(count * SOURCES, seed);
  const noise = values(count * TARGETS, seed + 1, 0.1);
  return Array.from({ length: count }, (_, i) => {
    const inputIds = [...x.subarray(i * SOURCES, (i + 1) * SOURCES)];
    const [a, b, c] = inputIds as [number, number, number];
    return {
      inputIds,
      labels: [2 * a - b + noise[2 * i]!, c - 0.5 * a + noise[2 * i + 1]!],
    };
  });
}

// Models of random weights, so that nothing is downloaded, and batches for them.

import { GenerationConfig } from "../../src/t5/generationConfig.ts";
import { T5Config } from "../../src/t5/config.ts";
import { T5ForConditionalGeneration } from "../../src/t5/model.ts";
import { buildWeights } from "../../src/t5/weights.ts";
import type { Device } from "../../src/tensor/device.ts";
import { Generator, normalArray } from "../../src/tensor/philox.ts";
import { sizeOf } from "../../src/tensor/shape.ts";
import { keep } from "../../src/tensor/scope.ts";
import { tensor, zeros, type Tensor } from "../../src/tensor/tensor.ts";
import { FLAN_T5_SMALL, ids } from "../flanT5Small.ts";

type Fields = Readonly<Record<string, unknown>>;

export const FLAN_T5_BASE: Fields = {
  ...{ ...FLAN_T5_SMALL, d_model: 768, d_ff: 2048, num_layers: 12, num_heads: 12 },
};

/** One that a program that plays a GPU can run too. */
export const TINY: Fields = {
  ...{ ...FLAN_T5_SMALL, vocab_size: 200, d_kv: 8, d_model: 36, d_ff: 72 },
  ...{ num_layers: 2, num_heads: 3 },
};

/** Numbers drawn for a weight; larger weights repeat them, because a quarter of a billion draws take a minute. */
const DRAWN = 2 ** 20;

/** Of the same weights on every device; stored in `dtype`. */
export function randomT5(
  fields: Fields,
  device: Device,
  dtype: "f32" | "bf16" | "f16" = "f32",
): T5ForConditionalGeneration {
  const random = new Generator(1);
  return t5Of(fields, (shape, init) => {
    const values =
      "std" in init
        ? repeated(normalArray(Math.min(DRAWN, sizeOf(shape)), init.std, random), sizeOf(shape))
        : new Float32Array(sizeOf(shape)).fill(init.constant);
    return tensor(values, shape, { device, dtype, requiresGrad: true });
  });
}

/** Of zeros: for counts, which do not depend on values. */
export function zeroT5(
  fields: Fields,
  device: Device,
  dtype: "f32" | "bf16",
): T5ForConditionalGeneration {
  return t5Of(fields, (shape) => zeros(shape, { device, dtype, requiresGrad: true }));
}

type MakeWeight = Parameters<typeof buildWeights>[2];

function t5Of(
  fields: Fields,
  make: (shape: Parameters<MakeWeight>[1], init: Parameters<MakeWeight>[2]) => Tensor,
): T5ForConditionalGeneration {
  const config = T5Config.fromJSON(fields, { source: "bench/gpu/models.ts" });
  const parameters = new Map<string, Tensor>();
  const weights = buildWeights(config, config.tieWordEmbeddings, (name, shape, init) => {
    const x = keep(make(shape, init));
    parameters.set(name, x);
    return x;
  });
  const generation = GenerationConfig.fromConfig(config);
  return new T5ForConditionalGeneration(config, generation, weights, parameters);
}

function repeated(values: Float32Array, size: number): Float32Array {
  const result = new Float32Array(size);
  for (let at = 0; at < size; at += values.length)
    result.set(values.subarray(0, Math.min(values.length, size - at)), at);
  return result;
}

/** Texts of which row i hides its last i tokens, with labels of which it ignores its last i. */
export function batch(rows: number, source: number, target: number, vocabulary: number) {
  return {
    inputIds: ids(rows, source, vocabulary - 2),
    attentionMask: ids(rows, source, vocabulary - 2).map((row, i) =>
      row.map((_, j) => (j < source - i ? 1 : 0)),
    ),
    labels: ids(rows, target, vocabulary - 2).map((row, i) =>
      row.map((id, j) => (j < target - i ? id : -100)),
    ),
  };
}

// Which weights int8 stores in q8, and what that takes. Measurements: docs/internals/measurements/precision.md.

import { byteLength } from "../tensor/dtype.ts";
import { Q8_BLOCK } from "../tensor/q8.ts";
import { sizeOf, type Shape } from "../tensor/shape.ts";
import type { T5Config } from "./config.ts";
import { buildWeights } from "./weights.ts";

/** All but `wo`, whose inputs have the largest outliers, norms and the tables of position biases. */
const MATRICES =
  /\.(?:q|k|v|o|wi|wi_0|wi_1)\.weight$|^(?:shared|lm_head|(?:en|de)coder\.embed_tokens)\.weight$/;

/** Whether a weight of this name is a matrix for q8. */
export function isMatrix(name: string): boolean {
  return MATRICES.test(name);
}

/** Whether int8 stores it in q8: rows must be whole blocks. */
export function isQuantized(name: string, shape: Shape): boolean {
  return isMatrix(name) && shape.at(-1)! % Q8_BLOCK === 0;
}

/** Bytes of the weights of a model in int8 whose file has f32. */
export function int8Bytes(config: T5Config): number {
  let bytes = 0;
  buildWeights<null>(config, config.tieWordEmbeddings, (name, shape) => {
    bytes += byteLength(isQuantized(name, shape) ? "q8" : "f32", sizeOf(shape));
    return null;
  });
  return bytes;
}

import { dropout } from "./dropout.ts";
import { gatedGelu } from "./gatedGelu.ts";
import { matmul, type MatmulSizes } from "./matmul.ts";

/** What the tests checkpoint, in plain steps: dropout(gelu(x w)) + b, with x [m, k], w [k, n], b [m, n]. */
export function checkpoint(
  x: ArrayLike<number>,
  w: ArrayLike<number>,
  b: ArrayLike<number>,
  sizes: MatmulSizes,
  p: number,
  stream: { readonly seed: number; readonly offset: number },
): Float64Array {
  const product = matmul(x, w, sizes);
  const activated = gatedGelu(product, new Float64Array(product.length).fill(1));
  return Float64Array.from(dropout(activated, p, stream), (value, i) => value + b[i]!);
}

import { matmulForward, type MatmulOptions } from "../../src/kernels/matmul/matmul.ts";
import { f32Bytes, noise, type KernelBench } from "./kernelBench.ts";

/** op(a) [M, K] times op(b) [K, N]. */
function bench(
  what: string,
  [m, k, n]: readonly [number, number, number],
  options: MatmulOptions = {},
): KernelBench {
  const { transposeA = false, transposeB = false } = options;
  const a = transposeA ? [k, m] : [m, k];
  const b = transposeB ? [n, k] : [k, n];
  const text = (shape: number[], transposed: boolean) =>
    `[${shape.join("×")}]${transposed ? "ᵀ" : ""}`;
  return {
    kernel: "matmul",
    shape: `${text(a, transposeA)}·${text(b, transposeB)}, ${what}`,
    flops: 2 * m * k * n,
    bytes: f32Bytes(m * k, k * n, m * n),
    inputs: () => [noise(a, 1), noise(b, 2)],
    run: ([x, y]) => [matmulForward(x!, y!, options)],
    expected([x, y], index) {
      const [i, j] = [Math.floor(index / n), index % n];
      let sum = 0;
      for (let d = 0; d < k; d++) {
        const left = x!.values[transposeA ? d * m + i : i * k + d]!;
        const right = y!.values[transposeB ? j * k + d : d * n + j]!;
        sum += left * right;
      }
      return sum;
    },
  };
}

/** A linear layer y = x Wᵀ and the products of its two gradients. */
function linear(what: string, rows: number, inner: number, out: number): KernelBench[] {
  return [
    bench(what, [rows, inner, out], { transposeB: true }),
    bench(`${what}, dx`, [rows, out, inner]),
    bench(`${what}, dW`, [out, rows, inner], { transposeA: true }),
  ];
}

export const matmulBenches: readonly KernelBench[] = [
  bench("square", [512, 512, 512]),
  ...linear("feed-forward", 2048, 512, 1024),
  ...linear("query", 2048, 512, 384),
  ...linear("vocabulary", 512, 512, 32128),
  bench("decoding one token", [1, 512, 1024], { transposeB: true }),
];

import { attentionBackward } from "../../src/kernels/attention/backward.ts";
import { attentionForward } from "../../src/kernels/attention/forward.ts";
import { decodeAttentionForward } from "../../src/kernels/attention/decode.ts";
import { f32Bytes, noise, type BenchInput, type KernelBench } from "./kernelBench.ts";

/** FLAN-T5-small: 8 texts, 6 heads of 64. */
const [BATCH, HEADS, WIDTH] = [8, 6, 64];
const COLUMNS = HEADS * WIDTH;

interface Sizes {
  readonly batch: number;
  readonly queries: number;
  readonly keys: number;
}

/** Attention probabilities of one query of one head, with what is needed to find its rows. */
function probabilities(
  [q, k, , bias]: readonly BenchInput[],
  { queries, keys }: Sizes,
  index: number,
) {
  const column = index % COLUMNS;
  const row = (index - column) / COLUMNS;
  const [b, t] = [Math.floor(row / queries), row % queries];
  const head = Math.floor(column / WIDTH);
  const first = head * WIDTH;
  const keyAt = (s: number) => (b * keys + s) * COLUMNS + first;
  const scores = Float64Array.from({ length: keys }, (_, s) => {
    let score = bias!.values[(head * queries + t) * keys + s]!;
    for (let d = 0; d < WIDTH; d++) {
      score += q!.values[row * COLUMNS + first + d]! * k!.values[keyAt(s) + d]!;
    }
    return score;
  });
  const largest = scores.reduce((most, score) => Math.max(most, score), -Infinity);
  const exps = scores.map((score) => Math.exp(score - largest));
  const sum = exps.reduce((total, x) => total + x, 0);
  return { p: exps.map((x) => x / sum), row, first, column, keyAt };
}

function inputs({ batch, queries, keys }: Sizes): BenchInput[] {
  return [
    noise([batch, queries, COLUMNS], 1, 0.5),
    noise([batch, keys, COLUMNS], 2, 0.5),
    noise([batch, keys, COLUMNS], 3),
    noise([HEADS, queries, keys], 4),
    noise([batch, queries, COLUMNS], 5),
  ];
}

function expectedOutput(x: readonly BenchInput[], sizes: Sizes, index: number): number {
  const { p, keyAt, first, column } = probabilities(x, sizes, index);
  return p.reduce((sum, each, s) => sum + each * x[2]!.values[keyAt(s) + column - first]!, 0);
}

/** dq = sum_s dScore_s k_s with dScore = p (dp - sum p dp) and dp_s = dy . v_s. */
function expectedQueryGradient(x: readonly BenchInput[], sizes: Sizes, index: number): number {
  const [, k, v, , dy] = x;
  const { p, row, keyAt, first, column } = probabilities(x, sizes, index);
  const dp = p.map((_, s) => {
    let dot = 0;
    for (let d = 0; d < WIDTH; d++) {
      dot += dy!.values[row * COLUMNS + first + d]! * v!.values[keyAt(s) + d]!;
    }
    return dot;
  });
  const mean = p.reduce((sum, each, s) => sum + each * dp[s]!, 0);
  return p.reduce(
    (sum, each, s) => sum + each * (dp[s]! - mean) * k!.values[keyAt(s) + column - first]!,
    0,
  );
}

const plain = { heads: HEADS, mask: null, causal: false, scale: 1, dropout: null };

function forward(what: string, queries: number, keys: number): KernelBench {
  const sizes = { batch: BATCH, queries, keys };
  return {
    kernel: "attentionForward",
    shape: `${BATCH} texts, ${HEADS} heads of ${WIDTH}, ${queries} queries, ${keys} keys, ${what}`,
    flops: 4 * BATCH * queries * keys * COLUMNS,
    bytes: f32Bytes(2 * BATCH * (queries + keys) * COLUMNS, HEADS * queries * keys),
    inputs: () => inputs(sizes),
    run([q, k, v, bias]) {
      const { y, lse } = attentionForward(q!, k!, v!, { ...plain, bias: bias! });
      return [y, lse];
    },
    expected: (x, index) => expectedOutput(x, sizes, index),
  };
}

function forwardAndBackward(what: string, queries: number, keys: number): KernelBench {
  const sizes = { batch: BATCH, queries, keys };
  return {
    kernel: "attention with gradients",
    shape: `${BATCH} texts, ${HEADS} heads of ${WIDTH}, ${queries} queries, ${keys} keys, ${what}`,
    // Two products forward; five backward, where the scores and dp are made twice (dq, then dk and dv).
    flops: 18 * BATCH * queries * keys * COLUMNS,
    bytes: f32Bytes(5 * BATCH * (queries + keys) * COLUMNS, 2 * HEADS * queries * keys),
    inputs: () => inputs(sizes),
    run([q, k, v, bias, dy]) {
      const saved = attentionForward(q!, k!, v!, { ...plain, bias: bias! });
      const { dq, dk, dv, dbias } = attentionBackward(
        dy!,
        { q: q!, k: k!, v: v!, bias: bias!, mask: null, ...saved },
        plain,
        { q: true, k: true, v: true, bias: true },
      );
      return [dq!, dk!, dv!, dbias!, saved.y, saved.lse];
    },
    expected: (x, index) => expectedQueryGradient(x, sizes, index),
  };
}

const decoding = { batch: 1, queries: 1, keys: 128 };

export const attentionBenches: readonly KernelBench[] = [
  forward("encoder", 256, 256),
  forward("decoder to encoder", 64, 256),
  forwardAndBackward("encoder", 256, 256),
  {
    kernel: "decodeAttention",
    shape: `1 text, ${HEADS} heads of ${WIDTH}, 128 keys, one token`,
    flops: 4 * 128 * COLUMNS,
    bytes: f32Bytes(2 * 128 * COLUMNS),
    inputs: () => [
      noise([1, COLUMNS], 1, 0.5),
      noise([1, HEADS, 128, WIDTH], 2, 0.5),
      noise([1, HEADS, 128, WIDTH], 3),
      noise([HEADS, 128], 4),
      { shape: [1, 2], values: Int32Array.of(0, 127) },
    ],
    run: ([q, k, v, bias, places]) => [
      decodeAttentionForward(q!, k!, v!, { places: places!, keys: 128, bias: bias! }),
    ],
    expected: (x, index) => expectedOutput([x[0]!, ...decodingCaches(x), x[3]!], decoding, index),
  },
];

/** Keys and values [1, 128, H*D] of caches [1, H, 128, D]. */
function decodingCaches(x: readonly BenchInput[]): BenchInput[] {
  return [x[1]!, x[2]!].map(({ values }) => ({
    shape: [1, 128, COLUMNS],
    values: Float32Array.from({ length: 128 * COLUMNS }, (_, i) => {
      const [s, h, d] = [Math.floor(i / COLUMNS), Math.floor(i / WIDTH) % HEADS, i % WIDTH];
      return values[(h * 128 + s) * WIDTH + d]!;
    }),
  }));
}

// Attention by its definition, one query at a time (arXiv 1706.03762 eq. 1 with T5's bias; docs/guide/hugging-face-semantics.md
// 1.6). Independent of src/kernels/attention/forward.ts: -Infinity hides keys, and hidden rows are a case of their own.

import { dropoutMask } from "./philox.ts";

export interface AttentionCase {
  readonly B: number;
  readonly T: number;
  readonly S: number;
  readonly H: number;
  readonly D: number;
  /** [H, T, S] */
  readonly bias?: ArrayLike<number> | null;
  /** [B, S] */
  readonly mask?: ArrayLike<number> | null;
  readonly causal?: boolean;
  readonly scale?: number;
  readonly dropout?: { p: number; seed: number; offset: number } | null;
  /** Instead of `dropout`: the factor of a probability. */
  readonly factor?: (h: number, t: number, s: number) => number;
}

/** q [B, T, H*D], k and v [B, S, H*D] -> [B, T, H*D] */
export function attention(
  q: ArrayLike<number>,
  k: ArrayLike<number>,
  v: ArrayLike<number>,
  { B, T, S, H, D, bias, mask, causal = false, scale = 1, dropout, factor }: AttentionCase,
): Float64Array {
  const C = H * D;
  const y = new Float64Array(B * T * C);
  const factors = dropout
    ? dropoutMask(B * H * T * S, dropout.p, dropout.seed, dropout.offset)
    : null;
  for (let b = 0; b < B; b++) {
    for (let h = 0; h < H; h++) {
      for (let t = 0; t < T; t++) {
        const scores = Array.from({ length: S }, (_, s) => {
          if (mask?.[b * S + s] === 0) return -Infinity;
          if (causal && s > S - T + t) return -Infinity;
          let product = 0;
          for (let d = 0; d < D; d++) {
            product += q[(b * T + t) * C + h * D + d]! * k[(b * S + s) * C + h * D + d]!;
          }
          return scale * product + (bias?.[(h * T + t) * S + s] ?? 0);
        });
        softmax(scores).forEach((probability, s) => {
          const kept = factor?.(h, t, s) ?? factors?.[((b * H + h) * T + t) * S + s] ?? 1;
          const weight = probability * kept;
          for (let d = 0; d < D; d++) {
            y[(b * T + t) * C + h * D + d]! += weight * v[(b * S + s) * C + h * D + d]!;
          }
        });
      }
    }
  }
  return y;
}

export interface PackedCase {
  /** Queries and keys of each row. */
  readonly T: readonly number[];
  readonly S: readonly number[];
  readonly H: number;
  readonly D: number;
  /** [H, longest T, longest S] */
  readonly bias?: ArrayLike<number> | null;
  readonly causal?: boolean;
  readonly scale?: number;
  readonly dropout?: { p: number; seed: number; offset: number } | null;
}

/** q [sum of T, H*D], k and v [sum of S, H*D]: each row by itself, with its corner of the bias and its part of the stream. */
export function packedAttention(
  q: ArrayLike<number>,
  k: ArrayLike<number>,
  v: ArrayLike<number>,
  { T, S, H, D, bias, dropout, ...rest }: PackedCase,
): Float64Array {
  const [longestT, longestS] = [Math.max(...T), Math.max(...S)];
  const sum = (lengths: readonly number[]): number => lengths.reduce((a, b) => a + b, 0);
  const y = new Float64Array(sum(T) * H * D);
  const factors = dropout
    ? dropoutMask(H * sum(T) * longestS, dropout.p, dropout.seed, dropout.offset)
    : null;
  for (const [b, own] of T.entries()) {
    const [firstQuery, firstKey] = [sum(T.slice(0, b)), sum(S.slice(0, b))];
    const keys = S[b]!;
    const part = (x: ArrayLike<number>, first: number, count: number): number[] =>
      Array.from(x).slice(first * H * D, (first + count) * H * D);
    const corner = bias
      ? Array.from({ length: H * own * keys }, (_, i) => {
          const [h, t, s] = [Math.floor(i / keys / own), Math.floor(i / keys) % own, i % keys];
          return bias[(h * longestT + t) * longestS + s]!;
        })
      : null;
    const at = (h: number, t: number): number => (H * firstQuery + h * own + t) * longestS;
    const factor = factors ? (h: number, t: number, s: number) => factors[at(h, t) + s]! : () => 1;
    y.set(
      attention(
        ...([part(q, firstQuery, own), part(k, firstKey, keys), part(v, firstKey, keys)] as const),
        { ...rest, B: 1, T: own, S: keys, H, D, bias: corner, factor },
      ),
      firstQuery * H * D,
    );
  }
  return y;
}

/** Of one row; uniform when every entry is -Infinity. */
function softmax(scores: readonly number[]): number[] {
  const most = Math.max(...scores);
  if (most === -Infinity) return scores.map(() => 1 / scores.length);
  const powers = scores.map((score) => Math.exp(score - most));
  const total = powers.reduce((a, b) => a + b, 0);
  return powers.map((power) => power / total);
}

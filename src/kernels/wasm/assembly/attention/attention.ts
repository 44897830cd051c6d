// The SIMD body of src/kernels/attention/forward.ts; formulas are there.

import {
  againstKeys,
  biasOffset,
  BLOCK,
  dropout,
  factorsOfRow,
  finishScores,
  keyOffset,
  maskOffset,
  openCall,
  openRow,
  probabilityRow,
  queries,
  queryOffset,
  rowFactors,
  scaleRun,
  scores,
  scoreStride,
  stride,
  weightedKeys,
  width,
} from "./attentionBlock";
import { log, rowMax, rowSumExp } from "../rows/rows";

/** Units are (head, batch element) pairs: neighbours, which a thread takes together, are rows of different lengths. */
export function attentionForward(
  q: usize,
  k: usize,
  v: usize,
  bias: usize,
  mask: usize,
  offsets: usize,
  y: usize,
  lse: usize,
  batch: usize,
  headCount: usize,
  queryCount: usize,
  keyCount: usize,
  allQueries: usize,
  headDim: usize,
  scaleValue: f32,
  thresholdValue: u32,
  keepScaleValue: f32,
  seedLowValue: u32,
  seedHighValue: u32,
  offsetValue: u32,
  BIAS: u32,
  MASK: u32,
  CAUSAL: u32,
  DROPOUT: u32,
  PACKED: u32,
  begin: usize,
  end: usize,
  scratchAddress: usize,
): void {
  openCall(
    batch,
    headCount,
    queryCount,
    keyCount,
    headDim,
    scaleValue,
    thresholdValue,
    keepScaleValue,
    seedLowValue,
    seedHighValue,
    offsetValue,
    CAUSAL,
    DROPOUT,
    offsets,
    scratchAddress,
  );
  for (let unit = begin; unit < end; unit++) {
    const h = unit / batch;
    openRow(unit % batch);
    const at = keyOffset(0, h);
    const maskRow = mask ? mask + maskOffset() : 0;
    for (let t: usize = 0; t < queries; t += BLOCK) {
      const rows = min<usize>(BLOCK, queries - t);
      const block = queryOffset(t, h);
      againstKeys(rows, q + block, k + at, scores);
      for (let i: usize = 0; i < rows; i++) {
        const biasRow = bias ? bias + biasOffset(t + i, h) : 0;
        softmaxRow(probabilityRow(t + i, h), i, t + i, biasRow, maskRow, lse);
      }
      weightedKeys(rows, scores, v + at, y + block);
      // Normalising here, after the product, takes D multiplications a row where S are usual.
      for (let i: usize = 0; i < rows; i++) {
        scaleRun(y + block + i * stride, load<f32>(rowFactors + (i << 2)), width << 2);
      }
    }
  }
}

/** Row i of the block, row `row` of all: scores to weights without their common factor, which is kept. */
function softmaxRow(row: usize, i: usize, t: usize, bias: usize, mask: usize, lse: usize): void {
  const x = scores + i * scoreStride;
  finishScores(x, t, bias, mask);
  const most = rowMax(x, scoreStride);
  const total = rowSumExp(x, x, scoreStride, most);
  store<f32>(lse + (row << 2), most + log(total));
  store<f32>(rowFactors + (i << 2), 1 / total);
  if (!dropout) return;
  const keep = factorsOfRow(row);
  for (let at: usize = 0; at < scoreStride; at += 16) {
    v128.store(x + at, f32x4.mul(v128.load(x + at), v128.load(keep + at)));
  }
}

// Cross-entropy of logits [R, V] with labels [R], the mean over the rows whose label is not ignored.
//
//   L_r    = log sum_v exp(x_rv)
//   loss_r = (1 - e) (L_r - x_r,label) + e (L_r - mean_v x_rv)        e: label smoothing
//   loss   = sum_r loss_r / n                                         n rows that count
//
// Szegedy et al. 2016, arXiv 1512.00567, section 7, in the form of transformers' LabelSmoother
// (docs/guide/hugging-face-semantics.md 3.4). Probabilities are never stored: backward forms them from x and L.

import { ArgumentError, ShapeError } from "../../tensor/errors.ts";
import { formatShape, sameShape } from "../../tensor/shape.ts";
import { empty, type Tensor } from "../../tensor/tensor.ts";
import type { AdapterFacts, WgslPass } from "../../tensor/wgsl.ts";
import { defineKernel, launch } from "../kernel.ts";
import { notANumber, safeExp } from "../wgsl/math.ts";
import { workgroupSum } from "../wgsl/reduce.ts";
import { expSums, rowShader, rowShaders, type RowShaders } from "./rowSnippets.ts";

/** Which labels `crossEntropy` leaves out, and how much of the target it spreads. */
export interface CrossEntropyOptions {
  /** Rows with this label do not count. */
  readonly ignoreIndex: number;
  /** 0..1: the share of the target that is spread over the vocabulary. */
  readonly labelSmoothing: number;
}

/** Labels of this value take no part in the loss and get no gradient (PyTorch's cross_entropy default). */
export const IGNORE_INDEX = -100;

const paramTypes = { rows: "u32", cols: "u32", ignoreIndex: "i32", smoothing: "f32" } as const;

/**
 * Throws for a label that is neither in the vocabulary nor ignored. Labels on a device are not read
 * back, so check them on the host, where they are made: compiled bodies give such rows a loss of NaN.
 * @throws {ArgumentError} naming the first wrong label and its place
 */
export function checkLabels(
  ids: ArrayLike<number>,
  vocabSize: number,
  ignoreIndex = IGNORE_INDEX,
): void {
  for (let i = 0; i < ids.length; i++) {
    const id = ids[i]!;
    if (id === ignoreIndex || (Number.isInteger(id) && id >= 0 && id < vocabSize)) continue;
    throw new ArgumentError(
      `crossEntropy: labels must be in 0..${vocabSize - 1} or ${ignoreIndex} (ignored), got ${id} at ${i}`,
    );
  }
}

/**
 * A workgroup for each row, in passes over as many rows as one binding can have: logits of T5's vocabulary reach a
 * binding's 128 MB, the least that every adapter offers, at 1044 rows. The shader's param firstRow is that of its pass.
 */
function passesOverRows(
  shaders: RowShaders,
  matrices: readonly string[],
  { rows, cols }: { readonly rows: number; readonly cols: number },
  adapter: AdapterFacts,
): WgslPass[] {
  if (cols === 0) return [];
  const { bindingBytes, offsetAlignment } = adapter;
  const aligned = offsetAlignment / 4;
  const fitting = Math.floor(bindingBytes / (4 * cols * aligned)) * aligned;
  const step = Math.max(fitting, aligned);
  const passes: WgslPass[] = [];
  for (let firstRow = 0; firstRow < rows; firstRow += step) {
    const workgroups = Math.min(step, rows - firstRow);
    const range = { offset: firstRow * cols, size: workgroups * cols };
    passes.push({
      ...rowShader(shaders, cols, adapter),
      workgroups,
      params: { firstRow, lastRow: firstRow + workgroups },
      ...(rows > step ? { ranges: Object.fromEntries(matrices.map((x) => [x, range])) } : {}),
    });
  }
  return passes;
}

// ---------------------------------------------------------------------------------------------
// Forward

const rowsShaders = rowShaders(
  {
    uses: [expSums, notANumber],
    params: { firstRow: "u32", lastRow: "u32" },
    source: /* wgsl */ `
@compute @workgroup_size(WG)
fn main(@builtin(workgroup_id) group: vec3<u32>, @builtin(local_invocation_index) local: u32) {
  let row = params.firstRow + groupIndex(group);
  if (row >= params.lastRow) { return; }
  let label = labels[row];
  let isLabel = label >= 0 && u32(label) < params.cols;
  if (label == params.ignoreIndex || !isLabel) {
    // A label that nobody checked: nothing outside the row is read, and the loss cannot be missed.
    let nothing = select(notANumber(), 0.0, label == params.ignoreIndex);
    if (local == 0u) {
      lse[row] = nothing;
      losses[row] = nothing;
    }
    return;
  }
  let parts = params.cols / PART;
  let begin = groupIndex(group) * parts;
  var part = NO_TERMS;
  var entries = 0.0;
  for (var j = local; j < parts; j += WG) {
    let x = logits[begin + j];
    part = withTerms(part, x);
    entries += sumOf(x);
  }
  let sum = workgroupExpSum(local, part);
  let logarithm = log(sum.total);
  var loss = (1.0 - params.smoothing) * (logarithm - (labelLogit(begin, u32(label)) - sum.most));
  // Not added when it is off: the mean may be infinite where the loss is not.
  if (params.smoothing > 0.0) {
    let mean = workgroupSum(local, entries / f32(params.cols)) - sum.most;
    loss += params.smoothing * (logarithm - mean);
  }
  if (local == 0u) {
    lse[row] = sum.most + logarithm;
    losses[row] = loss;
  }
}
fn labelLogit(begin: u32, label: u32) -> f32 {
  return partAt(logits[begin + label / PART], label % PART);
}`,
  },
  ["logits"],
);

export const crossEntropyRowsKernel = defineKernel({
  name: "crossEntropyRows",
  inputs: { logits: "float", labels: "i32" },
  outputs: { lse: "float", losses: "float" },
  params: paramTypes,
  wasm: { name: "crossEntropyRows", units: ({ rows }) => rows! },
  wgsl: {
    plan: ({ params, adapter }) => ({
      passes: passesOverRows(rowsShaders, ["logits"], params, adapter),
    }),
  },
  plain({ logits, labels, lse, losses }, { rows, cols, ignoreIndex, smoothing }) {
    checkLabels(labels, cols, ignoreIndex);
    for (let r = 0; r < rows; r++) {
      const row = r * cols;
      lse[r] = losses[r] = 0;
      if (labels[r] === ignoreIndex) continue;
      let most = -Infinity;
      for (let j = 0; j < cols; j++) most = Math.max(most, logits[row + j]!);
      let total = 0;
      let mean = 0;
      for (let j = 0; j < cols; j++) {
        total += Math.exp(logits[row + j]! - most);
        mean += (logits[row + j]! - most) / cols;
      }
      const log = Math.log(total);
      const target = logits[row + labels[r]!]! - most;
      losses[r] = (1 - smoothing) * (log - target);
      // Not added when it is off: the mean may be infinite where the loss is not.
      if (smoothing > 0) losses[r] = losses[r]! + smoothing * (log - mean);
      lse[r] = most + log;
    }
  },
});

export const crossEntropyMeanKernel = defineKernel({
  name: "crossEntropyMean",
  inputs: { losses: "float", labels: "i32" },
  outputs: { loss: "float", count: "float" },
  params: { rows: "u32", ignoreIndex: "i32" },
  wgsl: {
    uses: [notANumber, workgroupSum],
    workgroups: () => 1,
    source: /* wgsl */ `
@compute @workgroup_size(WG)
fn main(@builtin(local_invocation_index) local: u32) {
  var lossPart = 0.0;
  var countPart = 0.0;
  for (var row = local; row < params.rows; row += WG) {
    if (labels[row] != params.ignoreIndex) {
      lossPart += losses[row];
      countPart += 1.0;
    }
  }
  let total = workgroupSum(local, lossPart);
  let counted = workgroupSum(local, countPart);
  if (local == 0u) {
    // WGSL leaves 0 / 0 to the driver.
    loss[0] = select(total / counted, notANumber(), counted == 0.0);
    count[0] = counted;
  }
}`,
  },
  plain({ losses, labels, loss, count }, { ignoreIndex }) {
    let total = 0;
    let counted = 0;
    labels.forEach((label, r) => {
      if (label === ignoreIndex) return;
      total += losses[r]!;
      counted++;
    });
    loss[0] = total / counted;
    count[0] = counted;
  },
});

/**
 * @param logits [..., V]
 * @param labels i32 [...]
 * @returns loss [], lse [rows] (0 for ignored rows) and count [], the number of rows that count
 * @throws {ShapeError} unless labels have logits' shape without its last axis
 * @throws {ArgumentError} for a smoothing outside 0..1
 */
export function crossEntropyForward(
  logits: Tensor,
  labels: Tensor,
  { ignoreIndex, labelSmoothing }: CrossEntropyOptions,
): { loss: Tensor; lse: Tensor; count: Tensor } {
  const cols = logits.shape.at(-1) ?? 0;
  if (logits.rank < 1 || !sameShape(logits.shape.slice(0, -1), labels.shape)) {
    throw new ShapeError(
      `crossEntropy: labels must be ${formatShape(logits.shape.slice(0, -1))}, the rows of logits ` +
        `${formatShape(logits.shape)}, got ${formatShape(labels.shape)}`,
    );
  }
  if (!(labelSmoothing >= 0 && labelSmoothing <= 1)) {
    throw new ArgumentError(`crossEntropy: labelSmoothing must be in 0..1, got ${labelSmoothing}`);
  }
  const { device, dtype } = logits;
  const rows = labels.size;
  const lse = empty(device, [rows], dtype);
  const losses = empty(device, [rows], dtype);
  const params = { rows, cols, ignoreIndex, smoothing: labelSmoothing };
  launch(crossEntropyRowsKernel, { logits, labels, lse, losses }, params);
  const loss = empty(device, [], dtype);
  const count = empty(device, [], dtype);
  launch(crossEntropyMeanKernel, { losses, labels, loss, count }, { rows, ignoreIndex });
  losses.dispose();
  return { loss, lse, count };
}

// ---------------------------------------------------------------------------------------------
// Backward
//
//   dx_rv = dloss / n (exp(x_rv - L_r) - (1 - e) [v = label] - e / V), 0 in ignored rows

const backwardShaders = rowShaders(
  {
    uses: [notANumber, safeExp],
    params: { firstRow: "u32", lastRow: "u32" },
    source: /* wgsl */ `
@compute @workgroup_size(WG)
fn main(@builtin(workgroup_id) group: vec3<u32>, @builtin(local_invocation_index) local: u32) {
  let row = params.firstRow + groupIndex(group);
  if (row >= params.lastRow) { return; }
  let parts = params.cols / PART;
  let begin = groupIndex(group) * parts;
  let label = labels[row];
  let isLabel = label >= 0 && u32(label) < params.cols;
  if (label == params.ignoreIndex || !isLabel) {
    let nothing = select(notANumber(), 0.0, label == params.ignoreIndex);
    for (var j = local; j < parts; j += WG) { dlogits[begin + j] = Part(nothing); }
    return;
  }
  let scale = dloss[0] / count[0];
  let spread = params.smoothing / f32(params.cols);
  for (var j = local; j < parts; j += WG) {
    let x = logits[begin + j] - lse[row];
    let hit = select(0.0, 1.0 - params.smoothing, u32(label) / PART == j);
    let probability = select(exp(x), Part(0.0), x < Part(EXP_UNDERFLOW));
    dlogits[begin + j] = scale * (probability - spread - hit * unitPart(u32(label) % PART));
  }
}`,
  },
  ["logits", "dlogits"],
);

export const crossEntropyBackwardKernel = defineKernel({
  name: "crossEntropyBackward",
  inputs: { logits: "float", labels: "i32", lse: "float", count: "float", dloss: "float" },
  outputs: { dlogits: "float" },
  params: paramTypes,
  wasm: { name: "crossEntropyBackward", units: ({ rows }) => rows! },
  wgsl: {
    plan: ({ params, adapter }) => ({
      passes: passesOverRows(backwardShaders, ["logits", "dlogits"], params, adapter),
    }),
  },
  plain({ logits, labels, lse, count, dloss, dlogits }, { rows, cols, ignoreIndex, smoothing }) {
    const scale = dloss[0]! / count[0]!;
    const spread = smoothing / cols;
    for (let r = 0; r < rows; r++) {
      const row = r * cols;
      if (labels[r] === ignoreIndex) {
        dlogits.fill(0, row, row + cols);
        continue;
      }
      for (let j = 0; j < cols; j++) {
        dlogits[row + j] = scale * (Math.exp(logits[row + j]! - lse[r]!) - spread);
      }
      const target = row + labels[r]!;
      dlogits[target] = dlogits[target]! - scale * (1 - smoothing);
    }
  },
});

export interface CrossEntropySaved {
  readonly logits: Tensor;
  readonly labels: Tensor;
  readonly lse: Tensor;
  readonly count: Tensor;
}

/** Gradient of logits [..., V] from that of the loss []. */
export function crossEntropyBackward(
  dloss: Tensor,
  { logits, labels, lse, count }: CrossEntropySaved,
  { ignoreIndex, labelSmoothing }: CrossEntropyOptions,
): Tensor {
  const dlogits = empty(logits.device, logits.shape, logits.dtype);
  const cols = logits.shape.at(-1)!;
  launch(
    crossEntropyBackwardKernel,
    { logits, labels, lse, count, dloss, dlogits },
    { rows: labels.size, cols, ignoreIndex, smoothing: labelSmoothing },
  );
  return dlogits;
}

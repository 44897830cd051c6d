// Work that reaches every kernel: training steps and generation of small random models, and the ops that T5 does not use.

import * as autograd from "../../src/autograd/index.ts";
import { backward } from "../../src/autograd/backward.ts";
import { argmaxForward, topkForward } from "../../src/kernels/rows/argmax.ts";
import { countNonFiniteInto } from "../../src/kernels/rows/countNonFinite.ts";
import { castForward } from "../../src/kernels/pointwise/cast.ts";
import { concatForward } from "../../src/kernels/moves/concat.ts";
import { embeddingForward } from "../../src/kernels/moves/embedding.ts";
import { copyInto, gatherRowsForward } from "../../src/kernels/moves/gatherRows.ts";
import { gradientNormForward } from "../../src/kernels/optimizer/gradientNorm.ts";
import { matmulGroupInto } from "../../src/kernels/matmul/group.ts";
import { matmulForward } from "../../src/kernels/matmul/matmul.ts";
import { broadcastToForward, permuteForward } from "../../src/kernels/moves/permute.ts";
import { roundToForward } from "../../src/kernels/pointwise/roundTo.ts";
import { addToSumInPlace } from "../../src/kernels/optimizer/runningSum.ts";
import { sliceForward } from "../../src/kernels/moves/slice.ts";
import type { Device } from "../../src/tensor/device.ts";
import { toStorage, type Dtype } from "../../src/tensor/dtype.ts";
import { Scope } from "../../src/tensor/scope.ts";
import { empty, tensor, type Tensor } from "../../src/tensor/tensor.ts";
import { AdamW } from "../../src/optim/adamw.ts";
import { noise } from "../kernels/kernelBench.ts";
import { ids } from "../flanT5Small.ts";
import { keptCopies } from "./keptWork.ts";
import { batch, randomT5, TINY } from "./models.ts";

const HALFS = ["f16", "bf16"] as const;
const MOVED: readonly Dtype[] = ["f32", "f16", "bf16", "i32", "u32", "bool"];

/** Numbers that only shape and seed decide. */
function numbers(
  device: Device,
  shape: readonly number[],
  seed: number,
  dtype: Dtype = "f32",
): Tensor {
  const { values } = noise(shape, seed, 3);
  const isWhole = dtype === "i32" || dtype === "u32" || dtype === "bool";
  const data = isWhole ? Array.from(values, (x) => (x > 0 ? 1 : 0)) : values;
  const x = empty(device, shape, dtype);
  device.write(x.storage, dtype, toStorage(dtype, data));
  return x;
}

function leaf(device: Device, shape: readonly number[], seed: number): Tensor {
  const x = numbers(device, shape, seed);
  x.requiresGrad = true;
  return x;
}

/** A pseudorandom sequence of whole numbers of 1..most. */
function sizes(seed: number): (most: number) => number {
  let state = seed;
  return (most) => {
    state = (Math.imul(state, 1664525) + 1013904223) >>> 0;
    return 1 + Math.floor((state / 2 ** 32) * most);
  };
}

export async function workOfAllKinds(device: Device): Promise<void> {
  for (const [i, dtype] of (["f32", ...HALFS] as const).entries()) {
    const size = sizes(i + 1);
    await trainAndGenerate(device, { ...TINY, d_model: 24 + size(30), d_kv: 3 + size(13) }, dtype);
  }
  const tied = { ...TINY, feed_forward_proj: "relu", tie_word_embeddings: true };
  for (const autocast of HALFS) await trainAndGenerate(device, tied, "f32", autocast);
  for (let seed = 1; seed <= 3; seed++) {
    const memory = new Scope();
    memory.run(() => {
      differentiable(device, seed);
      others(device, seed);
      groups(device, seed);
      keptCopies(device, seed);
    });
    memory.dispose();
  }
}

async function trainAndGenerate(
  device: Device,
  fields: Readonly<Record<string, unknown>>,
  dtype: "f32" | "f16" | "bf16",
  autocast: "f16" | "bf16" | null = null,
): Promise<void> {
  const model = randomT5(fields, device, dtype);
  model.train();
  model.autocast = autocast;
  const memory = new Scope();
  const optimizer = new AdamW(model.parameters(), { weightDecay: 0.01 });
  memory.run(() => {
    const inputs = batch(3, 37, 21, 200);
    const first = backward(model.forward(inputs).loss!);
    // Gradients of a second batch are added to those of the first.
    const sums = backward(model.forward(inputs).loss!, undefined, undefined, first);
    const { scale } = gradientNormForward([...sums.values()], 0.5);
    optimizer.step(sums, 1e-3, scale);
  });
  memory.dispose();
  model.eval();
  const inputs = { inputIds: ids(2, 19, 198) };
  await model.generate(inputs, { maxNewTokens: 6 });
  await model.generate(inputs, { maxNewTokens: 4, numBeams: 3 });
  await model.generate(inputs, { maxNewTokens: 4, doSample: true, topK: 5, seed: 1 });
  optimizer.dispose();
  model.dispose();
}

/** Forward and backward of every op of the public interface that is a function of tensors. */
function differentiable(device: Device, seed: number): void {
  const size = sizes(seed);
  const [rows, cols] = [size(40), size(70)];
  const x = (more: number) => leaf(device, [rows, cols], seed + 10 * more);
  const positive = () => autograd.addScalar(autograd.mul(x(5), x(5)), 0.5);
  const {
    add,
    sub,
    mul,
    div,
    addScalar,
    mulScalar,
    gelu,
    geluErf,
    sigmoid,
    silu,
    relu,
    tanh,
    exp,
  } = autograd;
  const results = [
    ...[add, sub, mul].map((op) => op(x(1), x(2))),
    ...[add, sub, mul].map((op) => op(x(1), leaf(device, [cols], 3))),
    div(x(1), autograd.addScalar(leaf(device, [cols], 3), 2)),
    autograd.gatherRows(x(1), tensor([rows - 1, 0, 0], [3], { device, dtype: "i32" })),
    div(x(1), positive()),
    ...[gelu, geluErf, sigmoid, silu, relu, tanh, exp].map((op) => op(x(1))),
    ...[autograd.log, autograd.sqrt].map((op) => op(positive())),
    ...[addScalar(x(1), 0.3), mulScalar(x(1), 0.3)],
    ...[autograd.softmax(x(1)), autograd.logSoftmax(x(1))],
    ...[autograd.sum(x(1)), autograd.sum(x(1), [0]), autograd.mean(x(1), [1])],
    autograd.rmsNorm(x(1), leaf(device, [cols], 4)),
    autograd.rmsNorm(x(1), numbers(device, [cols], 4)),
    autograd.rmsNorm(numbers(device, [rows, cols], 1), leaf(device, [cols], 4)),
    autograd.layerNorm(x(1), leaf(device, [cols], 4), leaf(device, [cols], 5)),
    autograd.mseLoss(x(1), x(2)),
    ...HALFS.map((half) => autograd.rmsNorm(x(1), numbers(device, [cols], 4, half))),
    autograd.gatedGelu(x(1), x(2)),
    autograd.gatedGelu(x(1), x(2), { p: 0.3, seed, offset: 3 }),
    autograd.dropout(x(1), 0.3, { seed, offset: 1 }),
    autograd.dropoutAdd(x(1), x(2), 0.3, { seed, offset: 2 }),
    autograd.slice(x(1), 1, 0, Math.ceil(cols / 2)),
    autograd.concat([x(1), x(2)], 0),
    autograd.permute(x(1), [1, 0]),
    autograd.broadcastTo(x(1), [2, rows, cols]),
    ...HALFS.flatMap((half) => [autograd.roundTo(x(1), half), autograd.cast(x(1), half)]),
    ...[false, true].map((roundToF16) =>
      autograd.matmul(x(1), x(2), { transposeB: true, roundToF16 }),
    ),
  ];
  for (const y of results) backward(y, undefined, numbers(device, y.shape, seed + 1));
}

/** Kernels without a gradient, and dtypes that have none. */
function others(device: Device, seed: number): void {
  const size = sizes(seed + 100);
  const [rows, cols] = [1 + size(9), 1 + size(33)];
  const index = tensor([rows - 1, 0, 1, 0], [4], { device, dtype: "i32" });
  for (const dtype of MOVED) {
    const x = numbers(device, [rows, cols], seed, dtype);
    permuteForward(x, [1, 0]);
    broadcastToForward(x, [3, rows, cols]);
    sliceForward(x, 1, 1, cols);
    concatForward([x, x], 1);
    gatherRowsForward(x, index);
    copyInto(numbers(device, [rows, cols + 3], seed, dtype), x, { axis: 1, offset: 2 });
    // Others go by way of f32.
    for (const other of MOVED) if (dtype === "f32" || other === "f32") castForward(x, other);
  }
  const x = numbers(device, [rows, cols], seed);
  for (const half of HALFS) {
    const table = numbers(device, [cols, cols], seed + 1, half);
    roundToForward(x, half);
    embeddingForward(table, index);
    for (const roundToF16 of [false, true])
      matmulForward(x, table, { transposeB: true, roundToF16 });
  }
  quantized(device, seed, index);
  argmaxForward(x);
  topkForward(x, 2);
  const counts = tensor([0, 0], [2], { device, dtype: "u32" });
  for (const dtype of ["f32", ...HALFS] as const) {
    const some = Array.from(
      { length: 20 * rows },
      (_, i) => [i, NaN, 1, Infinity, -Infinity][i % 5]!,
    );
    countNonFiniteInto(tensor(some, undefined, { device, dtype }), counts, 0);
  }
  addToSumInPlace(tensor([8], [1], { device }), tensor([seed], [1], { device }), 0.5);
}

/** What reads weights of 8 bits, whose rows are whole blocks of 32. */
function quantized(device: Device, seed: number, index: Tensor): void {
  const size = sizes(seed + 200);
  const [rows, cols, width] = [8 + size(90), 32 * size(4), 10 + size(60)];
  const table = tensor(noise([width, cols], seed, 3).values, [width, cols], {
    device,
    dtype: "q8",
  });
  const x = numbers(device, [rows, cols], seed);
  for (const roundToF16 of [false, true]) matmulForward(x, table, { transposeB: true, roundToF16 });
  matmulForward(numbers(device, [1, cols], seed), table, { transposeB: true });
  embeddingForward(table, index);
  castForward(table, "f32");
}

/** Products of one shape: of one x with several weights, of several gradients with one x, and their sum. */
function groups(device: Device, seed: number): void {
  const size = sizes(seed + 200);
  const [m, n, k] = [31 + size(40), 31 + size(40), 32 * size(3)];
  const count = 1 + size(2);
  const many = (shape: readonly number[], from: number, dtype: Dtype = "f32"): Tensor[] =>
    Array.from({ length: count }, (_, i) => {
      if (dtype !== "q8") return numbers(device, shape, seed + from + i, dtype);
      const { values } = noise(shape, seed + from + i, 3);
      return tensor(values, shape, { device, dtype });
    });
  for (const roundToF16 of [false, true]) {
    for (const stored of ["f32", "q8", ...HALFS] as const) {
      const [x, weights] = [many([m, k], 1).slice(0, 1), many([n, k], 10, stored)];
      matmulGroupInto(x, weights, many([m, n], 20), { transposeB: true, roundToF16 });
      const [dys, dx] = [many([m, n], 30), many([m, k], 1).slice(0, 1)];
      if (stored !== "q8") matmulGroupInto(dys, weights, dx, { roundToF16, accumulate: true });
      if (stored === "f32") {
        matmulGroupInto(dys, x, many([n, k], 40), { transposeA: true, roundToF16 });
      }
    }
  }
}

// Whole models on webgpu: against the cpu device of the same machine, and against PyTorch's golden values where given.

import { join } from "node:path";
import { backward } from "../../src/autograd/backward.ts";
import { castForward } from "../../src/kernels/pointwise/cast.ts";
import { matmulForward } from "../../src/kernels/matmul/matmul.ts";
import { matrixShape } from "../../src/kernels/matmul/matrixTiles.ts";
import { openDevice } from "../../src/kernels/openDevice.ts";
import { T5ForConditionalGeneration } from "../../src/t5/model.ts";
import type { ForwardInputs } from "../../src/t5/network.ts";
import type { Device } from "../../src/tensor/device.ts";
import { readSafetensors } from "../../src/tensor/safetensors.ts";
import { Scope } from "../../src/tensor/scope.ts";
import { tensor } from "../../src/tensor/tensor.ts";
import type { WebGpuDevice } from "../../src/tensor/webgpu/webgpuDevice.ts";
import { noise } from "../kernels/kernelBench.ts";
import { relativeError } from "./kernelChecks.ts";
import { batch, randomT5, TINY } from "./models.ts";

/** Relative to the largest element: what the golden values ask for. */
const TOLERANCE = { logits: 2e-5, loss: 1e-5, gradient: 2e-4 };

type Values = Map<string, ArrayLike<number>>;

async function valuesOf(model: T5ForConditionalGeneration, inputs: ForwardInputs): Promise<Values> {
  const memory = new Scope();
  try {
    const { logits, loss } = memory.run(() => model.forward(inputs));
    const values: Values = new Map([
      ["logits", await logits.data()],
      ["loss", await loss!.data()],
    ]);
    const gradients = memory.run(() => backward(loss!));
    for (const [name, weight] of model.parameters()) {
      values.set(`gradient of ${name}`, await gradients.get(weight)!.data());
    }
    return values;
  } finally {
    memory.dispose();
  }
}

/** @throws {Error} that names every value that differs */
function compare(model: string, found: Values, expected: Values): string {
  const problems: string[] = [];
  let worst = 0;
  for (const [name, reference] of expected) {
    const allowed = TOLERANCE[name as "logits" | "loss"] ?? TOLERANCE.gradient;
    const error = relativeError(found.get(name)!, reference);
    worst = Math.max(worst, error);
    if (!(error <= allowed))
      problems.push(`${model}: ${name} is off by ${error.toPrecision(2)} (${allowed} is allowed)`);
  }
  if (problems.length > 0) throw new Error(problems.join("\n"));
  return `${model}: ${expected.size} values, worst ${worst.toPrecision(2)}`;
}

/** Logits, loss and every gradient of random models, with dropout and without, on webgpu and on the cpu device. */
export async function checkAgainstCpu(device: WebGpuDevice): Promise<string> {
  const cpu = await openDevice("cpu");
  try {
    const done: string[] = [];
    for (const [title, fields] of [
      ["gated", TINY],
      ["tied, relu", { ...TINY, feed_forward_proj: "relu", tie_word_embeddings: true }],
    ] as const) {
      for (const mode of ["eval", "train"] as const) {
        const run = async (where: WebGpuDevice | typeof cpu): Promise<Values> => {
          const model = randomT5(fields, where);
          model[mode]();
          const values = await valuesOf(model, batch(4, 70, 33, 200));
          model.dispose();
          return values;
        };
        done.push(compare(`${title}, ${mode}`, await run(device), await run(cpu)));
      }
    }
    return done.join("; ");
  } finally {
    await cpu.close();
  }
}

/** PyTorch's values for three small models, with a mask and -100 in the labels. @param folder that holds golden/ */
export async function checkGolden(device: WebGpuDevice, folder: string): Promise<string> {
  const done: string[] = [];
  for (const name of ["t5-gated", "t5-relu", "t5-odd"]) {
    const path = join(folder, "golden", name);
    const { tensors } = await readSafetensors(join(path, "io.safetensors"));
    const rows = (key: string): number[][] => {
      const { shape, data } = tensors.get(key)!;
      const flat = Array.from(data as BigInt64Array, Number);
      const width = shape[1]!;
      return Array.from({ length: shape[0]! }, (_, i) => flat.slice(i * width, (i + 1) * width));
    };
    const expected: Values = new Map();
    for (const [key, { data }] of tensors) {
      if (key === "logits" || key === "loss") expected.set(key, data as Float32Array);
      if (key.startsWith("grad."))
        expected.set(`gradient of ${key.slice(5)}`, data as Float32Array);
    }
    const model = await T5ForConditionalGeneration.fromPretrained(path, { device });
    const inputs = { inputIds: rows("input_ids"), attentionMask: rows("attention_mask") };
    done.push(
      compare(name, await valuesOf(model, { ...inputs, labels: rows("labels") }), expected),
    );
    model.dispose();
  }
  return done.join("; ");
}

/** Rows of op(a), steps of k, columns of op(b). The last two are large enough for large tiles. */
const PRODUCTS = [
  [128, 256, 192],
  [131, 301, 67],
  [33, 2048, 64],
  [512, 768, 2048],
  [2304, 96, 2304],
  [2307, 70, 2309],
] as const;

/** Multiply-adds of a product that a CPU which plays a GPU does in time. */
const QUICK = 1e7;

/**
 * Products on matrix units against the cpu device, of operands that were rounded to f16 before: those that may round, and exact ones.
 * Not one against the other: both go by the units, and give the same where the units are wrong.
 */
export async function checkMatrixUnits(device: WebGpuDevice, quick: boolean): Promise<string> {
  const shape = matrixShape(device.adapter, true);
  if (shape === null) return "this adapter offers no usable matrix units";
  const cpu = await openDevice("cpu");
  let [worst, products] = [0, 0];
  try {
    for (const [m, k, n] of PRODUCTS.filter(([m, k, n]) => !quick || m * k * n < QUICK)) {
      for (const transposes of TRANSPOSES) {
        const expected = await productOn(cpu, [m, k, n], { ...transposes, roundToF16: false });
        for (const roundToF16 of [true, false]) {
          const found = await productOn(device, [m, k, n], { ...transposes, roundToF16 });
          worst = Math.max(worst, relativeError(found, expected));
          products++;
        }
      }
    }
  } finally {
    await cpu.close();
  }
  // Both sum in f32, in different orders.
  if (!(worst <= 1e-4))
    throw new Error(`matrix units are off by ${worst.toPrecision(2)} of the largest element`);
  return `${products} products on ${shape.m}x${shape.n}x${shape.k} ${shape.componentType} units, worst ${worst.toPrecision(2)}`;
}

const TRANSPOSES = [false, true].flatMap((transposeA) =>
  [false, true].map((transposeB) => ({ transposeA, transposeB })),
);

async function productOn(
  device: Device,
  [m, k, n]: readonly [number, number, number],
  options: Readonly<Record<"transposeA" | "transposeB" | "roundToF16", boolean>>,
): Promise<ArrayLike<number>> {
  const memory = new Scope();
  try {
    const product = memory.run(() => {
      const half = ({ shape, values }: ReturnType<typeof noise>) =>
        castForward(castForward(tensor(values, shape, { device }), "f16"), "f32");
      const a = half(noise(options.transposeA ? [k, m] : [m, k], 1));
      const b = half(noise(options.transposeB ? [n, k] : [k, n], 2));
      return matmulForward(a, b, options);
    });
    return await product.data();
  } finally {
    memory.dispose();
  }
}

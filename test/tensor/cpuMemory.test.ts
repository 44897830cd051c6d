import { createHash } from "node:crypto";
import fc from "fast-check";
import { afterAll, describe, expect, it } from "vitest";
import { backward } from "../../src/autograd/backward.ts";
import { addInPlace } from "../../src/kernels/pointwise/accumulate.ts";
import { gradientNormForward } from "../../src/kernels/optimizer/gradientNorm.ts";
import { matmulForward } from "../../src/kernels/matmul/matmul.ts";
import { openDevice } from "../../src/kernels/openDevice.ts";
import { addForward } from "../../src/kernels/pointwise/pointwise.ts";
import { bindWasm, compileWasm, fastestVariant } from "../../src/kernels/wasm/load.ts";
import { T5Config } from "../../src/t5/config.ts";
import { T5ForConditionalGeneration } from "../../src/t5/model.ts";
import { CpuDevice } from "../../src/tensor/cpuDevice.ts";
import { createMemory } from "../../src/tensor/memoryPool.ts";
import type { Device } from "../../src/tensor/device.ts";
import type { DataArray } from "../../src/tensor/dtype.ts";
import { DeviceError } from "../../src/tensor/errors.ts";
import { Scope } from "../../src/tensor/scope.ts";
import { tensor, type Tensor } from "../../src/tensor/tensor.ts";
import { AdamW } from "../../src/optim/adamw.ts";

const MIB = 2 ** 20;
const opened: Device[] = [];

/** A device whose memories are small, so that storages move. */
async function smallDevice(eachMiB: number, totalMiB: number, threads = 1): Promise<CpuDevice> {
  const memory = createMemory();
  const module = await compileWasm(await fastestVariant());
  const limits = { eachBytes: eachMiB * MIB, totalBytes: totalMiB * MIB };
  const device = new CpuDevice(memory, await bindWasm(module, memory), limits);
  await device.startThreads(threads, module);
  opened.push(device);
  return device;
}

afterAll(async () => {
  for (const device of opened) await device.close();
});

/** Different numbers for each seed, without the cost of good random ones. */
function numbers(size: number, seed: number): Float32Array {
  const result = new Float32Array(size);
  for (let i = 0; i < size; i++) result[i] = ((i * 7919 + seed * 104729) % 2003) / 1000 - 1;
  return result;
}

const filled = (device: Device, seed: number, ...shape: number[]): Tensor =>
  tensor(
    numbers(
      shape.reduce((a, b) => a * b),
      seed,
    ),
    shape,
    { device },
  );

/** Stands for all bits of an array: comparing arrays of this size element by element takes seconds. */
function digest(array: DataArray): string {
  return createHash("sha256").update(array).digest("hex");
}

describe("tensors beyond one memory", () => {
  it("keep their elements", async () => {
    const device = await smallDevice(3, 64);
    const tensors = Array.from({ length: 12 }, (_, i) => filled(device, i, 1024, 256));
    expect(device.movedBytes).toBeGreaterThan(8 * MIB);
    for (const [i, x] of tensors.entries()) {
      expect(digest(await x.data())).toBe(digest(numbers(1024 * 256, i)));
    }
    for (const x of tensors) x.dispose();
    expect(device.memory().bytes).toBe(0);
  });

  it("take further memories as the first one: advised before they are used", async () => {
    const advised: WebAssembly.Memory[] = [];
    const limits = { eachBytes: 3 * MIB, totalBytes: 64 * MIB };
    const adviseMemory = (memory: WebAssembly.Memory) => void advised.push(memory);
    const device = new CpuDevice(createMemory(), null, { ...limits, adviseMemory });
    opened.push(device);
    for (let i = 0; i < 8; i++) filled(device, i, 1024, 256);
    expect(new Set(advised).size).toBeGreaterThan(1);
    expect(new Set(advised).size).toBe(advised.length);
  });

  it("compute the same as in one memory, whatever kernels use them in whatever order", async () => {
    const small = await smallDevice(4, 64, 2);
    const large = await openDevice("cpu", { threads: 2 });
    opened.push(large);
    const place = fc.nat({ max: 7 });
    const action = fc.tuple(fc.constantFrom("add", "addInPlace", "matmul", "free"), place, place);
    const run = async (device: Device, actions: readonly [string, number, number][]) => {
      const memory = new Scope();
      // 512 KiB each, so that 3 MiB hold few of them; odd, so that windows and vectors have rests.
      const x = Array.from({ length: 8 }, (_, i) => memory.run(() => filled(device, i, 363, 363)));
      memory.run(() => {
        for (const [name, i, j] of actions) {
          if (name === "addInPlace" && i !== j) addInPlace(x[i]!, x[j]!);
          else if (name === "free") {
            x[i]!.dispose();
            x[i] = filled(device, 10 * i + j, 363, 363);
          } else if (name === "add") x[i] = addForward(x[i]!, x[j]!);
          else if (name === "matmul") x[i] = matmulForward(x[i]!, x[j]!);
        }
      });
      const results = await Promise.all(x.map(async (tensor) => digest(await tensor.data())));
      memory.dispose();
      return results;
    };
    await fc.assert(
      fc.asyncProperty(fc.array(action, { minLength: 5, maxLength: 25 }), async (actions) => {
        const before = small.movedBytes;
        expect(await run(small, actions)).toEqual(await run(large, actions));
        expect(small.movedBytes).toBeGreaterThan(before);
      }),
      { numRuns: 8 },
    );
    expect(small.memory().bytes).toBe(0);
  });

  it("train a model to the same bits", async () => {
    const config = T5Config.fromJSON(
      {
        ...{ model_type: "t5", vocab_size: 1000, d_model: 64, d_kv: 16, d_ff: 128, num_heads: 4 },
        ...{ num_layers: 2, feed_forward_proj: "gated-gelu", tie_word_embeddings: false },
        decoder_start_token_id: 0,
      },
      { source: "test" },
    );
    const ids = (rows: number, cols: number) =>
      Array.from({ length: rows }, (_, i) =>
        Array.from({ length: cols }, (_, j) => 1 + ((i * 31 + j * 7) % 999)),
      );
    const losses = async (device: Device): Promise<number[]> => {
      const model = T5ForConditionalGeneration.fromConfig(config, { device, seed: 1 });
      model.train();
      const optimizer = new AdamW(model.parameters(), { weightDecay: 0.1 });
      const result: number[] = [];
      for (let step = 0; step < 3; step++) {
        const memory = new Scope();
        const { loss } = memory.run(() =>
          model.forward({ inputIds: ids(4, 40), labels: ids(4, 20) }),
        );
        result.push(await loss!.item());
        memory.run(() => {
          const gradients = backward(loss!);
          const { scale } = gradientNormForward([...gradients.values()], 1);
          optimizer.step(gradients, 1e-2, scale);
        });
        memory.dispose();
      }
      return result;
    };
    const large = await openDevice("cpu", { threads: 1 });
    opened.push(large);
    const small = await smallDevice(5, 64);
    expect(await losses(small)).toEqual(await losses(large));
    expect(small.movedBytes).toBeGreaterThan(0);
  });

  it("must fit into the machine's, and the tensors of one kernel into one memory", async () => {
    const device = await smallDevice(3, 8);
    const tensors = Array.from({ length: 7 }, (_, i) => filled(device, i, 512, 512));
    const cures = /LoRA, weights in bf16, gradient checkpointing/;
    expect(() => filled(device, 8, 1024, 512)).toThrow(DeviceError);
    expect(() => filled(device, 8, 1024, 512)).toThrow(
      /must fit in 8.0 MiB, got 9.0 MiB \(7.0 MiB in use\)/,
    );
    expect(() => filled(device, 8, 1024, 512)).toThrow(cures);
    for (const x of tensors) x.dispose();
    const [a, b] = [filled(device, 1, 600, 600), filled(device, 2, 600, 600)];
    expect(() => matmulForward(a, b)).toThrow(/the tensors of one kernel must fit in 3.0 MiB/);
    expect(() => matmulForward(a, b)).toThrow(cures);
  });

  it("is asked for a limit above 0", async () => {
    await expect(openDevice("cpu", { memoryBytes: 0 })).rejects.toThrow(
      /memoryBytes must be above 0/,
    );
    const device = await openDevice("cpu", { threads: 1, memoryBytes: 1000 });
    opened.push(device);
    expect(() => filled(device, 1, 300)).toThrow(/must fit in 1000 bytes, got 1200 bytes/);
  });
});

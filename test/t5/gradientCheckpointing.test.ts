// A model that computes its blocks again in backward, beside one that keeps them.

import { describe, expect, it } from "vitest";
import { backward } from "../../src/autograd/backward.ts";
import { scope } from "../../src/tensor/scope.ts";
import type { Tensor } from "../../src/tensor/tensor.ts";
import { Trainer } from "../../src/train/trainer.ts";
import { hasRelaxedSimd } from "../../src/kernels/wasm/load.ts";
import { distance } from "../support/describeOp.ts";
import { cpu } from "../support/device.ts";
import { TinyModel } from "../support/tinyModel.ts";
import { tinyBatch, tinyConfig, tinyT5 } from "../support/tinyT5.ts";

/** Loss, gradients by name, and where the dropout generator stands after a training step's backward. */
async function trainingGradients(checkpointing: boolean, into = false) {
  const model = tinyT5();
  model.train();
  if (checkpointing) model.gradientCheckpointingEnable();
  // Gradients of an earlier batch, to which this one's are added.
  const earlier = into
    ? scope(() => backward(model.forward(tinyBatch(2, 5, 4)).loss!))
    : new Map<Tensor, Tensor>();
  const { loss, gradients } = scope(() => {
    const { loss } = model.forward(tinyBatch(3, 9));
    return { gradients: backward(loss!, undefined, undefined, earlier), loss: loss! };
  });
  const found = [...model.parameters()].map(async ([name, x]) => {
    return [name, [...(await gradients.get(x)!.data())]] as const;
  });
  const result = {
    loss: await loss.item(),
    gradients: new Map(await Promise.all(found)),
    offset: model.random.offset,
  };
  for (const x of [loss, ...gradients.values()]) x.dispose();
  model.dispose();
  return result;
}

describe("gradient checkpointing", () => {
  it.each([false, true])("changes no bit (gradients of an earlier batch: %s)", async (into) => {
    const before = cpu.memory();
    const plainly = await trainingGradients(false, into);
    const checkpointed = await trainingGradients(true, into);
    if (!hasRelaxedSimd()) expect(checkpointed).toEqual(plainly);
    // Fused products and sums round once where gradients are added in the kernel, and twice where they are added later.
    expect(checkpointed.loss).toBe(plainly.loss);
    expect(checkpointed.offset).toBe(plainly.offset);
    for (const [name, gradient] of plainly.gradients) {
      const most = Math.max(...gradient.map(Math.abs));
      expect(distance(checkpointed.gradients.get(name)!, gradient), name).toBeLessThanOrEqual(
        1e-6 * most,
      );
    }
    expect(cpu.memory()).toMatchObject({ tensors: before.tensors, bytes: before.bytes });
  });

  it("keeps one activation a block instead of thirty", () => {
    const [rows, length] = [4, 32];
    const activation = 4 * rows * length * tinyConfig.dModel;
    /** Activations alive at the worst moment of a step, in multiples of one. */
    const peak = (layers: number, checkpointing: boolean): number => {
      const sizes = { num_layers: layers, num_decoder_layers: layers };
      const before = cpu.memory().bytes;
      const model = tinyT5({ config: tinyConfig.withOverrides(sizes) });
      const weights = cpu.memory().bytes - before;
      model.train();
      if (checkpointing) model.gradientCheckpointingEnable();
      cpu.resetPeak();
      scope(() => backward(model.forward(tinyBatch(rows, length)).loss!));
      const { peakBytes } = cpu.memory();
      model.dispose();
      // Gradients as large as the weights are alive at the end in either case.
      return (peakBytes - before - 2 * weights) / activation;
    };
    const perBlock = (checkpointing: boolean) =>
      (peak(6, checkpointing) - peak(2, checkpointing)) / (4 + 4);
    expect(perBlock(false)).toBeGreaterThan(10);
    expect(perBlock(true)).toBeLessThan(1.1);
  });

  it("keeps everything in evaluation mode, as nothing is trained there", () => {
    const model = tinyT5();
    const held = (): number =>
      scope(() => {
        const before = cpu.memory().bytes;
        const { loss } = model.forward(tinyBatch(2, 4));
        return [loss!, cpu.memory().bytes - before] as const;
      })[1];
    const plainly = held();
    model.gradientCheckpointingEnable();
    expect(held()).toBe(plainly);
    model.train();
    expect(held()).toBeLessThan(plainly);
    model.dispose();
  });

  it("is switched on by the Trainer's argument", async () => {
    const args = { gradientCheckpointing: true, maxSteps: 1, saveStrategy: "no" } as const;
    const model = tinyT5();
    const { inputIds, labels } = tinyBatch(8, 4);
    const rows = inputIds.map((ids, i) => ({ inputIds: ids, labels: labels[i]! }));
    const trainer = new Trainer({
      model,
      args: { ...args, disableTqdm: true },
      trainDataset: rows,
    });
    await trainer.train();
    expect(model.gradientCheckpointing).toBe(true);
    model.dispose();
    expect(() => new Trainer({ model: new TinyModel(), args })).toThrowErrorMatchingInlineSnapshot(
      `[ArgumentError: gradientCheckpointing: needs a model with gradientCheckpointingEnable(), got one without. Pass false.]`,
    );
  });
});

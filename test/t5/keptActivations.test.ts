// What a model of 16-bit weights, and mixed precision, keep of a batch for backward: half of what f32 keeps, with the same loss and
// gradients within bf16's rounding.

import { describe, expect, it, vi } from "vitest";
import { FLAN_T5_BASE, batch, randomT5, zeroT5 } from "../../bench/gpu/models.ts";
import { CARD, openCountingGpu } from "../../scripts/adapters/countingGpu.ts";
import { backward } from "../../src/autograd/backward.ts";
import type { T5ForConditionalGeneration } from "../../src/t5/model.ts";
import type { Context } from "../../src/t5/layers.ts";
import { Scope, scope } from "../../src/tensor/scope.ts";
import { cpu } from "../support/device.ts";
import { gpu } from "../support/gpu.ts";

const TINY = {
  ...{ vocab_size: 64, d_model: 24, d_kv: 8, d_ff: 40, num_heads: 2, num_layers: 2 },
  ...{ dropout_rate: 0.1, feed_forward_proj: "gated-gelu", tie_word_embeddings: false },
};

/** Bytes that a forward pass of FLAN-T5-base leaves on the tape, without its logits. */
function bytesKept(dtype: "f32" | "bf16", autocast: "bf16" | "f16" | null): number {
  const { device } = openCountingGpu(CARD);
  const model = zeroT5(FLAN_T5_BASE, device, dtype);
  model.train();
  model.autocast = autocast;
  const memory = new Scope();
  const before = device.memory().bytes;
  const vocabulary = 32128;
  memory.run(() => model.forward(batch(8, 512, 512, vocabulary)));
  const bytes = device.memory().bytes - before - 4 * 8 * 512 * vocabulary;
  memory.dispose();
  model.dispose();
  return bytes;
}

describe("activations of FLAN-T5-base at 8 x (512 + 512)", () => {
  const exact = bytesKept("f32", null);

  it("take half the bytes with weights of bf16", () => {
    expect(bytesKept("bf16", null) / exact).toBeLessThan(0.51);
  });

  it.each(["bf16", "f16"] as const)("take less than 0.58 of them under autocast to %s", (dtype) => {
    // Autocast keeps weights in 16 bits on the tape, too: 2 bytes each. It leaves the residual stream in f32, as torch's does.
    const weights = 2 * 248e6;
    expect((bytesKept("f32", dtype) - weights) / exact).toBeLessThan(0.58);
  });
});

describe.each([
  ["cpu", cpu],
  ["webgpu", gpu],
] as const)("a model of bf16 weights, %s", (_title, device) => {
  /** The loss and all gradients of a batch, with what `keepAs` says. */
  async function train(model: T5ForConditionalGeneration, keepAs: Context["keepAs"]) {
    const context = vi.spyOn(model, "context", "get");
    const { config, random, autocast } = model;
    context.mockReturnValue({ config, random, autocast, keepAs });
    random.offset = 0;
    const read = scope(() => {
      const { loss } = model.forward(batch(3, 9, 7, 64));
      const gradients = backward(loss!);
      return [loss!.data(), ...[...gradients.values()].map((gradient) => gradient.data())];
    });
    context.mockRestore();
    return Promise.all(read);
  }

  it("has the loss of activations in f32, and its gradients within bf16's rounding", async () => {
    const model = randomT5(TINY, device, "bf16");
    expect(model.context.keepAs).toBe("bf16");
    model.train();
    const [loss, ...gradients] = await train(model, "bf16");
    const [exactLoss, ...exact] = await train(model, null);
    expect(loss).toEqual(exactLoss);
    expect(gradients).not.toEqual(exact);
    expect(gradients.length).toBeGreaterThan(30);
    gradients.forEach((gradient, i) => {
      const norm = (x: ArrayLike<number>) => Math.hypot(...Array.from(x));
      const difference = Array.from(gradient, (value, j) => value - exact[i]![j]!);
      expect(norm(difference) / norm(exact[i]!), `gradient ${i}`).toBeLessThan(2 ** -6);
    });
    model.dispose();
  });
});

// Dispatches of a training step at full size, on cards that nobody here has: what a GPU is given, every pass of every kernel, and
// the sums of split products too. A product on matrix units takes its operands as they are stored, in one dispatch.

import { describe, expect, it } from "vitest";
import { FLAN_T5_SMALL } from "../../bench/flanT5Small.ts";
import { FLAN_T5_BASE, zeroT5 } from "../../bench/gpu/models.ts";
import { trainingStep } from "../../bench/gpu/trainingStep.ts";
import { CARD, openCountingGpu } from "../../scripts/adapters/countingGpu.ts";

/** Dispatches depend on the number of layers, and on lengths only where k is split. */
const STEPS = [
  { name: "flan-t5-small", fields: FLAN_T5_SMALL, lengths: [256, 64], layers: 8, most: 620 },
  { name: "flan-t5-base", fields: FLAN_T5_BASE, lengths: [512, 512], layers: 12, most: 900 },
] as const;

describe.each(STEPS)("a training step of $name on a card with matrix units", (model) => {
  const { fields, layers, most } = model;
  const [source, target] = model.lengths;
  it.each(["f32", "bf16"] as const)(`is at most ${most} dispatches in %s`, async (dtype) => {
    const gpu = openCountingGpu(CARD);
    const shape = { fields, dtype, texts: 8, source, target };
    const step = trainingStep(gpu.device, shape, zeroT5(fields, gpu.device, dtype));
    step.run();
    await gpu.device.sync();
    gpu.reset();
    step.run();
    await gpu.device.sync();
    expect(gpu.total()).toBeLessThanOrEqual(most);
    // Forward, dx and dW, all on units: q/k/v, o, wi_0/wi_1 and wo of an encoder's layer; of a decoder's q, k/v and o, too; and the
    // output layer. Weights that read the same x share a dispatch.
    const products = [...gpu.dispatches].filter(([label]) => label.startsWith("matmul"));
    const onUnits = products.filter(([label]) => label.includes(".matrix"));
    expect(onUnits.reduce((sum, [, count]) => sum + count, 0)).toBe(3 * (layers * (4 + 7) + 1));
    step.dispose();
  });
});

// Dispatches of a training step at full size, on cards that nobody here has: what a GPU is given, every pass of every kernel, and
// the sums of split products too. A product on matrix units takes its operands as they are stored, in one dispatch.

import { describe, expect, it } from "vitest";
import { FLAN_T5_SMALL } from "../../bench/flanT5Small.ts";
import { zeroT5 } from "../../bench/gpu/models.ts";
import { trainingStep } from "../../bench/gpu/trainingStep.ts";
import { CARD, openCountingGpu } from "../../scripts/adapters/countingGpu.ts";

const size = { texts: 8, source: 256, target: 64 };

describe("a training step of flan-t5-small on a card with matrix units", () => {
  it.each(["f32", "bf16"] as const)("is at most 900 dispatches in %s", async (dtype) => {
    const gpu = openCountingGpu(CARD);
    const model = zeroT5(FLAN_T5_SMALL, gpu.device, dtype);
    const step = trainingStep(gpu.device, { fields: FLAN_T5_SMALL, dtype, ...size }, model);
    step.run();
    await gpu.device.sync();
    gpu.reset();
    step.run();
    await gpu.device.sync();
    expect(gpu.total()).toBeLessThanOrEqual(900);
    // Each linear layer is three products, all on units: 8 x (7 + 11) layers and the output layer.
    const products = [...gpu.dispatches].filter(([label]) => label.startsWith("matmul"));
    const onUnits = products.filter(([label]) => label.includes(".matrix"));
    expect(onUnits.reduce((sum, [, count]) => sum + count, 0)).toBe(3 * (8 * (7 + 11) + 1));
    step.dispose();
  });
});

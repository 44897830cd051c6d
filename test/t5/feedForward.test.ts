// The feed-forward sublayer in training, bit for bit as its definition from single ops that draw in the same order.

import { describe, expect, it } from "vitest";
import { backward } from "../../src/autograd/backward.ts";
import { dropout, dropoutAdd } from "../../src/autograd/ops/dropout.ts";
import { gatedGelu } from "../../src/autograd/ops/gatedGelu.ts";
import { mul, relu, silu } from "../../src/autograd/ops/pointwise.ts";
import { feedForward, linear, norm, type Context } from "../../src/t5/layers.ts";
import { addLora } from "../../src/t5/lora/adapter.ts";
import { LoraConfig } from "../../src/t5/lora/config.ts";
import type { FeedForwardWeights } from "../../src/t5/weights.ts";
import { Generator } from "../../src/tensor/philox.ts";
import { scope } from "../../src/tensor/scope.ts";
import { tensor, type Tensor } from "../../src/tensor/tensor.ts";
import { cpu } from "../support/device.ts";
import { values } from "../support/random.ts";
import { tinyConfig, tinyT5 } from "../support/tinyT5.ts";

type Act = (wi: Tensor, gate: Tensor | null, context: Context) => Tensor;
type Sublayer = typeof feedForward;

/** x + dropout(wo(dropout(act(wi n, gate n)))): the activation and its dropout are two ops. */
const definition =
  (act: Act): Sublayer =>
  (context, w, x) => {
    const random = context.random!;
    const drop = (y: Tensor) => dropout(y, context.config.dropoutRate, random.next());
    const n = norm(context, x, w.norm);
    const projected = linear(context, w.wi, n);
    const hidden = drop(act(projected, w.gate && linear(context, w.gate, n), context));
    return dropoutAdd(x, linear(context, w.wo, hidden), context.config.dropoutRate, random.next());
  };

const ACTS: Readonly<Record<string, Act>> = {
  "gated-gelu": (wi, gate, { keepAs }) => gatedGelu(wi, gate!, null, { keepAs }),
  "gated-silu": (wi, gate, context) => mul(silu(wi, context), gate!, context),
  relu: (wi, _gate, context) => relu(wi, context),
};

const MODES = [
  { name: "f32", autocast: null, lora: false },
  { name: "bf16 autocast", autocast: "bf16", lora: false },
  { name: "adapters with dropout", autocast: null, lora: true },
  { name: "f16 autocast of adapters with dropout", autocast: "f16", lora: true },
] as const;

/** The result, the gradients of x and of all weights that learn, and where the random numbers go on. */
async function results(sublayer: Sublayer, context: Context, w: FeedForwardWeights) {
  const { config } = context;
  const random = new Generator(11);
  const data = scope(() => {
    const make = (seed: number) => values(2 * 7 * config.dModel, seed);
    const shape = [2, 7, config.dModel];
    const x = tensor(make(1), shape, { device: cpu, dtype: "f32", requiresGrad: true });
    const y = sublayer({ ...context, random }, w, x);
    const layers = [w.wi, ...(w.gate ? [w.gate] : []), w.wo];
    const weights = layers.flatMap(({ weight, lora }) => [
      weight,
      ...(lora ? [lora.a, lora.b] : []),
    ]);
    const leaves = [x, w.norm, ...weights].filter((leaf) => leaf.requiresGrad);
    const gradients = backward(y, leaves, tensor(make(2), shape, { device: cpu, dtype: "f32" }));
    return [y, ...leaves.map((leaf) => gradients.get(leaf)!)].map((result) => result.data());
  });
  return { values: await Promise.all(data), next: random.next() };
}

describe.each(Object.entries(ACTS))("the %s feed-forward sublayer in training", (name, act) => {
  it.each(MODES)("is its definition in $name", async ({ autocast, lora }) => {
    const config = tinyConfig.withOverrides({ feed_forward_proj: name, dropout_rate: 0.2 });
    const model = tinyT5({ config });
    const adapters = { r: 4, loraDropout: 0.3, initLoraWeights: false } as const;
    if (lora) addLora(model, new LoraConfig({ ...adapters, targetModules: "all-linear" }));
    const w = model.weights.encoder.blocks[0]!.feedForward;
    const context: Context = { config, random: null, autocast, keepAs: autocast };
    const ours = await results(feedForward, context, w);
    expect(ours).toEqual(await results(definition(act), context, w));
    expect(ours.values.length).toBe(1 + (lora ? 1 : 2) + (w.gate ? 3 : 2) * (lora ? 2 : 1));
    model.dispose();
  });
});

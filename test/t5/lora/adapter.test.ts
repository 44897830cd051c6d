// Adapters on a model: what they change, train, merge into, and cost.

import { afterEach, describe, expect, it } from "vitest";
import { backward } from "../../../src/autograd/backward.ts";
import {
  addLora,
  isMerged,
  mergeLora,
  removeLora,
  unmergeLora,
} from "../../../src/t5/lora/adapter.ts";
import { LoraConfig } from "../../../src/t5/lora/config.ts";
import { countLoraParameters } from "../../../src/t5/lora/targets.ts";
import { T5ForConditionalGeneration } from "../../../src/t5/model.ts";
import { ArgumentError } from "../../../src/tensor/errors.ts";
import { scope } from "../../../src/tensor/scope.ts";
import { distance } from "../../support/describeOp.ts";
import { cpu } from "../../support/device.ts";
import { temporaryFolder } from "../../support/folder.ts";
import { tinyBatch, tinyConfig, tinyT5, weightsOf } from "../../support/tinyT5.ts";

const folder = temporaryFolder();
const batch = tinyBatch(3, 7);
/** B is not zero, so that the adapter shows. */
const random = new LoraConfig({ r: 4, loraAlpha: 12, initLoraWeights: false });

const before = cpu.memory();
afterEach(() => {
  expect(cpu.memory()).toMatchObject({ tensors: before.tensors, bytes: before.bytes });
});

async function logitsOf(model: T5ForConditionalGeneration): Promise<Float32Array> {
  const data = scope(() => [model.forward(batch).logits.data()]);
  return (await data[0]!) as Float32Array;
}

describe("addLora", () => {
  it("changes nothing until it is trained, and freezes the model", async () => {
    const model = tinyT5();
    const base = await logitsOf(model);
    const total = model.numParameters();
    const config = new LoraConfig({ r: 4 });
    addLora(model, config);
    expect(await logitsOf(model)).toEqual(base);
    const count = countLoraParameters(tinyConfig, config);
    expect(model.numParameters({ trainableOnly: true })).toBe(count);
    expect(model.numParameters()).toBe(total + count);
    model.dispose();
  });

  it("begins as peft: A uniform within 1/sqrt(in) or normal with 1/r, B zero or uniform", async () => {
    const read = async (initLoraWeights: boolean | "gaussian") => {
      const model = tinyT5();
      addLora(model, new LoraConfig({ r: 16, targetModules: "all-linear", initLoraWeights }));
      const weights = await weightsOf(model);
      model.dispose();
      const all = (part: string, layer: string) =>
        [...weights].flatMap(([name, x]) => (name.endsWith(`${layer}.${part}.weight`) ? x : []));
      return { a: all("lora_A", "q"), b: all("lora_B", "q") };
    };
    const most = (list: readonly number[]) =>
      list.reduce((largest, x) => Math.max(largest, Math.abs(x)), 0);
    const std = (list: readonly number[]) =>
      Math.sqrt(list.reduce((sum, x) => sum + x * x, 0) / list.length);
    const bound = tinyConfig.dModel ** -0.5;
    const [usual, gaussian, uniform] = [
      await read(true),
      await read("gaussian"),
      await read(false),
    ];
    expect(most(usual.a)).toBeLessThanOrEqual(bound);
    expect(std(usual.a)).toBeCloseTo(bound / Math.sqrt(3), 2);
    expect(most(usual.b)).toBe(0);
    expect(std(gaussian.a)).toBeCloseTo(1 / 16, 2);
    expect(most(gaussian.a)).toBeGreaterThan(3 / 16);
    expect(most(gaussian.b)).toBe(0);
    expect(std(uniform.b)).toBeCloseTo(0.25 / Math.sqrt(3), 2);
  });

  it("computes gradients of the adapter only, and none below its first layer", () => {
    const model = tinyT5();
    const held = (): number =>
      scope(() => {
        const start = cpu.memory().bytes;
        const { loss } = model.forward(batch);
        const graph = cpu.memory().bytes - start;
        const gradients = backward(loss!);
        const names = [...model.parameters()].filter(([, x]) => gradients.has(x));
        expect(
          names.every(([name, x]) => x.requiresGrad && (!model.lora || name.includes("lora_"))),
        ).toBe(true);
        expect(gradients.size).toBe(
          [...model.parameters().values()].filter((x) => x.requiresGrad).length,
        );
        return graph;
      });
    const whole = held();
    addLora(model, new LoraConfig({ targetModules: "decoder.block.1.*\\.wo" }));
    expect(held()).toBeLessThan(whole / 4);
    model.dispose();
  });

  it("drops parts of the adapter's input in training only", async () => {
    const model = tinyT5({ config: tinyConfig.withOverrides({ dropout_rate: 0 }) });
    addLora(model, new LoraConfig({ r: 4, loraDropout: 0.5, initLoraWeights: false }));
    const evaluated = await logitsOf(model);
    expect(await logitsOf(model)).toEqual(evaluated);
    model.train();
    expect(await logitsOf(model)).not.toEqual(evaluated);
    const ids = await model.generate(batch, { maxNewTokens: 5 });
    expect(await model.generate(batch, { maxNewTokens: 5 })).toEqual(ids);
    model.dispose();
  });

  it("leaves modules of modulesToSave trainable, and gives none of them an adapter", async () => {
    const model = tinyT5();
    const base = await weightsOf(model);
    const config = new LoraConfig({
      r: 4,
      modulesToSave: ["final_layer_norm", "lm_head", "0.SelfAttention.q"],
    });
    addLora(model, config);
    const trained = [...model.parameters()].filter(([, x]) => x.requiresGrad).map(([name]) => name);
    expect(trained.filter((name) => !name.includes("lora_"))).toEqual([
      "encoder.block.0.layer.0.SelfAttention.q.weight",
      "encoder.block.1.layer.0.SelfAttention.q.weight",
      "encoder.final_layer_norm.weight",
      "decoder.block.0.layer.0.SelfAttention.q.weight",
      "decoder.block.1.layer.0.SelfAttention.q.weight",
      "decoder.final_layer_norm.weight",
      "lm_head.weight",
    ]);
    expect(trained).not.toContain("encoder.block.0.layer.0.SelfAttention.q.lora_A.weight");
    expect(model.numParameters({ trainableOnly: true })).toBe(
      countLoraParameters(tinyConfig, config),
    );
    const head = model.parameters().get("lm_head.weight")!;
    head.device.write(head.storage, "f32", new Float32Array(head.size));
    removeLora(model);
    expect(await weightsOf(model)).toEqual(base);
    expect(model.numParameters({ trainableOnly: true })).toBe(model.numParameters());
    model.dispose();
  });

  it.each([
    [["lm_head", "classifier"], 'must name modules of the model, got "classifier". There are'],
    [["embed_tokens"], 'must name no token embedding, got "embed_tokens" (encoder.embed_tokens).'],
    [["decoder"], 'must name no token embedding, got "decoder" (decoder.embed_tokens).'],
  ])("refuses modulesToSave %j", (modulesToSave, message) => {
    const model = tinyT5();
    expect(() => addLora(model, new LoraConfig({ modulesToSave }))).toThrow(
      `LoraConfig: modulesToSave ${message}`,
    );
    expect(model.lora).toBeNull();
    expect(model.numParameters({ trainableOnly: true })).toBe(model.numParameters());
    model.dispose();
  });

  it("refuses a second adapter, and unknown names", () => {
    const model = tinyT5();
    expect(() => addLora(model, new LoraConfig({ targetModules: ["q", "query"] }))).toThrow(
      '"query"',
    );
    expect(model.numParameters({ trainableOnly: true })).toBe(model.numParameters());
    addLora(model);
    expect(() => addLora(model)).toThrow(
      new ArgumentError(
        "addLora: the model must have no adapter, got one of rank 8. Call removeLora(model) first.",
      ),
    );
    model.dispose();
  });
});

describe("mergeLora", () => {
  it.each(["all-linear", ["q", "v", "lm_head"]])(
    "gives the same outputs and ids: %j",
    async (targetModules) => {
      const model = tinyT5();
      addLora(model, new LoraConfig({ r: 3, targetModules, initLoraWeights: false }));
      const adapted = await logitsOf(model);
      const ids = await model.generate(batch, { maxNewTokens: 6 });
      mergeLora(model);
      expect(distance(await logitsOf(model), adapted)).toBeLessThan(2e-4);
      expect(await model.generate(batch, { maxNewTokens: 6 })).toEqual(ids);
      removeLora(model);
      expect(distance(await logitsOf(model), adapted)).toBeGreaterThan(0.1);
      model.dispose();
    },
  );

  it("is taken back bit for bit, as often as one likes", async () => {
    const model = tinyT5();
    addLora(model, random);
    const weights = await weightsOf(model);
    const bytes = cpu.memory().bytes;
    for (let round = 0; round < 3; round++) {
      mergeLora(model);
      expect(await weightsOf(model)).not.toEqual(weights);
      unmergeLora(model);
    }
    expect(await weightsOf(model)).toEqual(weights);
    expect(cpu.memory().bytes).toBe(bytes);
    model.dispose();
  });

  it("rounds once for weights in 16 bits, and the adapter stays f32", async () => {
    const saved = tinyT5();
    await saved.savePretrained(folder("base"));
    saved.dispose();
    const model = await T5ForConditionalGeneration.fromPretrained(folder("base"), {
      ...{ device: cpu, dtype: "bfloat16" },
    });
    addLora(model, new LoraConfig({ ...random, targetModules: ["q"] }));
    const name = "encoder.block.0.layer.0.SelfAttention.q";
    const parameters = model.parameters();
    const [w, a, b] = ["", "lora_A.", "lora_B."].map((part) =>
      parameters.get(`${name}.${part}weight`)!,
    );
    expect([w!.dtype, a!.dtype, b!.dtype]).toEqual(["bf16", "f32", "f32"]);
    const [base, down, up] = await Promise.all([w, a, b].map((x) => x!.data()));
    const adapted = await logitsOf(model);
    mergeLora(model);
    const merged = await w!.data();
    const [rows, r] = b!.shape as [number, number];
    const cols = a!.shape[1]!;
    for (let i = 0; i < rows * cols; i++) {
      let sum = 0;
      for (let k = 0; k < r; k++)
        sum += up![Math.floor(i / cols) * r + k]! * down![k * cols + (i % cols)]!;
      const exact = base![i]! + 3 * sum;
      // Half a unit in the last of bf16's 8 bits.
      expect(Math.abs(merged[i]! - exact)).toBeLessThan(Math.abs(exact) * 2 ** -8 + 1e-6);
    }
    expect(distance(await logitsOf(model), adapted)).toBeLessThan(0.2);
    unmergeLora(model);
    expect(await w!.data()).toEqual(base);
    model.dispose();
  });

  it("with unload leaves a plain model that can be trained", async () => {
    const model = tinyT5();
    const names = [...model.parameters().keys()];
    const { bytes } = cpu.memory();
    addLora(model, random);
    const adapted = await logitsOf(model);
    mergeLora(model, { unload: true });
    expect(distance(await logitsOf(model), adapted)).toBeLessThan(2e-4);
    expect(model.lora).toBeNull();
    expect([...model.parameters().keys()]).toEqual(names);
    expect(model.numParameters({ trainableOnly: true })).toBe(model.numParameters());
    expect(cpu.memory().bytes).toBe(bytes);
    model.dispose();
  });

  it("says what is wrong with the order of calls", () => {
    const model = tinyT5();
    const none = "the model must have an adapter, got none. Call addLora or loadLora first.";
    expect(() => mergeLora(model)).toThrow(new ArgumentError(`mergeLora: ${none}`));
    expect(() => removeLora(model)).toThrow(new ArgumentError(`removeLora: ${none}`));
    addLora(model, random);
    expect(() => unmergeLora(model)).toThrow(
      new ArgumentError(
        "unmergeLora: the adapter must be merged, got one that is not. Call mergeLora(model) first.",
      ),
    );
    mergeLora(model);
    expect(isMerged(model)).toBe(true);
    expect(() => mergeLora(model)).toThrow(
      new ArgumentError(
        "mergeLora: the adapter must not be merged already, got a merged one. Call unmergeLora(model) first.",
      ),
    );
    model.dispose();
  });
});

// mT5 and UMT5 against PyTorch (test/golden/makeMt5.py), and everything that a T5 does done with them.

import { readFileSync } from "node:fs";
import { beforeAll, describe, expect, it } from "vitest";
import { backward } from "../../src/autograd/backward.ts";
import { T5Config } from "../../src/t5/config.ts";
import { addLora, mergeLora } from "../../src/t5/lora/adapter.ts";
import { LoraConfig } from "../../src/t5/lora/config.ts";
import { T5ForConditionalGeneration } from "../../src/t5/model.ts";
import type { Device } from "../../src/tensor/device.ts";
import { readSafetensors } from "../../src/tensor/safetensors.ts";
import { scope } from "../../src/tensor/scope.ts";
import { Trainer } from "../../src/train/trainer.ts";
import { isFull } from "../support/full.ts";
import { distance } from "../support/describeOp.ts";
import { cpu, plain } from "../support/device.ts";
import { temporaryFolder } from "../support/folder.ts";
import { golden } from "../support/golden.ts";
import { floats, largest, rows, type GoldenFile } from "../support/goldenRows.ts";
import { gpu } from "../support/gpu.ts";

const folder = temporaryFolder();

interface Generated {
  readonly sequences: number[][];
  readonly scores?: number[];
}

/** What comes before the first end token, and that token: what fills up after it differs by version. */
function ended(sequences: readonly number[][]): number[][] {
  return sequences.map((ids) => (ids.includes(1) ? ids.slice(0, ids.indexOf(1) + 1) : [...ids]));
}

for (const name of ["mt5-odd", "umt5-odd"]) {
  let io: GoldenFile;
  let generated: Record<"greedy" | "beams", Generated>;
  beforeAll(async () => {
    io = await readSafetensors(golden(name, "io.safetensors"));
    generated = JSON.parse(readFileSync(golden(name, "generation.json"), "utf8")) as never;
  });
  const load = (device: Device, config: Record<string, unknown> = {}) =>
    T5ForConditionalGeneration.fromPretrained(golden(name), { device, config });
  const batch = () => ({
    inputIds: rows(io, "input_ids"),
    attentionMask: rows(io, "attention_mask"),
    labels: rows(io, "labels"),
  });
  const source = () => ({ inputIds: batch().inputIds, attentionMask: batch().attentionMask });

  describe.each([
    ["WebAssembly", cpu] as const,
    ["plain", plain] as const,
    ...(isFull ? [["WGSL", gpu] as const] : []),
  ])(`${name} with %s kernels`, (_kernels, device) => {
    it("gives PyTorch's logits, loss and gradients", async () => {
      const before = device.memory();
      const model = await load(device);
      const [outputs, gradients] = scope(() => {
        const { logits, loss } = model.forward(batch());
        return [{ logits, loss: loss! }, backward(loss!)] as const;
      });
      expect(distance(await outputs.logits.data(), floats(io, "logits"))).toBeLessThan(1e-4);
      expect(await outputs.loss.item()).toBeCloseTo(floats(io, "loss")[0]!, 5);
      const expected = [...io.tensors.keys()].filter((key) => key.startsWith("grad."));
      expect(expected.length).toBe(model.parameters().size);
      for (const [parameter, weight] of model.parameters()) {
        const reference = floats(io, `grad.${parameter}`);
        const error = distance(await gradients.get(weight)!.data(), reference);
        expect(error, parameter).toBeLessThan(2e-4 * largest(reference));
      }
      for (const x of [outputs.logits, outputs.loss, ...gradients.values()]) x.dispose();
      model.dispose();
      expect(device.memory().tensors).toBe(before.tensors);
    });

    it("writes what transformers writes, greedily and with beams", async () => {
      const model = await load(device);
      const greedy = await model.generate(source(), { maxNewTokens: 14 });
      expect(ended(greedy)).toEqual(ended(generated.greedy.sequences));
      const beams = await model.generate(source(), {
        ...{ maxNewTokens: 14, numBeams: 3, lengthPenalty: 0.5, returnDictInGenerate: true },
      });
      expect(ended(beams.sequences)).toEqual(ended(generated.beams.sequences));
      expect(distance(beams.sequencesScores!, generated.beams.scores!)).toBeLessThan(1e-4);
      model.dispose();
    });

    it("learns", async () => {
      const model = await load(device);
      const { inputIds, labels } = batch();
      const trainer = new Trainer({
        model,
        args: {
          ...{ maxSteps: 3, learningRate: 0.02, saveStrategy: "no", disableTqdm: true },
          ...{ gradientCheckpointing: true, loggingSteps: 1 },
        },
        trainDataset: inputIds.map((ids, i) => ({ inputIds: ids, labels: labels[i]! })),
      });
      await trainer.train();
      const losses = trainer.state.logHistory.flatMap(({ loss }) => loss ?? []);
      expect(losses.length).toBe(3);
      expect(losses[2]!).toBeLessThan(0.9 * losses[0]!);
      model.dispose();
    });
  });

  it(`${name} without a head of its own gives PyTorch's logits and loss`, async () => {
    const model = await load(cpu);
    const files = await model.toFiles();
    const { "lm_head.weight": head, ...tensors } = Object.fromEntries(model.parameters());
    expect(head).toBeDefined();
    await (
      await import("../../src/model/savedFiles.ts")
    ).writeFiles(folder(`${name}-tied`), {
      texts: {
        "config.json": JSON.stringify({
          ...(JSON.parse(await files.get("config.json")!.text()) as object),
          tie_word_embeddings: true,
        }),
      },
      weights: { file: "model.safetensors", tensors: new Map(Object.entries(tensors)) },
    });
    const tied = await T5ForConditionalGeneration.fromPretrained(folder(`${name}-tied`), {
      device: cpu,
    });
    const { logits, loss } = scope(() => tied.forward(batch()));
    expect(distance(await logits.data(), floats(io, "tied.logits"))).toBeLessThan(1e-4);
    expect(await loss!.item()).toBeCloseTo(floats(io, "tied.loss")[0]!, 5);
    for (const x of [logits, loss!]) x.dispose();
    for (const each of [model, tied]) each.dispose();
  });

  it(`${name} is saved under its own names, and read back bit for bit`, async () => {
    const model = await load(cpu);
    await model.savePretrained(folder(name));
    const read = (path: string) =>
      JSON.parse(readFileSync(path, "utf8")) as Record<string, unknown>;
    const [original, saved] = [golden(name, "config.json"), folder(`${name}/config.json`)].map(
      read,
    );
    expect(saved).toMatchObject({ ...original, tie_word_embeddings: false });
    expect(saved!["scale_decoder_outputs"]).toBe(name === "umt5-odd");
    const [before, after] = await Promise.all(
      [golden(name, "model.safetensors"), folder(`${name}/model.safetensors`)].map(readSafetensors),
    );
    expect(new Set(after!.tensors.keys())).toEqual(new Set(before!.tensors.keys()));
    for (const [key, { data }] of before!.tensors) {
      expect(after!.tensors.get(key)!.data, key).toEqual(data);
    }
    const again = await T5ForConditionalGeneration.fromPretrained(folder(name), { device: cpu });
    const { logits, loss } = scope(() => again.forward(batch()));
    expect(distance(await logits.data(), floats(io, "logits"))).toBeLessThan(1e-4);
    for (const x of [logits, loss!]) x.dispose();
    for (const each of [model, again]) each.dispose();
  });

  it(`${name} counts its weights`, async () => {
    const model = await load(cpu);
    expect(model.config.withTying(false).numParameters()).toBe(model.numParameters());
    const others = [...model.parameters()].filter(
      ([key]) => !/shared|relative_attention_bias/.test(key),
    );
    expect(model.config.withTying(false).numParametersWithoutEmbeddings()).toBe(
      others.reduce((sum, [, { size }]) => sum + size, 0),
    );
    model.dispose();
  });

  it(`${name} takes an adapter, whose product may be added to its weights`, async () => {
    const model = await load(cpu);
    addLora(model, new LoraConfig({ r: 2, loraAlpha: 4 }));
    for (const [key, x] of model.parameters()) {
      if (key.includes("lora_B")) {
        await Promise.resolve(
          x.device.write(x.storage, x.dtype, new Float32Array(x.size).fill(0.1)),
        );
      }
    }
    const logits = async () => {
      const outputs = scope(() => model.forward(batch()));
      const values = await outputs.logits.data();
      for (const x of [outputs.logits, outputs.loss!]) x.dispose();
      return values;
    };
    const apart = await logits();
    expect(distance(apart, floats(io, "logits"))).toBeGreaterThan(0.1);
    mergeLora(model);
    expect(distance(await logits(), apart)).toBeLessThan(1e-4);
    model.dispose();
  });

  it(`${name} has the same gradients when its blocks are computed again`, async () => {
    const gradientsOf = async (checkpointing: boolean) => {
      const model = await load(cpu, { dropout_rate: 0.2 });
      model.train();
      if (checkpointing) model.gradientCheckpointingEnable();
      const gradients = scope(() => backward(model.forward(batch()).loss!));
      const values = new Map<string, ArrayLike<number>>();
      for (const [key, x] of model.parameters()) values.set(key, await gradients.get(x)!.data());
      for (const x of gradients.values()) x.dispose();
      model.dispose();
      return values;
    };
    const again = await gradientsOf(true);
    for (const [key, gradient] of await gradientsOf(false)) {
      expect(distance(again.get(key)!, gradient), key).toBeLessThan(1e-5 * largest(gradient));
    }
  });
}

describe("what tie_word_embeddings says about scaling", () => {
  const scales = (fields: Record<string, unknown>) => T5Config.fromJSON(fields).scaleDecoderOutputs;
  it.each([
    // transformers 4 scaled what was tied, whatever the model.
    [
      { model_type: "umt5", tie_word_embeddings: false, transformers_version: "4.31.0.dev0" },
      false,
    ],
    [{ model_type: "umt5", tie_word_embeddings: true, transformers_version: "4.57.1" }, true],
    [{ model_type: "mt5", tie_word_embeddings: true, transformers_version: "4.57.1" }, true],
    [{ model_type: "mt5", tie_word_embeddings: false, transformers_version: "4.10.0" }, false],
    // 5 scales every UMT5 and no mT5.
    [{ model_type: "umt5", tie_word_embeddings: false }, true],
    [{ model_type: "umt5" }, true],
    [{ model_type: "mt5", tie_word_embeddings: true, transformers_version: "5.17.0" }, false],
    [{ model_type: "mt5" }, false],
    [{ model_type: "mt5", transformers_version: "4.10.0" }, false],
    // Of T5 both take the file's word.
    [{ model_type: "t5", tie_word_embeddings: false, transformers_version: "5.17.0" }, false],
    [{ model_type: "t5" }, true],
    // A key of its own goes before all.
    [{ model_type: "umt5", scale_decoder_outputs: false }, false],
    [{ model_type: "mt5", scale_decoder_outputs: true }, true],
  ])("%j: %s", (fields, expected) => {
    expect(scales(fields)).toBe(expected);
  });
});

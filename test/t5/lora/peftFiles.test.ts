// Adapters as peft 0.21 writes them (test/golden/makeAdapters.py): logits, loss and gradients, and what is saved again.

import { readFile } from "node:fs/promises";
import { afterEach, describe, expect, it } from "vitest";
import { backward } from "../../../src/autograd/backward.ts";
import { mergeLora, removeLora } from "../../../src/t5/lora/adapter.ts";
import { T5ForConditionalGeneration } from "../../../src/t5/model.ts";
import { readSafetensors } from "../../../src/tensor/safetensors.ts";
import { scope } from "../../../src/tensor/scope.ts";
import { distance } from "../../support/describeOp.ts";
import { cpu } from "../../support/device.ts";
import { temporaryFolder } from "../../support/folder.ts";
import { golden } from "../../support/golden.ts";
import { floats, largest, rows } from "../../support/goldenRows.ts";
import { weightsOf } from "../../support/tinyT5.ts";

const NAMES = ["rslora", "blocks", "bias-all", "modules", "head", "embeddings", "old-bias"];
/** What an adapter holds besides A and B, by its name in the file. */
const WHOLE: Readonly<Record<string, number>> = { modules: 11, embeddings: 2, "old-bias": 1 };

const folder = temporaryFolder();
const io = await readSafetensors(golden("adapters", "io.safetensors"));
const batch = { inputIds: rows(io, "input_ids"), labels: rows(io, "labels") };
const load = (adapter?: string) =>
  T5ForConditionalGeneration.fromPretrained(golden("mt5-odd"), { device: cpu, adapter });

const before = cpu.memory();
afterEach(() => {
  expect(cpu.memory()).toMatchObject({ tensors: before.tensors, bytes: before.bytes });
});

async function outputsOf(model: T5ForConditionalGeneration) {
  const read = scope(() => {
    const { logits, loss } = model.forward(batch);
    return [logits.data(), loss!.data()];
  });
  const [logits, loss] = await Promise.all(read);
  return { logits: logits as Float32Array, loss: loss![0]! };
}

async function expectGolden(model: T5ForConditionalGeneration, name: string): Promise<void> {
  const { logits, loss } = await outputsOf(model);
  expect(distance(logits, floats(io, `${name}.logits`))).toBeLessThan(1e-4);
  const wanted = floats(io, `${name}.loss`)[0]!;
  expect(Math.abs(loss - wanted)).toBeLessThan(1e-5 * wanted);
}

describe.each(NAMES)("%s", (name) => {
  it("gives peft's logits and loss, also once saved again, merged, and in a model of its own", async () => {
    const model = await load(golden("adapters", name));
    await expectGolden(model, name);
    await model.savePretrained(folder(`again-${name}`));
    mergeLora(model);
    await expectGolden(model, name);
    mergeLora(model, { unload: true });
    await expectGolden(model, name);
    await model.savePretrained(folder(`merged-${name}`));
    model.dispose();
    const again = await load(folder(`again-${name}`));
    await expectGolden(again, name);
    again.dispose();
    const merged = await T5ForConditionalGeneration.fromPretrained(folder(`merged-${name}`), {
      device: cpu,
    });
    await expectGolden(merged, name);
    merged.dispose();
  });

  it("is taken away without a trace", async () => {
    const plain = await load();
    const base = await weightsOf(plain);
    const trainable = plain.numParameters({ trainableOnly: true });
    plain.dispose();
    const model = await load(golden("adapters", name));
    removeLora(model);
    expect(await weightsOf(model)).toEqual(base);
    expect(model.numParameters({ trainableOnly: true })).toBe(trainable);
    model.dispose();
  });

  it("is saved with peft's names and settings", async () => {
    const model = await load(golden("adapters", name));
    await model.savePretrained(folder(`saved-${name}`));
    model.dispose();
    const read = (place: string) => readSafetensors(`${place}/adapter_model.safetensors`);
    const [ours, theirs] = [
      await read(folder(`saved-${name}`)),
      await read(golden("adapters", name)),
    ];
    // The head under an adapter is the base model's own: peft saves it, and it is read again for nothing.
    const wanted = [...theirs.tensors].filter(([key]) => !key.includes("base_layer"));
    expect(new Map([...ours.tensors].sort())).toEqual(new Map(wanted.sort()));
    const whole = [...ours.tensors.keys()].filter((key) => !key.includes(".lora_"));
    expect(whole).toHaveLength(WHOLE[name] ?? 0);
    const configOf = async (place: string): Promise<Record<string, unknown>> =>
      JSON.parse(await readFile(`${place}/adapter_config.json`, "utf8")) as Record<string, unknown>;
    expect(await configOf(golden("adapters", name))).toMatchObject(
      await configOf(folder(`saved-${name}`)),
    );
  });
});

describe("modules_to_save", () => {
  it("is trained whole: peft's gradients, and none of anything else", async () => {
    const model = await load(golden("adapters", "modules"));
    const trained = [...model.parameters()].filter(([, x]) => x.requiresGrad);
    const names = [...io.tensors.keys()].filter((key) => key.startsWith("modules.grad."));
    expect(trained.map(([name]) => `modules.grad.${name}`).sort()).toEqual(names.sort());
    const read = scope(() => {
      const gradients = backward(model.forward(batch).loss!);
      expect(gradients.size).toBe(trained.length);
      return trained.map(([name, x]) => [name, gradients.get(x)!.data()] as const);
    });
    for (const [name, data] of read) {
      const wanted = floats(io, `modules.grad.${name}`);
      expect(distance((await data) as Float32Array, wanted), name).toBeLessThan(
        2e-4 * largest(wanted),
      );
    }
    model.dispose();
  });
});

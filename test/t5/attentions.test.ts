// outputAttentions against transformers (test/golden/makeAttentions.py), and what it must not touch.

import { beforeAll, describe, expect, it } from "vitest";
import { T5ForConditionalGeneration } from "../../src/t5/model.ts";
import { readSafetensors } from "../../src/tensor/safetensors.ts";
import { Scope } from "../../src/tensor/scope.ts";
import { distance } from "../support/describeOp.ts";
import { cpu, plain } from "../support/device.ts";
import { floats, rows, type GoldenFile } from "../support/goldenRows.ts";

const FOLDER = "test/golden/t5-odd";

describe.each([
  ["WebAssembly", cpu],
  ["plain", plain],
] as const)("outputAttentions with %s kernels", (_, device) => {
  let io: GoldenFile;
  let model: T5ForConditionalGeneration;
  beforeAll(async () => {
    io = await readSafetensors(`${FOLDER}/attentions.safetensors`);
    model = await T5ForConditionalGeneration.fromPretrained(FOLDER, { device });
  });

  const inputs = () => ({
    inputIds: rows(io, "input_ids"),
    attentionMask: rows(io, "attention_mask"),
    labels: rows(io, "labels"),
  });

  it("gives transformers' weights of every block and head", async () => {
    const memory = new Scope();
    const out = memory.run(() => model.forward({ ...inputs(), outputAttentions: true }));
    for (const [key, list] of [
      ["encoder_attentions", out.encoderAttentions!],
      ["decoder_attentions", out.decoderAttentions!],
      ["cross_attentions", out.crossAttentions!],
    ] as const) {
      expect(list).toHaveLength(1);
      for (const [i, weights] of list.entries()) {
        expect(distance(await weights.data(), floats(io, `${key}.${i}`)), key).toBeLessThan(1e-4);
      }
    }
    const [B, H, T, S] = out.crossAttentions![0]!.shape;
    expect([B, H, T, S]).toEqual([1, 3, io.tensors.get("labels")!.shape[1], 37]);
    memory.dispose();
  });

  it("leaves logits and loss as they are, and frees what it gives with the scope around", async () => {
    const before = device.memory().tensors;
    const memory = new Scope();
    const asked = memory.run(() => model.forward({ ...inputs(), outputAttentions: true }));
    const usual = memory.run(() => model.forward(inputs()));
    expect(usual.crossAttentions).toBeUndefined();
    expect([...(await asked.logits.data())]).toEqual([...(await usual.logits.data())]);
    memory.dispose();
    expect(device.memory().tensors).toBe(before);
  });

  it("is collected once where training computes blocks again", async () => {
    model.train();
    model.gradientCheckpointingEnable();
    const memory = new Scope();
    const out = memory.run(() => model.forward({ ...inputs(), outputAttentions: true }));
    expect([out.encoderAttentions, out.decoderAttentions, out.crossAttentions]).toEqual([
      [expect.anything()],
      [expect.anything()],
      [expect.anything()],
    ]);
    memory.dispose();
    model.gradientCheckpointingDisable();
    model.eval();
  });
});

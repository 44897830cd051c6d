// The model against PyTorch: logits, hidden states, loss and every gradient (golden/t5-*).

import { beforeAll, describe, expect, it } from "vitest";
import { backward } from "../../src/autograd/backward.ts";
import { T5ForConditionalGeneration } from "../../src/t5/model.ts";
import { readSafetensors } from "../../src/tensor/safetensors.ts";
import { Scope } from "../../src/tensor/scope.ts";
import { distance } from "../support/describeOp.ts";
import { cpu, plain } from "../support/device.ts";
import { isFull } from "../support/full.ts";
import { gpu } from "../support/gpu.ts";
import { golden, hasGolden } from "../support/golden.ts";
import { floats, largest, rows, type GoldenFile } from "../support/goldenRows.ts";
import { hasShared, needsShared, shared } from "../support/shared.ts";

for (const [device, kernels] of [
  [cpu, "WebAssembly"],
  [plain, "plain"],
  [gpu, "WGSL"],
] as const) {
  for (const name of ["t5-gated", "t5-relu", "t5-odd"]) {
    const title = `${name} with ${kernels} kernels`;
    describe.skipIf(!hasGolden(name))(hasGolden(name) ? title : needsShared(title), () => {
      let io: GoldenFile;
      let model: T5ForConditionalGeneration;
      beforeAll(async () => {
        io = await readSafetensors(golden(name, "io.safetensors"));
        model = await T5ForConditionalGeneration.fromPretrained(golden(name), { device });
      });

      const inputs = {
        masked: () => ({
          inputIds: rows(io, "input_ids"),
          attentionMask: rows(io, "attention_mask"),
          labels: rows(io, "labels"),
        }),
        notebook: () => ({
          inputIds: rows(io, "input_ids"),
          labels: rows(io, "notebook.labels"),
        }),
        long: () => ({
          inputIds: rows(io, "long.input_ids"),
          labels: rows(io, "long.labels"),
        }),
      };

      // A software GPU takes seconds for each of these: there `npm test` tries the first alone.
      const cases = [
        ["masked", ""],
        ["notebook", "notebook."],
        ["long", "long."],
      ] as const;
      const tried = device === gpu && !isFull ? cases.slice(0, 1) : cases;
      it.each(tried)("gives PyTorch's logits and loss (%s)", async (which, prefix) => {
        const memory = new Scope();
        const { logits, loss } = memory.run(() => model.forward(inputs[which]()));
        expect(distance(await logits.data(), floats(io, `${prefix}logits`))).toBeLessThan(1e-4);
        const expected = floats(io, `${prefix}loss`)[0]!;
        expect(Math.abs((await loss!.item()) - expected)).toBeLessThan(1e-5 * expected);
        memory.dispose();
      });

      it("gives PyTorch's hidden states", async () => {
        const memory = new Scope();
        const out = memory.run(() =>
          model.forward({ ...inputs.masked(), outputHiddenStates: true }),
        );
        for (const [key, states] of [
          ["encoder_hidden", out.encoderHiddenStates!],
          ["decoder_hidden", out.decoderHiddenStates!],
        ] as const) {
          expect(io.tensors.has(`${key}.${states.length - 1}`)).toBe(true);
          expect(io.tensors.has(`${key}.${states.length}`)).toBe(false);
          for (const [i, state] of states.entries()) {
            expect(distance(await state.data(), floats(io, `${key}.${i}`))).toBeLessThan(1e-4);
          }
        }
        const last = await out.encoderLastHiddenState.data();
        expect(distance(last, floats(io, "encoder_last_hidden_state"))).toBeLessThan(1e-4);
        memory.dispose();
      });

      const isRare = device === gpu && name !== "t5-odd"; // SwiftShader takes seconds
      it.skipIf(isRare && !isFull)("gives PyTorch's gradient of every parameter", async () => {
        const before = device.memory();
        const memory = new Scope();
        const gradients = memory.run(() => backward(model.forward(inputs.masked()).loss!));
        const expected = [...io.tensors.keys()].filter((key) => key.startsWith("grad."));
        expect(expected.length).toBe(model.parameters().size);
        for (const [parameter, weight] of model.parameters()) {
          const reference = floats(io, `grad.${parameter}`);
          const ours = await gradients.get(weight)!.data();
          expect(distance(ours, reference), parameter).toBeLessThan(2e-4 * largest(reference));
        }
        memory.dispose();
        expect(device.memory().bytes).toBe(before.bytes);
        expect(device.memory().tensors).toBe(before.tensors);
      });
    });
  }
}

describe.skipIf(!hasShared)(needsShared("16-bit checkpoints"), () => {
  it.each(["bf16", "f16"])(
    "t5-gated-%s loads as the rounded f32 weights, bit for bit",
    async (half) => {
      const folder = shared("golden", `t5-gated-${half}`);
      const file = await readSafetensors(shared("golden", `t5-gated-${half}`, "model.safetensors"));
      const model = await T5ForConditionalGeneration.fromPretrained(folder, { device: cpu });
      const full = await T5ForConditionalGeneration.fromPretrained(shared("golden", "t5-gated"), {
        device: cpu,
        dtype: half === "bf16" ? "bfloat16" : "float16",
      });
      for (const [name, weight] of model.parameters()) {
        const stored = file.tensors.get(name)!;
        const rounded = full.parameters().get(name)!;
        expect(await weight.data(), name).toEqual(
          // wo stays f32 in a float16 load, so it is rounded here.
          rounded.dtype === "f32" ? await roundTrip(rounded, half) : await rounded.data(),
        );
        expect(stored.dtype).toBe(half.toUpperCase());
      }
    },
  );
});

describe.each(["t5-gated", "t5-odd"])("bf16 weights of %s", (name) => {
  it.skipIf(!hasGolden(name))("give logits and loss within the error of bf16", async () => {
    const io = await readSafetensors(golden(name, "io.safetensors"));
    const half = await readSafetensors(golden(name, "io-bf16.safetensors"));
    const widen = (key: string) =>
      Float32Array.from(half.tensors.get(key)!.data as Uint16Array, (bits) => bfloat16(bits));
    const model = await T5ForConditionalGeneration.fromPretrained(golden(name), {
      device: cpu,
      dtype: "bfloat16",
    });
    const memory = new Scope();
    const { logits, loss } = memory.run(() =>
      model.forward({
        inputIds: rows(io, "input_ids"),
        attentionMask: rows(io, "attention_mask"),
        labels: rows(io, "labels"),
      }),
    );
    const expected = widen("logits");
    expect(distance(await logits.data(), expected)).toBeLessThan(5e-2 * largest(expected));
    const expectedLoss = widen("loss")[0]!;
    expect(Math.abs((await loss!.item()) - expectedLoss)).toBeLessThan(1e-2 * expectedLoss);
    memory.dispose();
  });
});

function bfloat16(bits: number): number {
  return new Float32Array(Uint32Array.of(bits << 16).buffer)[0]!;
}

async function roundTrip(
  x: Awaited<ReturnType<typeof T5ForConditionalGeneration.fromPretrained>>["weights"]["shared"],
  half: string,
): Promise<Float32Array> {
  const { float32ToFloat16, float16ToFloat32, float32ToBfloat16, bfloat16ToFloat32 } =
    await import("../../src/tensor/half.ts");
  const values = (await x.data()) as Float32Array;
  return values.map((value) =>
    half === "f16"
      ? float16ToFloat32(float32ToFloat16(value))
      : bfloat16ToFloat32(float32ToBfloat16(value)),
  );
}

// The TypeScript bodies of kernels that write copies in 16 bits or read them, against webgpu: launchers never call them on the cpu
// device, where casts make and widen copies.

import { afterAll, expect, it, vi } from "vitest";
import { attentionBackward } from "../../src/kernels/attention/backward.ts";
import { attentionForward } from "../../src/kernels/attention/forward.ts";
import { definedKernels } from "../../src/kernels/kernel.ts";
import { castForward } from "../../src/kernels/pointwise/cast.ts";
import { dropoutParams } from "../../src/kernels/pointwise/dropout.ts";
import { gatedGeluBackward, gatedGeluForward } from "../../src/kernels/pointwise/gatedGelu.ts";
import { rmsNormForward } from "../../src/kernels/rows/rmsNorm.ts";
import { rmsNormBackward, rmsNormBackwardWeight } from "../../src/kernels/rows/rmsNormBackward.ts";
import { rmsNormBackwardBoth } from "../../src/kernels/rows/rmsNormBackwardBoth.ts";
import type { Device, KernelTensors } from "../../src/tensor/device.ts";
import type { HalfDtype } from "../../src/tensor/dtype.ts";
import { Scope } from "../../src/tensor/scope.ts";
import { tensor, zeros, type Tensor } from "../../src/tensor/tensor.ts";
import { openWebGpu } from "../../src/tensor/webgpu/open.ts";
import { plain } from "../support/device.ts";
import { values } from "../support/random.ts";

const gpu = await openWebGpu();
afterAll(() => gpu.close());

const make = (shape: readonly number[], seed: number): Tensor =>
  tensor(
    values(
      shape.reduce((a, b) => a * b, 1),
      seed,
    ),
    shape,
    { device: gpu, dtype: "f32" },
  );

/** Calls every launcher so that it runs the kernels of `dtype`. */
function launchAll(dtype: HalfDtype): void {
  const [x, dy, rrms] = [make([5, 8], 1), make([5, 8], 2), make([5], 4)];
  for (const stored of ["f32", "bf16", "f16"] as const) {
    const weight = castForward(make([8], 3), stored);
    rmsNormForward(x, weight, 1e-6, { keepAs: dtype, keepX: stored !== "f32" });
    const kept = castForward(x, dtype);
    rmsNormBackward(kept, weight, rrms, dy);
    rmsNormBackwardBoth(kept, weight, rrms, dy, { dx: null, dweight: null });
  }
  rmsNormBackwardWeight(castForward(x, dtype), rrms, dy);
  const dropout = dropoutParams("test", { p: 0.3, seed: 7, offset: 2 });
  const gate = gatedGeluForward(x, dy, dropout, dtype).kept!;
  gatedGeluBackward(gate.a, gate.b, dy, dropout);
  const [q, k] = [make([2, 5, 16], 5), make([2, 7, 16], 6)];
  for (const roundToF16 of [false, true]) {
    const options = {
      bias: null,
      mask: null,
      causal: true,
      scale: 0.5,
      dropout,
      heads: 2,
      roundToF16,
    };
    const { kept, lse } = attentionForward(q, k, k, options, dtype);
    const saved = { ...kept!, lse, bias: null, mask: null, offsets: null };
    attentionBackward(q, saved, options, { q: true, k: true, v: true, bias: false });
  }
}

/** Tensors of a call on another device; what it writes is 0. */
async function moved(tensors: KernelTensors, written: (name: string) => boolean, device: Device) {
  const entries = Object.entries(tensors).map(async ([name, x]) => {
    if (!x) return [name, null] as const;
    const { shape, dtype } = x;
    if (written(name)) return [name, zeros(shape, { device, dtype })] as const;
    return [name, tensor(await (x as Tensor).data(), shape, { device, dtype })] as const;
  });
  return Object.fromEntries(await Promise.all(entries));
}

it.each(["bf16", "f16"] as const)("compute what webgpu does, with %s", async (dtype) => {
  const memory = new Scope();
  const dispatch = vi.spyOn(gpu, "dispatch");
  memory.run(() => launchAll(dtype));
  const calls = dispatch.mock.calls.filter(([{ name }]) => /Keeping|Kept/.test(name));
  dispatch.mockRestore();
  const name = dtype === "bf16" ? "Bf16" : "F16";
  const kernels = [...definedKernels().keys()].filter((kernel) =>
    new RegExp(`(Keeping|Kept)${name}`).test(kernel),
  );
  expect(kernels.length).toBeGreaterThan(10);
  expect(new Set(calls.map(([kernel]) => kernel.name))).toEqual(new Set(kernels));
  for (const [kernel, tensors, params, constants] of calls) {
    const written = (name: string): boolean => name in kernel.outputs;
    const [ours, exact] = await Promise.all(
      [plain, gpu].map((device) => moved(tensors, written, device)),
    );
    plain.dispatch(kernel, ours!, params, constants);
    gpu.dispatch(kernel, exact!, params, constants);
    for (const name of Object.keys(kernel.outputs)) {
      const [x, y] = [ours![name], exact![name]];
      if (!x || !y) continue;
      const [a, b] = [await x.data(), await y.data()];
      // A copy may lie on the other side of a rounding.
      const tolerance = x.dtype === "f32" ? 1e-5 : dtype === "bf16" ? 2 ** -8 : 2 ** -11;
      a.forEach((value: number, i: number) => {
        const near = tolerance * Math.max(1, Math.abs(b[i]!));
        expect(Math.abs(value - b[i]!), `${name}[${i}] of ${kernel.name}`).toBeLessThanOrEqual(
          near,
        );
      });
      expect(
        a.some((value: number) => value !== 0),
        `${name} of ${kernel.name}`,
      ).toBe(true);
    }
    for (const x of [...Object.values(ours!), ...Object.values(exact!)]) x?.dispose();
  }
  memory.dispose();
});

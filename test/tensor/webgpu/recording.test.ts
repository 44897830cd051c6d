// Kernels of the webgpu device that are recorded and given again.

import { describe, expect, it } from "vitest";
import { matmul } from "../../../src/autograd/ops/matmul.ts";
import { add, mulScalar, relu } from "../../../src/autograd/ops/pointwise.ts";
import { setDebug } from "../../../src/tensor/debug.ts";
import type { Recording } from "../../../src/tensor/device.ts";
import { scope } from "../../../src/tensor/scope.ts";
import { tensor, zeros, type Tensor } from "../../../src/tensor/tensor.ts";
import { gpu } from "../../support/gpu.ts";

/** Products with temporaries that are freed on the way. */
const layers = (x: Tensor, w: Tensor): Tensor =>
  scope(() => add(relu(matmul(mulScalar(relu(matmul(x, w)), 0.1), w)), mulScalar(x, 2)));

const SIZE = 24;
const shape = [SIZE, SIZE];
const values = (seed: number): Float32Array =>
  Float32Array.from({ length: SIZE * SIZE }, (_, i) => Math.sin(i * 7.3 + seed));
const made = (seed: number): Tensor => tensor(values(seed), shape, { device: gpu });

function recorded(work: () => void): Recording {
  const recording = gpu.record(work);
  expect(recording).not.toBeNull();
  return recording!;
}

describe("a recording on webgpu", () => {
  it("computes on new inputs what its kernels would, to the bit, whatever others do meanwhile", async () => {
    const before = gpu.memory().tensors;
    const [x, w] = [made(1), made(2)];
    let y!: Tensor;
    const recording = recorded(() => void (y = layers(x, w)));
    for (const seed of [3, 4, 5]) {
      // Of the sizes of the recording's temporaries: were they the pool's, the replay would write over this.
      const other = made(seed + 10);
      gpu.write(x.storage, "f32", values(seed));
      const dispatches = gpu.dispatches;
      expect(recording.replay()).toBe(true);
      expect(gpu.dispatches - dispatches).toBe(7);
      const again = made(seed);
      const expected = layers(again, w);
      expect(await y.data()).toEqual(await expected.data());
      expect(await other.data()).toEqual(values(seed + 10));
      for (const used of [again, expected, other]) used.dispose();
    }
    recording.dispose();
    for (const used of [x, w, y]) used.dispose();
    expect(gpu.memory().tensors).toBe(before);
  });

  it("runs in order with other work: what is recorded before a replay sees what was there before", async () => {
    const [x, w] = [made(1), made(2)];
    let y!: Tensor;
    const recording = recorded(() => void (y = mulScalar(x, 3)));
    // So that no write of x waits for anything but replays.
    await gpu.sync();
    const results: Tensor[] = [];
    for (const seed of [6, 7, 8]) {
      gpu.write(x.storage, "f32", values(seed));
      recording.replay();
      results.push(matmul(y, w));
    }
    for (const [i, seed] of [6, 7, 8].entries()) {
      const again = made(seed);
      const expected = matmul(mulScalar(again, 3), w);
      expect(await results[i]!.data()).toEqual(await expected.data());
    }
    recording.dispose();
  });

  it("clears again what it cleared", async () => {
    const x = made(1);
    let sum!: Tensor;
    const recording = recorded(() => void (sum = add(zeros(shape, { device: gpu }), x)));
    gpu.write(x.storage, "f32", values(9));
    expect(recording.replay()).toBe(true);
    expect(await sum.data()).toEqual(values(9));
    recording.dispose();
  });

  it("is refused once a tensor of others is gone, while kernels are told one by one, and after dispose", () => {
    const [x, w] = [made(1), made(2)];
    const first = recorded(() => void layers(x, w));
    setDebug(1, { write: () => undefined });
    expect(first.replay()).toBe(false);
    setDebug(0);
    expect(first.replay()).toBe(true);
    first.dispose();
    expect(first.replay()).toBe(false);
    const second = recorded(() => void layers(x, w));
    w.dispose();
    expect(second.replay()).toBe(false);
    second.dispose();
    x.dispose();
  });

  it("is not made of work that writes from the host", () => {
    expect(gpu.record(() => void made(1))).toBeNull();
  });
});

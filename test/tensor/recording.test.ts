// Kernels of the cpu device that are recorded and run again.

import { afterAll, describe, expect, it, vi } from "vitest";
import { embedding } from "../../src/autograd/ops/embedding.ts";
import { matmul } from "../../src/autograd/ops/matmul.ts";
import { add, mulScalar, relu } from "../../src/autograd/ops/pointwise.ts";
import { openDevice } from "../../src/kernels/openDevice.ts";
import { setDebug } from "../../src/tensor/debug.ts";
import type { Device, Recording } from "../../src/tensor/device.ts";
import { scope } from "../../src/tensor/scope.ts";
import { full, tensor, zeros, type Tensor } from "../../src/tensor/tensor.ts";

const opened: Device[] = [];
afterAll(async () => {
  for (const device of opened) await device.close();
});

async function open(options: Parameters<typeof openDevice>[1]): Promise<Device> {
  const device = await openDevice("cpu", options);
  opened.push(device);
  return device;
}

/** A product large enough for threads, with temporaries that are freed on the way. */
const layers = (x: Tensor, w: Tensor): Tensor =>
  scope(() => add(relu(matmul(mulScalar(relu(matmul(x, w)), 0.1), w)), mulScalar(x, 2)));

const SIZE = 160;
const values = (seed: number, size = SIZE * SIZE): Float32Array =>
  Float32Array.from({ length: size }, (_, i) => Math.sin(i * 7.3 + seed));

function recorded(device: Device, work: () => void): Recording {
  const recording = device.record!(work);
  expect(recording).not.toBeNull();
  return recording!;
}

describe.each([
  ["one thread", { threads: 1 }],
  ["two threads", { threads: 2 }],
  ["threads in the background", { threads: 2, background: true }],
])("a recording on %s", (_name, options) => {
  it("computes on new inputs what its kernels would, to the bit", async () => {
    const device = await open(options);
    const shape = [SIZE, SIZE];
    const [x, w] = [tensor(values(1), shape, { device }), tensor(values(2), shape, { device })];
    let y!: Tensor;
    const recording = recorded(device, () => void (y = layers(x, w)));
    for (const seed of [3, 4, 5]) {
      device.write(x.storage, "f32", values(seed));
      const dispatches = device.dispatches;
      expect(recording.replay()).toBe(true);
      expect(device.dispatches - dispatches).toBe(7);
      const again = tensor(values(seed), shape, { device });
      const expected = layers(again, w);
      expect(await y.data()).toEqual(await expected.data());
      for (const used of [again, expected]) used.dispose();
    }
    recording.dispose();
    for (const used of [x, w, y]) used.dispose();
  });

  it("lets nobody else have its memory, and gives all of it back", async () => {
    const device = await open(options);
    const before = device.memory().bytes;
    const x = tensor(values(1), [SIZE, SIZE], { device });
    let y!: Tensor;
    const recording = recorded(device, () => void (y = layers(x, x)));
    expect(recording.replay()).toBe(true);
    const result = await y.data();
    // Whoever asks for memory now gets other memory than the recording's temporaries, which a replay writes to.
    const others = Array.from({ length: 8 }, () => full([SIZE, SIZE], 7, { device }));
    expect(recording.replay()).toBe(true);
    expect(await y.data()).toEqual(result);
    for (const other of others) {
      expect((await other.data()).every((value) => value === 7)).toBe(true);
      other.dispose();
    }
    recording.dispose();
    expect(await y.data()).toEqual(result);
    expect(recording.replay()).toBe(false);
    for (const used of [x, y]) used.dispose();
    await device.sync();
    expect(device.memory().bytes).toBe(before);
  });

  it("refuses to run when a tensor that it reads is gone, and while kernels are told one by one", async () => {
    const device = await open(options);
    const x = tensor(values(1), [SIZE, SIZE], { device });
    let y!: Tensor;
    const recording = recorded(device, () => void (y = relu(x)));
    setDebug(1, { write: () => undefined });
    expect(recording.replay()).toBe(false);
    setDebug(0);
    expect(recording.replay()).toBe(true);
    x.dispose();
    expect(recording.replay()).toBe(false);
    recording.dispose();
    y.dispose();
  });

  it("is none where something else than kernels took part", async () => {
    const device = await open(options);
    const x = tensor(values(1), [SIZE, SIZE], { device });
    const before = device.memory().bytes;
    expect(device.record!(() => tensor([1], [1], { device }).dispose())).toBeNull();
    expect(device.record!(() => zeros([4], { device }).dispose())).toBeNull();
    const wide = tensor(new Float64Array(4), [4], { device });
    expect(device.record!(() => relu(wide).dispose())).toBeNull();
    const failed = (): void => {
      mulScalar(x, 2).dispose();
      throw new Error("on the way");
    };
    expect(() => device.record!(failed)).toThrow("on the way");
    wide.dispose();
    expect(device.memory().bytes).toBe(before);
    x.dispose();
  });
});

describe("a recording", () => {
  it("checks ids at every replay, as the call itself does", async () => {
    const device = await open({ threads: 1 });
    const table = tensor(values(1, 40), [10, 4], { device });
    const ids = tensor(Int32Array.of(1, 2), [2], { device });
    let y!: Tensor;
    const recording = recorded(device, () => void (y = embedding(table, ids)));
    device.write(ids.storage, "i32", Int32Array.of(9, 10));
    expect(() => recording.replay()).toThrow(/10/);
    recording.dispose();
    for (const used of [table, ids, y]) used.dispose();
  });

  it("lets threads take calls together of which none needs another, and no others", async () => {
    const device = await open({ threads: 2 });
    const weights = [1, 2, 3].map((seed) => tensor(values(seed), [SIZE, SIZE], { device }));
    const x = tensor(values(4), [SIZE, SIZE], { device });
    let results: Tensor[] = [];
    /** How often the threads are called in a replay, whose results are those of the calls one by one. */
    const calls = async (work: () => Tensor[]): Promise<number> => {
      const recording = recorded(device, () => void (results = scope(work)));
      const expected = await Promise.all(results.map((y) => y.data()));
      for (const y of results) device.fillZero(y.storage);
      const notified = vi.spyOn(Atomics, "notify");
      expect(recording.replay()).toBe(true);
      // The first word counts chunks that nobody has claimed.
      const count = notified.mock.calls.filter(([, word]) => word === 0).length;
      notified.mockRestore();
      expect(await Promise.all(results.map((y) => y.data()))).toEqual(expected);
      recording.dispose();
      for (const y of results) y.dispose();
      return count;
    };
    expect(await calls(() => weights.map((w) => matmul(x, w)))).toBe(1);
    expect(
      await calls(() => [matmul(matmul(matmul(x, weights[0]!), weights[1]!), weights[2]!)]),
    ).toBe(3);
    // The first product is freed, so that the third is written to its place while the second reads it, were they run together.
    const freed = (): Tensor[] => {
      const first = matmul(x, weights[0]!);
      const second = matmul(first, weights[1]!);
      first.dispose();
      return [second, matmul(x, weights[2]!)];
    };
    expect(await calls(freed)).toBe(3);
    // More than threads take at a time.
    expect(await calls(() => [...weights, ...weights].map((w) => matmul(w, x)))).toBe(2);
    for (const used of [...weights, x]) used.dispose();
  });

  it("is not run on a closed device", async () => {
    const device = await openDevice("cpu", { threads: 1 });
    const x = tensor([1, 2], [2], { device });
    const recording = recorded(device, () => void relu(x));
    await device.close();
    expect(recording.replay()).toBe(false);
  });
});

import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { backward } from "../../src/autograd/backward.ts";
import { embedding } from "../../src/autograd/ops/embedding.ts";
import { matmul } from "../../src/autograd/ops/matmul.ts";
import { add, mul } from "../../src/autograd/ops/pointwise.ts";
import { sum } from "../../src/autograd/ops/reduce.ts";
import { ShapeError } from "../../src/tensor/errors.ts";
import { Scope } from "../../src/tensor/scope.ts";
import { full, tensor, Tensor } from "../../src/tensor/tensor.ts";
import { cpu } from "../support/device.ts";

describe("backward into tensors that exist", () => {
  let memory: Scope;
  beforeEach(() => (memory = new Scope()));
  afterEach(() => memory.dispose());

  const leaf = (values: number[], shape: number[]) =>
    tensor(values, shape, { device: cpu, requiresGrad: true });

  it("adds, whether the rule adds by itself or the tape does", async () => {
    const { loss, w, table, bias } = memory.run(() => {
      const w = leaf([1, 2, 3, 4], [2, 2]);
      const table = leaf([1, 1, 2, 2], [2, 2]);
      const bias = leaf([5, 6], [2]);
      const ids = tensor([1, 1], [2], { device: cpu, dtype: "i32" });
      return { loss: sum(add(matmul(embedding(table, ids), w), bias)), w, table, bias };
    });
    const into = memory.run(
      () => new Map([w, table, bias].map((x) => [x, full(x.shape, 100, { device: cpu })])),
    );
    const gradients = memory.run(() => backward(loss, undefined, undefined, into));
    for (const x of [w, table, bias]) expect(gradients.get(x)).toBe(into.get(x));
    expect(await gradients.get(w)!.data()).toEqual(Float32Array.of(104, 104, 104, 104));
    expect(await gradients.get(table)!.data()).toEqual(Float32Array.of(100, 100, 106, 114));
    expect(await gradients.get(bias)!.data()).toEqual(Float32Array.of(102, 102));
  });

  it("leaves out what the output does not depend on", () => {
    const [x, unused] = memory.run(() => [leaf([3], [1]), leaf([4], [1])]);
    const into = memory.run(
      () => new Map([x!, unused!].map((p) => [p, full([1], 0, { device: cpu })])),
    );
    const gradients = memory.run(() => backward(sum(mul(x!, x!)), undefined, undefined, into));
    expect([...gradients.keys()]).toEqual([x]);
  });

  it("overwrites nothing that two leaves share", async () => {
    const [a, b] = memory.run(() => [leaf([1], [1]), leaf([2], [1])]);
    const run = (into?: ReadonlyMap<Tensor, Tensor>) =>
      memory.run(() => backward(sum(add(a!, b!)), undefined, undefined, into));
    const once = run();
    expect(once.get(a!)!.storage).toBe(once.get(b!)!.storage);
    const twice = run(once);
    expect(await twice.get(a!)!.item()).toBe(2);
    expect(await twice.get(b!)!.item()).toBe(2);
  });

  it("lets no rule add to a gradient that another leaf shares", async () => {
    const [x, w, a] = memory.run(() => [5, 2, 3].map((value) => leaf([value], [1, 1])));
    // Backward meets `add` first: w and a get one tensor. Then matmul's rule adds to what w has.
    const gradients = memory.run(() => {
      const product = matmul(x!, w!);
      return backward(sum(add(product, add(w!, a!))));
    });
    expect(await gradients.get(w!)!.item()).toBe(6);
    expect(await gradients.get(a!)!.item()).toBe(1);
    expect(await gradients.get(x!)!.item()).toBe(2);
  });

  it("refuses a tensor of another shape", () => {
    const x = memory.run(() => leaf([1, 2], [2]));
    const into = memory.run(() => new Map([[x, full([3], 0, { device: cpu })]]));
    expect(() => memory.run(() => backward(sum(x), undefined, undefined, into))).toThrow(
      ShapeError,
    );
  });
});

describe("slices of a storage", () => {
  it("see their bytes and keep the whole alive until the last is gone", async () => {
    const before = cpu.memory().bytes;
    const whole = tensor(
      Float32Array.from({ length: 128 }, (_, i) => i),
      [128],
      { device: cpu },
    );
    const half = whole.storage.slice(256, 256);
    const view = new Tensor(half, [64], "f32", cpu);
    whole.dispose();
    expect(cpu.memory().bytes).toBe(before + 512);
    expect((await view.data())[0]).toBe(64);
    expect(view.storage.shared).toBe(false);
    view.dispose();
    expect(cpu.memory().bytes).toBe(before);
  });

  it("must begin at an aligned byte and end inside", () => {
    const whole = full([128], 0, { device: cpu });
    expect(() => whole.storage.slice(4, 4)).toThrow("no slice of 4 bytes at 4 of 512");
    expect(() => whole.storage.slice(256, 512)).toThrow("no slice");
    whole.dispose();
  });
});

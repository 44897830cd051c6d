// Tensors by rule, and their way back into arrays.

import { describe, expect, it } from "vitest";
import {
  arange,
  Generator,
  ones,
  openDevice,
  rand,
  randn,
  Scope,
  tensor,
  type Tensor,
} from "../../src/index.ts";
import { cpu, plain } from "../support/device.ts";
import { gpu } from "../support/gpu.ts";

const devices = [
  ["wasm", cpu],
  ["plain", plain],
  ["webgpu", gpu],
] as const;

const listOf = async (x: Tensor): Promise<number[]> => Array.from(await x.data());

describe.each(devices)("on %s", (_, device) => {
  it("ones are ones, of every dtype", async () => {
    for (const dtype of ["f32", "f16", "bf16", "i32", "u32", "bool"] as const) {
      const x = ones([2, 2], { device, dtype });
      expect(x.dtype).toBe(dtype);
      expect(await listOf(x)).toEqual([1, 1, 1, 1]);
    }
    expect(ones([1], { device, requiresGrad: true }).requiresGrad).toBe(true);
  });

  it("random numbers are the same on every device, and others at the next call", async () => {
    const [one, other] = [new Generator(5), new Generator(5)];
    for (const draw of [rand, randn]) {
      const x = await listOf(draw([3, 5], { device, generator: one }));
      expect(x).toEqual(await listOf(draw([3, 5], { device: plain, generator: other })));
      expect(x).not.toEqual(await listOf(draw([3, 5], { device, generator: one })));
      other.next();
    }
    expect(one.offset).toBe(4);
  });

  it("array() nests what tensor() flattened", async () => {
    const nested = [[[1, 2, 3]], [[4, 5, 6]]];
    expect(await tensor(nested, undefined, { device }).array()).toEqual(nested);
    expect(await tensor(7, [], { device }).array<number>()).toBe(7);
    expect(await tensor([], [2, 0], { device }).array()).toEqual([[], []]);
    const flags = tensor([true, false], [2], { device, dtype: "bool" });
    expect(await flags.array<boolean[]>()).toEqual([true, false]);
  });
});

describe("arange", () => {
  const list = (...args: number[]): Promise<number[]> => {
    const [a, b, c] = args as [number, number, number];
    const options = { device: cpu };
    if (args.length === 1) return listOf(arange(a, options));
    return listOf(args.length === 2 ? arange(a, b, options) : arange(a, b, c, options));
  };

  it("counts as torch.arange does", async () => {
    expect(await list(4)).toEqual([0, 1, 2, 3]);
    expect(await list(2, 5)).toEqual([2, 3, 4]);
    expect(await list(5, 0, -2)).toEqual([5, 3, 1]);
    expect(await list(0, 1, 0.25)).toEqual([0, 0.25, 0.5, 0.75]);
    expect(await list(1, 2.5, 0.5)).toEqual([1, 1.5, 2]);
    expect(await list(3, 3)).toEqual([]);
    expect(await list(3, 1)).toEqual([]);
  });

  it("is i32 for whole numbers, else f32, unless dtype says so", () => {
    expect(arange(3, { device: cpu }).dtype).toBe("i32");
    expect(arange(0, 1, 0.5, { device: cpu }).dtype).toBe("f32");
    expect(arange(3, { device: cpu, dtype: "f32" }).dtype).toBe("f32");
  });

  it("refuses a row without end", () => {
    expect(() => arange(0, 1, 0, { device: cpu })).toThrowErrorMatchingInlineSnapshot(
      `[ArgumentError: arange: start, end and step must be finite and step not 0, got 0, 1, 0]`,
    );
    expect(() => arange(Infinity, { device: cpu })).toThrow(/^arange: .* got 0, Infinity, 1/);
  });
});

describe("random numbers", () => {
  it("are spread as their names say", async () => {
    const generator = new Generator(1);
    const moments = (x: readonly number[]) => {
      const mean = x.reduce((sum, value) => sum + value, 0) / x.length;
      return [mean, x.reduce((sum, value) => sum + (value - mean) ** 2, 0) / x.length] as const;
    };
    const uniform = await listOf(rand([100, 100], { device: cpu, generator }));
    expect(Math.min(...uniform)).toBeGreaterThanOrEqual(0);
    expect(Math.max(...uniform)).toBeLessThan(1);
    expect(moments(uniform)[0]).toBeCloseTo(0.5, 1);
    expect(moments(uniform)[1]).toBeCloseTo(1 / 12, 2);
    const [mean, variance] = moments(await listOf(randn([100, 100], { device: cpu, generator })));
    expect(Math.abs(mean)).toBeLessThan(0.05);
    expect(variance).toBeCloseTo(1, 1);
  });

  it("need a generator and a floating-point dtype", () => {
    const generator = new Generator(1);
    expect(() => randn([2], { device: cpu, generator, dtype: "i32" })).toThrow(
      "randn: dtype must be floating-point, got i32",
    );
    expect(() => rand([2], { device: cpu } as never)).toThrow(
      "rand: needs a generator. Pass { generator: new Generator(seed) }.",
    );
    expect(() => rand([-2], { device: cpu, generator })).toThrow(/^rand: every dimension/);
  });
});

describe("using", () => {
  it("disposes of tensors and scopes, and closes devices", async () => {
    const device = await openDevice("cpu");
    const x = ones([2], { device });
    const memory = new Scope();
    const y = memory.run(() => ones([2], { device }));
    x[Symbol.dispose]();
    memory[Symbol.dispose]();
    expect([x.disposed, y.disposed]).toEqual([true, true]);
    await device[Symbol.asyncDispose]();
    expect(() => ones([2], { device })).toThrow("the device was closed");
  });
});

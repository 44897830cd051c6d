import { readFile } from "node:fs/promises";
import fc from "fast-check";
import { describe, expect, it, vi } from "vitest";
import {
  adamwInPlace as adamwStep,
  type AdamWSettings,
} from "../../src/kernels/optimizer/adamw.ts";
import type { Device } from "../../src/tensor/device.ts";
import { DtypeError, ShapeError } from "../../src/tensor/errors.ts";
import {
  bfloat16ToFloat32,
  float16ToFloat32,
  float32ToBfloat16,
  float32ToFloat16,
} from "../../src/tensor/half.ts";
import { tensor, zeros, type Tensor } from "../../src/tensor/tensor.ts";
import { AdamW, decays } from "../../src/optim/adamw.ts";
import { planPacks } from "../../src/optim/pack.ts";
import { scheduleFactor } from "../../src/optim/schedule.ts";
import { adamw as reference } from "../reference/adamw.ts";
import { distance } from "../support/describeOp.ts";
import { cpu, plain } from "../support/device.ts";
import { gpu } from "../support/gpu.ts";
import { seed, values } from "../support/random.ts";
import { hasShared, needsShared, shared } from "../support/shared.ts";

type Dtype = "f32" | "f64" | "bf16" | "f16";

const settings: AdamWSettings = {
  learningRate: 0.01,
  beta1: 0.9,
  beta2: 0.999,
  eps: 1e-8,
  weightDecay: 0.1,
  step: 1,
};

/** Parameters after some steps with the given gradients, one list a step. */
async function run(
  device: Device,
  dtype: Dtype,
  start: ArrayLike<number>,
  gradients: readonly ArrayLike<number>[],
  change: Partial<AdamWSettings> = {},
  clip: number | null = null,
): Promise<number[]> {
  const shape = [start.length];
  const float = dtype === "f64" ? "f64" : "f32";
  const p = tensor(start, shape, { device, dtype });
  const m = zeros(shape, { device, dtype });
  const v = zeros(shape, { device, dtype });
  const scale = clip === null ? null : tensor([clip], [1], { device, dtype: float });
  for (const [i, values] of gradients.entries()) {
    const gradient = tensor(values, shape, { device, dtype: float });
    adamwStep({ p, m, v, gradient, scale }, { ...settings, ...change, step: i + 1 });
    gradient.dispose();
  }
  const result = [...(await p.data())];
  for (const x of [p, m, v, scale]) x?.dispose();
  return result;
}

const sizes = fc.constantFrom(1, 2, 3, 4, 5, 7, 8, 9, 31, 64, 67);

describe("the AdamW kernel", () => {
  it.each([
    ["plain f64", plain, "f64", 1e-12],
    ["plain f32", plain, "f32", 2e-6],
    ["WebAssembly f32", cpu, "f32", 2e-6],
  ] as const)("equals the formula (%s)", (_, device, dtype, tolerance) =>
    fc.assert(
      fc.asyncProperty(sizes, seed, fc.constantFrom(0, 0.1), async (size, seed, weightDecay) => {
        const start = values(size, seed);
        const gradients = [1, 2, 3].map((i) => values(size, seed + i, 0.3));
        const actual = await run(device, dtype, start, gradients, { weightDecay });
        const rates = gradients.map(() => settings.learningRate);
        const expected = [...start].map((p, i) =>
          reference(
            p,
            gradients.map((g) => g[i]!),
            rates,
            { weightDecay },
          ),
        );
        expect(distance(actual, expected)).toBeLessThan(tolerance);
      }),
      { numRuns: 20, seed: 7 },
    ),
  );

  it.each(["learningRate", "beta1", "beta2", "eps", "weightDecay"] as const)(
    "depends on %s",
    async (name) => {
      const other = { learningRate: 0.02, beta1: 0.5, beta2: 0.9, eps: 0.1, weightDecay: 0.3 };
      const start = [1, -2, 3, 0.5, 4];
      const gradients = [0.3, -0.2].map((g) => start.map((p) => g * p));
      const change = { [name]: other[name] };
      const actual = await run(cpu, "f32", start, gradients, change);
      const { learningRate, ...rest } = { ...settings, ...change };
      const expected = start.map((p, i) =>
        reference(
          p,
          gradients.map((g) => g[i]!),
          [learningRate, learningRate],
          rest,
        ),
      );
      expect(distance(actual, expected)).toBeLessThan(1e-6);
      expect(distance(actual, await run(cpu, "f32", start, gradients))).toBeGreaterThan(1e-5);
    },
  );

  it.each([
    ["plain", plain],
    ["WebAssembly", cpu],
  ])("multiplies gradients by the scale (%s)", async (_, device) => {
    const start = values(9, 1);
    const gradient = values(9, 2);
    const clipped = await run(device, "f32", start, [gradient], { eps: 1 }, 0.25);
    const small = await run(device, "f32", start, [gradient.map((g) => g / 4)], { eps: 1 });
    expect(distance(clipped, small)).toBeLessThan(1e-7);
    expect(
      distance(clipped, await run(device, "f32", start, [gradient], { eps: 1 })),
    ).toBeGreaterThan(1e-4);
  });

  it.each(["bf16", "f16"] as const)(
    "rounds %s parameters and moments once a step",
    async (dtype) => {
      const start = values(13, 3);
      const gradients = [4, 5, 6].map((i) => values(13, i, 0.3));
      const wide = await run(plain, "f32", start, gradients.slice(0, 1));
      const once = await run(plain, dtype, start, gradients.slice(0, 1), {});
      // The start is rounded, then the result: two roundings of at most half a unit each.
      const unit = dtype === "bf16" ? 2 ** -8 : 2 ** -11;
      once.forEach((p, i) =>
        expect(Math.abs(p - wide[i]!)).toBeLessThanOrEqual(2 * unit * Math.abs(wide[i]!)),
      );
    },
  );

  it.each([
    ["bf16", (p: number) => bfloat16ToFloat32(float32ToBfloat16(p))],
    ["f16", (p: number) => float16ToFloat32(float32ToFloat16(p))],
  ] as const)("gives the same %s words in WebAssembly as in TypeScript", async (dtype, round) => {
    const start = values(67, 8);
    const gradients = Array.from({ length: 5 }, (_, i) => values(67, 20 + i, 0.3));
    const ours = await run(cpu, dtype, start, gradients);
    const expected = await run(plain, dtype, start, gradients);
    // f32 and f64 arithmetic may round one value in thousands to the other neighbour.
    const wrong = ours.filter((p, i) => p !== expected[i]);
    expect(wrong.length).toBeLessThanOrEqual(1);
    for (const p of ours) expect(round(p)).toBe(p);
  });

  it("leaves a large bf16 weight where it is when the step is below half its unit", async () => {
    // docs/guide/hugging-face-semantics.md 2.3: why the notebook's pure bf16 training moves only small weights
    expect(
      await run(cpu, "bf16", [1, 1e-4], [[1, 1]], { learningRate: 4.95e-5, weightDecay: 0 }),
    ).toEqual([
      1,
      bfloat16ToFloat32(float32ToBfloat16(bfloat16ToFloat32(float32ToBfloat16(1e-4)) - 4.95e-5)),
    ]);
  });

  it("keeps NaN", async () => {
    for (const [device, dtype] of [
      [cpu, "f32"],
      [cpu, "bf16"],
      [cpu, "f16"],
      [plain, "bf16"],
    ] as const) {
      const result = await run(device, dtype, [1, 1, 1, 1, 1], [[1, NaN, 1, 1, NaN]]);
      expect(result.map(Number.isNaN)).toEqual([false, true, false, false, true]);
    }
  });

  it("refuses tensors that do not belong together", () => {
    const make = (shape: number[], dtype: "f32" | "bf16" | "i32") =>
      zeros(shape, { device: cpu, dtype });
    const p = make([2], "f32");
    const same = { p, m: make([2], "f32"), v: make([2], "f32"), scale: null };
    expect(() => adamwStep({ ...same, gradient: make([3], "f32") }, settings)).toThrow(ShapeError);
    expect(() => adamwStep({ ...same, gradient: make([2], "bf16") }, settings)).toThrow(DtypeError);
    const whole = make([2], "i32");
    expect(() => adamwStep({ ...same, p: whole, gradient: p }, settings)).toThrow(DtypeError);
  });
});

describe("AdamW", () => {
  it("exempts norms and biases from decay by name", () => {
    const decayed = [
      "shared.weight",
      "lm_head.weight",
      "encoder.block.0.layer.0.SelfAttention.q.weight",
      "abnormal.weight",
    ];
    const exempt = [
      "encoder.block.0.layer.0.layer_norm.weight",
      "decoder.final_layer_norm.weight",
      "encoder.block.0.layer.0.SelfAttention.relative_attention_bias.weight",
      "dense.bias",
      "LayerNorm.weight",
      "model.norm.weight",
      "rmsnorm.weight",
    ];
    expect(decayed.filter(decays)).toEqual(decayed);
    expect(exempt.filter(decays)).toEqual([]);
  });

  it("leaves alone what is frozen or has no gradient, and frees its moments", async () => {
    const before = cpu.memory();
    const make = (requiresGrad: boolean) => tensor([1, 1], [2], { device: cpu, requiresGrad });
    const [trained, frozen, unused] = [make(true), make(false), make(true)];
    const optimizer = new AdamW(
      new Map([
        ["a", trained],
        ["b", frozen],
        ["c", unused],
      ]),
      { weightDecay: 0.5 },
    );
    expect([...optimizer.state().keys()]).toEqual([
      "a.exp_avg",
      "a.exp_avg_sq",
      "c.exp_avg",
      "c.exp_avg_sq",
    ]);
    const gradient = tensor([1, 2], [2], { device: cpu });
    optimizer.step(new Map([[trained, gradient]]), 0.1, null);
    expect(optimizer.steps).toBe(1);
    expect(await frozen.data()).toEqual(Float32Array.of(1, 1));
    expect(await unused.data()).toEqual(Float32Array.of(1, 1));
    expect(distance(await trained.data(), [0.85, 0.85])).toBeLessThan(1e-6);
    optimizer.dispose();
    for (const x of [trained, frozen, unused, gradient]) x.dispose();
    expect(cpu.memory().bytes).toBe(before.bytes);
  });
});

describe("packed parameters", () => {
  const sizes = {
    ...{ "a.weight": 300, "b.weight": 8, "norm.weight": 12, "c.weight": 132 },
    "odd.weight": 5,
  };
  const make = (device: Device) =>
    new Map(
      Object.entries(sizes).map(([name, size], i) => [
        name,
        tensor(Float32Array.from(values(size, i)), [size], { device, requiresGrad: true }),
      ]),
    );
  /** Three updates; from the second on b has no gradient. */
  async function train(device: Device) {
    const parameters = make(device);
    const before = device.dispatches;
    const optimizer = new AdamW(parameters, { weightDecay: 0.1 });
    const atStart = device.dispatches;
    for (let step = 0; step < 3; step++) {
      const gradients = optimizer.zeroGrad();
      for (const [name, p] of parameters) {
        if (step > 0 && name.startsWith("b")) continue;
        const gradient = tensor(Float32Array.from(values(p.size, 10 + step)), [p.size], { device });
        gradients.add(new Map([[p, gradient]]));
      }
      optimizer.step(gradients, 0.1);
      gradients.dispose();
    }
    const read = (x: Tensor) => x.data();
    const result = {
      parameters: await Promise.all([...parameters.values()].map(read)),
      state: await Promise.all([...optimizer.state().values()].map(read)),
      names: [...optimizer.state().keys()].sort(),
      dispatches: device.dispatches - atStart,
      moves: atStart - before,
    };
    optimizer.dispose();
    for (const p of parameters.values()) p.dispose();
    return result;
  }

  it("are updated as they would be one by one", async () => {
    const [packed, single] = [await train(gpu), await train(cpu)];
    expect(packed.names).toEqual(single.names);
    for (const kind of ["parameters", "state"] as const) {
      single[kind].forEach((expected, i) =>
        expect(distance(packed[kind][i]!, expected)).toBeLessThan(1e-6),
      );
    }
    expect(packed.moves).toBe(5);
  });

  it("take one dispatch for each run of them", async () => {
    const { dispatches } = await train(gpu);
    const additions = 5 + 4 + 4;
    // The weights that decay, the odd one, the norm; without b, a and c lie apart.
    expect(dispatches - additions).toBe(3 + 4 + 4);
  });

  it("are split where a storage would grow too large", async () => {
    const limit = vi.spyOn(gpu, "packBytes", "get").mockReturnValue(2048);
    try {
      const parameters = make(gpu);
      const packs = planPacks(parameters);
      expect(packs.map(({ entries }) => entries.map(({ name }) => name))).toEqual([
        ["a.weight", "b.weight"],
        ["norm.weight", "c.weight"],
        ["odd.weight"],
      ]);
      for (const p of parameters.values()) p.dispose();
    } finally {
      limit.mockRestore();
    }
  });
});

interface Golden {
  readonly betas: [number, number];
  readonly eps: number;
  readonly lr: number;
  readonly warmup: number;
  readonly total: number;
  readonly max_grad_norm: number;
  readonly params0: number[][];
  readonly steps: { lr: number; grads: number[][]; grad_norm: number; params: number[][] }[];
}

describe.skipIf(!hasShared)(needsShared("golden/adamw.json"), () => {
  it.each([
    ["plain", plain],
    ["WebAssembly", cpu],
    ["webgpu, packed", gpu],
  ])("clip, AdamW and schedule give PyTorch's parameters (%s)", async (_, device) => {
    const golden = JSON.parse(await readFile(shared("golden", "adamw.json"), "utf8")) as Golden;
    const make = (x: number[], requiresGrad = true): Tensor =>
      tensor(x, [x.length], { device, requiresGrad });
    const parameters = golden.params0.map((x) => make(x));
    // The first group decays by 0.01, the second one is exempt.
    const named = new Map([
      ["dense.weight", parameters[0]!],
      ["dense.bias", parameters[1]!],
    ]);
    const optimizer = new AdamW(named, { betas: golden.betas, eps: golden.eps, weightDecay: 0.01 });
    const schedule = {
      type: "linear",
      warmupSteps: golden.warmup,
      totalSteps: golden.total,
    } as const;
    for (const [i, step] of golden.steps.entries()) {
      const rate = golden.lr * scheduleFactor(schedule, i);
      expect(Math.abs(rate - step.lr)).toBeLessThanOrEqual(1e-12);
      const gradients = optimizer.zeroGrad();
      gradients.add(new Map(parameters.map((p, k) => [p, make(step.grads[k]!, false)])));
      const { norm } = gradients.clip(golden.max_grad_norm);
      expect(Math.abs((await norm.item()) / step.grad_norm - 1)).toBeLessThan(1e-5);
      optimizer.step(gradients, rate);
      gradients.dispose();
      for (const [k, p] of parameters.entries()) {
        const actual = await p.data();
        step.params[k]!.forEach((expected, j) =>
          expect(Math.abs(actual[j]! / expected - 1), `step ${i}`).toBeLessThan(1e-5),
        );
      }
    }
    optimizer.dispose();
  });
});

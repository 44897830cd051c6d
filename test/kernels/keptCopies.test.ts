// Copies in 16 bits that kernels write beside their results, and kernels that read them: on every device the bits of a cast, and of
// the kernel of f32 on what the copies hold.

import { afterAll, describe, expect, it } from "vitest";
import { attentionBackward } from "../../src/kernels/attention/backward.ts";
import { attentionForward } from "../../src/kernels/attention/forward.ts";
import type { AttentionOptions } from "../../src/kernels/attention/options.ts";
import { castForward } from "../../src/kernels/pointwise/cast.ts";
import { dropoutParams } from "../../src/kernels/pointwise/dropout.ts";
import { gatedGeluBackward, gatedGeluForward } from "../../src/kernels/pointwise/gatedGelu.ts";
import { rmsNormForward } from "../../src/kernels/rows/rmsNorm.ts";
import { rmsNormBackward, rmsNormBackwardWeight } from "../../src/kernels/rows/rmsNormBackward.ts";
import { rmsNormBackwardBoth } from "../../src/kernels/rows/rmsNormBackwardBoth.ts";
import type { Device } from "../../src/tensor/device.ts";
import type { HalfDtype } from "../../src/tensor/dtype.ts";
import { Scope } from "../../src/tensor/scope.ts";
import { tensor, type Tensor } from "../../src/tensor/tensor.ts";
import { openWebGpu } from "../../src/tensor/webgpu/open.ts";
import { WebGpuDevice } from "../../src/tensor/webgpu/webgpuDevice.ts";
import { cpu, plain } from "../support/device.ts";
import { isFull } from "../support/full.ts";
import { values } from "../support/random.ts";

const gpus = [await openWebGpu({ software: false }), await openWebGpu({ software: true })];
afterAll(() => Promise.all(gpus.map((device) => device.close())));

const HALFS = ["bf16", "f16"] as const;
const devices: readonly (readonly [string, Device])[] = [
  ["plain", plain],
  ["wasm", cpu],
  ["webgpu, as on GPUs", gpus[0]!],
  ["webgpu, a CPU playing", gpus[1]!],
];

type Tensors = Readonly<Record<string, Tensor | null>>;

/** What both give, element by element the same numbers. */
async function expectSame(make: () => { found: Tensors; expected: Tensors }, about: string) {
  const memory = new Scope();
  try {
    const { found, expected } = memory.run(make);
    expect(Object.keys(found).sort(), about).toEqual(Object.keys(expected).sort());
    for (const [name, x] of Object.entries(found)) {
      const [ours, exact] = [x, expected[name]!];
      if (ours === null || exact === null) {
        expect(ours, `${name} of ${about}`).toBe(exact);
        continue;
      }
      expect([ours.dtype, ours.shape], `${name} of ${about}`).toEqual([exact.dtype, exact.shape]);
      const [a, b] = [await ours.data(), await exact.data()];
      const at = a.findIndex((value: number, i: number) => !Object.is(value, b[i]));
      expect(at, `${name} of ${about}: ${a[at]} instead of ${b[at]}`).toBe(-1);
    }
  } finally {
    memory.dispose();
  }
}

const make = (device: Device, shape: readonly number[], seed: number, scale = 1): Tensor =>
  tensor(
    values(
      shape.reduce((a, b) => a * b, 1),
      seed,
      scale,
    ),
    shape,
    { device, dtype: "f32" },
  );
const wide = (x: Tensor): Tensor => castForward(x, "f32");

describe.each(devices)("an RMS norm that keeps copies, %s", (_title, device) => {
  const sizes = (isFull ? [1, 4, 6, 33, 260, 1028] : [4, 33, 1028]).flatMap((cols) =>
    [1, 37].map((rows) => ({ rows, cols })),
  );
  const cases = sizes.flatMap((size, i) =>
    HALFS.map((keepAs, j) => ({
      ...{ ...size, keepAs, keepX: (i + j) % 3 !== 0 },
      stored: (["f32", "bf16", "f16"] as const)[(i + j) % 3]!,
    })),
  );

  it("writes the result and the copies that casts of it would be", async () => {
    for (const c of cases) {
      await expectSame(() => {
        const x = make(device, [c.rows, c.cols], 1, 3);
        const weight = castForward(make(device, [c.cols], 2), c.stored);
        const { keptX, keptY, y, rrms } = rmsNormForward(x, weight, 1e-6, c);
        const alone = rmsNormForward(x, weight, 1e-6);
        expect([alone.keptX, alone.keptY]).toEqual([null, null]);
        return {
          found: { y, rrms, keptX, keptY },
          expected: {
            ...{ y: alone.y, rrms: alone.rrms },
            keptX: c.keepX ? castForward(x, "bf16") : null,
            keptY: castForward(alone.y, c.keepAs),
          },
        };
      }, JSON.stringify(c));
    }
  });

  it.each(HALFS)("has the gradients of the x that is kept in %s", async (dtype) => {
    for (const { rows, cols, stored } of cases) {
      await expectSame(() => {
        const x = castForward(make(device, [rows, cols], 1, 3), dtype);
        const weight = castForward(make(device, [cols], 2), stored);
        const dy = make(device, [rows, cols], 3);
        const rrms = make(device, [rows], 4);
        const gradients = (x: Tensor): Tensors => {
          const onto = { dx: make(device, [rows, cols], 5), dweight: null };
          const { dx, dweight } = rmsNormBackwardBoth(x, weight, rrms, dy, onto);
          return {
            ...{ dx: rmsNormBackward(x, weight, rrms, dy), added: dx, dweight },
            column: rmsNormBackwardWeight(x, rrms, dy),
          };
        };
        return { found: gradients(x), expected: gradients(wide(x)) };
      }, JSON.stringify({ rows, cols, stored }));
    }
  });
});

describe.each(devices)("a gated GELU that keeps copies, %s", (_title, device) => {
  const dropout = dropoutParams("test", { p: 0.3, seed: 7, offset: 2 });
  it.each(HALFS)("writes the copies that casts to %s would be, and reads them", async (dtype) => {
    for (const size of [0, 1, 3, 4, 6, 64, 1030, 1032]) {
      for (const drop of [null, dropout]) {
        await expectSame(
          () => {
            const [a, b, dy] = [1, 2, 3].map((seed) => make(device, [size], seed, 4)) as Three;
            const { y, kept } = gatedGeluForward(a, b, drop, dtype);
            const alone = gatedGeluForward(a, b, drop);
            expect(alone.kept).toBeNull();
            const ofKept = gatedGeluBackward(kept!.a, kept!.b, dy, drop);
            const ofWide = gatedGeluBackward(wide(kept!.a), wide(kept!.b), dy, drop);
            return {
              found: { y, ...kept, ...ofKept },
              expected: {
                ...{ y: castForward(alone.y, dtype), a: castForward(a, dtype) },
                ...{ b: castForward(b, dtype), ...ofWide },
              },
            };
          },
          `${size} elements ${drop ? "with" : "without"} dropout`,
        );
        // `y` of `kept` took the place of the result.
        await expectSame(() => {
          const [a, b] = [make(device, [size], 1, 4), make(device, [size], 2, 4)];
          return {
            found: { y: gatedGeluForward(a, b, drop, dtype).y },
            expected: { y: gatedGeluForward(a, b, drop).y },
          };
        }, `result of ${size} elements`);
      }
    }
  });
});

type Three = [Tensor, Tensor, Tensor];

interface Heads {
  readonly title: string;
  readonly B: number;
  readonly T: number;
  readonly S: number;
  readonly H: number;
  readonly D: number;
  readonly options: (device: Device) => Partial<AttentionOptions>;
  /** What is tried outside of `npm run test:full`; bf16 unless given: shaders compile for seconds on software adapters. */
  readonly halfs?: readonly HalfDtype[];
  /** Positions of all rows, of packed ones. */
  readonly packed?: readonly [queries: number, keys: number];
}

const hasUnits = (device: Device): boolean =>
  device instanceof WebGpuDevice && device.adapter.subgroupMatrices.length > 0;

const dropped = dropoutParams("test", { p: 0.2, seed: 3, offset: 1 });
const mask = (device: Device, B: number, S: number): Tensor =>
  tensor(
    Int32Array.from({ length: B * S }, (_, i) => (i % S < 1 + ((i * 7) % S) ? 1 : 0)),
    [B, S],
    { device, dtype: "i32" },
  );

const attentions: readonly Heads[] = [
  {
    ...{ title: "T5's encoder", B: 2, T: 21, S: 21, H: 3, D: 64 },
    options: (device) => ({
      bias: make(device, [3, 21, 21], 5),
      mask: mask(device, 2, 21),
      dropout: dropped,
    }),
  },
  {
    ...{ title: "T5's decoder", B: 2, T: 33, S: 33, H: 2, D: 8, halfs: HALFS },
    options: (device) => ({ bias: make(device, [2, 33, 33], 5), causal: true }),
  },
  {
    ...{ title: "fewer blocks of queries than of keys", B: 1, T: 3, S: 150, H: 2, D: 12 },
    options: (device) => ({ mask: mask(device, 1, 150) }),
  },
  { title: "more queries than keys", B: 2, T: 140, S: 2, H: 1, D: 4, options: () => ({}) },
  { title: "heads that are no vectors", B: 2, T: 5, S: 7, H: 3, D: 7, options: () => ({}) },
  { title: "heads divided among workgroups", B: 1, T: 9, S: 5, H: 1, D: 512, options: () => ({}) },
  {
    ...{ title: "packed rows, one without queries", B: 3, T: 5, S: 9, H: 2, D: 8, packed: [8, 14] },
    options: () => ({ rows: { queries: [5, 0, 3], keys: [4, 1, 9] } }),
  },
];

describe.each(devices)("attention that keeps copies, %s", (_title, device) => {
  const chosen =
    device !== gpus[1] || isFull ? attentions : attentions.filter(({ halfs }) => halfs);
  it.each(chosen)("of $title", async ({ B, T, S, H, D, options, packed, halfs = ["bf16"] }) => {
    for (const dtype of isFull ? HALFS : halfs) {
      for (const roundToF16 of hasUnits(device) ? [false, true] : [false]) {
        await expectSame(
          () => {
            const given: AttentionOptions = {
              ...{ heads: H, bias: null, mask: null, causal: false, scale: 1, dropout: null },
              ...{ roundToF16, ...options(device) },
            };
            const shape = (length: number, all: number) =>
              packed ? [all, H * D] : [B, length, H * D];
            const [q, dy] = [1, 2].map((seed) =>
              make(device, shape(T, packed?.[0] ?? 0), seed),
            ) as [Tensor, Tensor];
            const [k, v] = [3, 4].map((seed) => make(device, shape(S, packed?.[1] ?? 0), seed)) as [
              Tensor,
              Tensor,
            ];
            const { y, lse, kept, offsets } = attentionForward(q, k, v, given, dtype);
            const alone = attentionForward(q, k, v, given);
            expect(alone.kept).toBeNull();
            const cast = (x: Tensor): Tensor => castForward(x, dtype);
            const needs = { q: true, k: true, v: true, bias: given.bias !== null };
            const rest = { bias: given.bias, mask: given.mask, lse, offsets };
            const widened = {
              q: wide(cast(q)),
              k: wide(cast(k)),
              v: wide(cast(v)),
              y: wide(cast(y)),
            };
            // What belongs to no query is not written, and not read.
            const { k: keptK, v: keptV, ...others } = kept!;
            return {
              found: {
                ...{ result: y, lse, ...others, ...(packed ? {} : { k: keptK, v: keptV }) },
                ...attentionBackward(dy, { ...kept!, ...rest }, given, needs),
              },
              expected: {
                ...{ result: alone.y, lse: alone.lse, q: cast(q), y: cast(alone.y) },
                ...(packed ? {} : { k: cast(k), v: cast(v) }),
                ...attentionBackward(dy, { ...widened, ...rest }, given, needs),
              },
            };
          },
          `${dtype}, ${roundToF16 ? "rounding" : "exact"}`,
        );
      }
    }
  });
});

/** The copies' dtypes by what makes them. */
it.each(HALFS)("keeps numbers that %s cannot hold as casts do", async (dtype: HalfDtype) => {
  for (const [, device] of devices) {
    await expectSame(() => {
      const a = tensor([1e5, -1e5, 3e38, 70000, 1e-8, -0, 2 ** -25, 12], undefined, { device });
      const b = tensor([1, 1, 1, 1, 1, 1, 1, Infinity], undefined, { device });
      const { kept } = gatedGeluForward(a, b, null, dtype);
      return {
        found: { a: kept!.a, b: kept!.b },
        expected: { a: castForward(a, dtype), b: castForward(b, dtype) },
      };
    }, dtype);
  }
});

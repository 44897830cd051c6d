// Attention's shaders in every shape of tile and chunk: forward and backward on webgpu against the f64 bodies. Shaders compile
// for seconds on software adapters, so few combinations of constants meet many lengths.

import fc from "fast-check";
import { afterAll, describe, expect, it } from "vitest";
import { planKeyTile, planQueryTile } from "../../src/kernels/attention/tileSizes.ts";
import { adapterFacts, requestAdapter } from "../../src/tensor/webgpu/adapter.ts";
import { openWebGpu } from "../../src/tensor/webgpu/open.ts";
import { WebGpuDevice } from "../../src/tensor/webgpu/webgpuDevice.ts";
import { makeCase, randomMask, type AttentionTest } from "../support/attentionCase.ts";
import { checkOnWebGpu, gradientsOf } from "../support/describeOp.ts";
import { gpu } from "../support/gpu.ts";
import { seed, values } from "../support/random.ts";

const MORE_RUNS = Number(process.env["GRADLOOM_TEST_MORE"] ?? 1);

/** A device with the limits that every adapter has, 16 KB of workgroup memory among them. */
async function openLeastGpu(): Promise<WebGpuDevice> {
  const adapter = await requestAdapter({});
  const device = await adapter.requestDevice();
  return new WebGpuDevice(device, { ...adapterFacts(adapter, device), software: false });
}

const leastGpu = await openLeastGpu();
const hardware = await openWebGpu({ software: false });
const software = await openWebGpu({ software: true });
afterAll(() => Promise.all([leastGpu, hardware, software].map((device) => device.close())));

type Features = (c: { B: number; T: number; S: number; H: number; seed: number }) => object;

/** What T5's encoder, its decoder and its cross-attention ask for. */
const encoder: Features = ({ B, T, S, H, seed }) => ({
  bias: values(H * T * S, seed + 3),
  mask: randomMask(B, S, seed),
  dropout: { p: 0.3, seed, offset: T },
});
const decoder: Features = ({ T, S, H, seed }) => ({
  bias: values(H * T * S, seed + 3),
  causal: true,
  scale: 0.5,
});

interface Variant {
  readonly title: string;
  readonly device: WebGpuDevice;
  readonly D: number;
  readonly T: readonly number[];
  readonly S: readonly number[];
  readonly features: Features;
  /** Left to `npm run test:full`. */
  readonly isRare?: boolean;
}

const variants: readonly Variant[] = [
  {
    title: "few queries, scalar heads",
    ...{ device: hardware, D: 7, T: [1, 5, 8], S: [2, 31, 33], features: encoder },
  },
  {
    title: "blocks of 64 queries, T5's width",
    ...{ device: hardware, D: 64, T: [33, 65, 130], S: [65, 67, 129], features: encoder },
  },
  {
    title: "blocks of 64 queries, causal",
    ...{ device: hardware, D: 20, T: [65, 70], S: [65, 130], features: decoder },
    isRare: true,
  },
  {
    title: "heads that take three columns a lane",
    ...{ device: hardware, D: 80, T: [9, 33], S: [33, 40], features: encoder },
    isRare: true,
  },
  {
    title: "heads divided among workgroups",
    ...{ device: hardware, D: 130, T: [9, 17], S: [4, 33], features: decoder },
  },
  {
    title: "a CPU that plays the GPU, few queries",
    ...{ device: software, D: 7, T: [1, 5, 17], S: [2, 15, 17], features: encoder },
    isRare: true,
  },
  {
    title: "a CPU that plays the GPU, T5's width",
    ...{ device: software, D: 64, T: [31, 33, 65], S: [16, 33, 65], features: encoder },
  },
  {
    title: "a CPU that plays the GPU, heads divided among workgroups",
    ...{ device: software, D: 130, T: [9, 33], S: [4, 17], features: decoder },
    isRare: true,
  },
  {
    title: "16 KB, T5's width",
    ...{ device: leastGpu, D: 64, T: [33, 64, 65], S: [33, 64, 65], features: encoder },
    isRare: true,
  },
  {
    title: "16 KB, wide heads",
    ...{ device: leastGpu, D: 128, T: [9, 33], S: [31, 34], features: encoder },
    isRare: true,
  },
];

describe("attention in tiles on webgpu", () => {
  it.each(variants.filter(({ isRare }) => MORE_RUNS > 1 || !isRare))(
    "$title",
    ({ device, D, T, S, features }) =>
      fc.assert(
        fc.asyncProperty(
          fc.record({
            ...{ B: fc.constantFrom(1, 2, 3), H: fc.constantFrom(1, 2), seed },
            ...{ T: fc.constantFrom(...T), S: fc.constantFrom(...S) },
          }),
          (c) => {
            const options: AttentionTest = { ...c, D, size: 1.4 / Math.sqrt(D), ...features(c) };
            return checkOnWebGpu(makeCase(options), { device });
          },
        ),
        { numRuns: 2 * MORE_RUNS, seed: 20261124 },
      ),
  );

  it("fits its tiles into the workgroup memory of every adapter, for any width", () => {
    const widths = [...Array(130).keys(), 256, 600, 1024];
    const limits = [16384, 32768, 49152].flatMap((bytes) =>
      [false, true].map((software) => [bytes, software] as const),
    );
    for (const width of widths) {
      for (const [workgroupBytes, software] of limits) {
        const adapter = { ...gpu.adapter, workgroupBytes, software };
        for (const length of [1, 9, 600]) {
          const query = planQueryTile({ queries: length, headDim: width }, adapter);
          const key = planKeyTile({ keys: length, headDim: width }, adapter);
          for (const { bytes, columnBlocks, constants } of [query, key]) {
            expect(bytes).toBeLessThanOrEqual(workgroupBytes);
            expect(columnBlocks).toBeGreaterThan(0);
            expect(constants.STEP % 4).toBe(0);
          }
        }
      }
    }
  });

  const extremes = { B: 2, T: 2, S: 3, H: 1, D: 1, seed: 1 };
  it.each([1, -1])("stays right with scores of %i * 10^4", (sign) => {
    const k = [100, 100, 99, -100, 0, 100].map((x) => sign * x);
    // Scores of 10^4 are known to 10^-3 in f32, and so are the logarithms of probabilities.
    const tolerance = 1e-3;
    return checkOnWebGpu(makeCase({ ...extremes, q: [100, -100, 50, 100], k }), { tolerance });
  });

  it("takes denormal beside huge entries", () => {
    const q = [1e-40, 1e4, -1e4, 3e-39];
    return checkOnWebGpu(makeCase({ ...extremes, q, k: [1e-40, 1, 2, 1e-42, 0, -1] }));
  });

  it("gives the same bits in every run, the bias' gradient too", async () => {
    const c = { B: 3, T: 70, S: 67, H: 2, D: 64, seed: 5 };
    const test = makeCase({ ...c, ...encoder(c), size: 0.2 });
    const runs = [await gradientsOf(test, gpu, "f32"), await gradientsOf(test, gpu, "f32")];
    expect(runs[0]).toEqual(runs[1]);
  });
});

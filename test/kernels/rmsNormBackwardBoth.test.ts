// Both gradients of an RMS norm from one kernel, against the kernels of each: the same bits where their bodies are shared, and
// close on webgpu, in the workgroups of GPUs and of a CPU that plays one.

import { afterAll, describe, expect, it } from "vitest";
import { CARD, PLAIN_CARD } from "../../scripts/adapters/countingGpu.ts";
import { definedKernels } from "../../src/kernels/kernel.ts";
import { rmsNormBackward, rmsNormBackwardWeight } from "../../src/kernels/rows/rmsNormBackward.ts";
import { rmsNormBackwardBoth } from "../../src/kernels/rows/rmsNormBackwardBoth.ts";
import type { Device } from "../../src/tensor/device.ts";
import type { DataArray } from "../../src/tensor/dtype.ts";
import { scope } from "../../src/tensor/scope.ts";
import { tensor, type Tensor } from "../../src/tensor/tensor.ts";
import { planOf } from "../../src/tensor/webgpu/launch.ts";
import { openWebGpu } from "../../src/tensor/webgpu/open.ts";
import { distance } from "../support/describeOp.ts";
import { cpu, plain } from "../support/device.ts";
import { isFull } from "../support/full.ts";
import { values } from "../support/random.ts";

const gpus = [await openWebGpu({ software: false }), await openWebGpu({ software: true })];
afterAll(() => Promise.all(gpus.map((device) => device.close())));

interface Case {
  readonly rows: number;
  readonly cols: number;
  readonly stored: "f32" | "bf16" | "f16";
  /** Which gradients are added to what is there. */
  readonly onto: readonly ("dx" | "dweight")[];
}

const ONTO = [[], ["dx"], ["dweight"], ["dx", "dweight"]] as const;
/** Whole vectors and not, for every number of lanes, with fewer and more rows than a workgroup has. */
const COLS = isFull ? [1, 3, 4, 33, 130, 256, 260, 1026, 2052] : [1, 4, 33, 260, 1026];
const ROWS = [0, 1, 5, 37, 300];
const cases = ROWS.flatMap((rows) =>
  COLS.filter((cols) => rows * cols < 1e5).flatMap((cols, i) =>
    (["f32", "bf16", "f16"] as const).map((stored, j): Case => ({
      rows,
      cols,
      stored,
      onto: ONTO[(rows + i + j) % 4]!,
    })),
  ),
);

type Gradients = Readonly<Record<"dx" | "dweight", Tensor>>;

function gradients(
  device: Device,
  { rows, cols, stored, onto }: Case,
  together: boolean,
): Gradients {
  return scope(() => {
    const f32 = { device, dtype: "f32" } as const;
    const matrix = (seed: number) => tensor(values(rows * cols, seed), [rows, cols], f32);
    const [x, dy] = [matrix(1), matrix(2)];
    const weight = tensor(values(cols, 3), [cols], { device, dtype: stored });
    const rrms = tensor(rrmsOf(rows), [rows], f32);
    const dx = onto.includes("dx") ? matrix(4) : null;
    const dweight = onto.includes("dweight") ? tensor(values(cols, 5), [cols], f32) : null;
    if (together) return rmsNormBackwardBoth(x, weight, rrms, dy, { dx, dweight });
    return {
      dx: rmsNormBackward(x, weight, rrms, dy, dx),
      dweight: rmsNormBackwardWeight(x, rrms, dy, dweight),
    };
  });
}

/** Of no rows in particular: the kernels take what they are given. */
const rrmsOf = (rows: number): Float64Array => values(rows, 6).map((value) => 1.5 + value);

async function read({ dx, dweight }: Gradients): Promise<readonly DataArray[]> {
  const found = [await dx.data(), await dweight.data()];
  for (const each of [dx, dweight]) each.dispose();
  return found;
}

/** Calls `compare` with what `device` computes at once and what `oracle` computes one by one, for each gradient. */
async function compareAll(
  [device, oracle]: readonly [Device, Device],
  chosen: readonly Case[],
  compare: (found: DataArray, exact: DataArray, about: string) => void,
): Promise<void> {
  expect(chosen.length).toBeGreaterThan(10);
  for (const each of chosen) {
    const found = await read(gradients(device, each, true));
    const exact = await read(gradients(oracle, each, false));
    for (const [i, name] of ["dx", "dweight"].entries()) {
      compare(found[i]!, exact[i]!, `${name} of ${JSON.stringify(each)}`);
    }
  }
}

describe.each([
  ["plain", plain],
  ["wasm", cpu],
] as const)("both gradients of an RMS norm, %s", (_title, device) => {
  it("are those of the kernels of each, bit for bit", () =>
    compareAll([device, device], cases, (found, exact, about) => {
      expect(found.length).toBe(exact.length);
      expect(
        found.findIndex((value, i) => !Object.is(value, exact[i])),
        about,
      ).toBe(-1);
    }));
});

describe.each(gpus)("both gradients of an RMS norm on webgpu", (gpu) => {
  it.each(ROWS)(`of %i rows, ${gpu.adapter.software ? "a CPU playing" : "as on GPUs"}`, (rows) => {
    const chosen = cases.filter((each) => each.rows === rows);
    return compareAll([gpu, plain], chosen, (found, exact, about) => {
      const largest = exact.reduce((most, value) => Math.max(most, Math.abs(value)), 1e-30);
      expect(distance(found, exact) / largest, about).toBeLessThan(1e-5);
    });
  });
});

it.each([CARD, PLAIN_CARD, ...gpus.map(({ adapter }) => adapter)])(
  "is one pass, which has a workgroup for each 4 rows of T5 and each 8 columns on a GPU",
  (adapter) => {
    for (const suffix of ["", "Bf16", "F16"]) {
      const kernel = definedKernels().get(`rmsNormBackwardBoth${suffix}`)!;
      const { passes } = planOf(kernel, {}, { rows: 4099, cols: 768 }, { ACCUMULATE: 0 }, adapter);
      expect(passes).toHaveLength(1);
      const [{ workgroups, workgroupSize }] = passes as [(typeof passes)[0]];
      if (!adapter.software) expect([workgroups, workgroupSize]).toEqual([1025 + 96, 256]);
    }
  },
);

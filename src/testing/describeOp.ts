// One description per op, from which all its tests follow, in whichever test framework has `describe` and `it`:
//
//   forward   f64 bodies and f32 (WebAssembly where there is such a body) against an independent f64 function
//   gradients central differences in f64 to 1e-6, and f32 against f64
//   webgpu    the WGSL bodies, forward and backward, against the f64 bodies
//   constants each constant changes the reference's result, and ours follows

import fc from "fast-check";
import { openDevice } from "../kernels/openDevice.ts";
import { DeviceError } from "../tensor/errors.ts";
import { distance, largest, type OpCase } from "./opCase.ts";
import { checkForward, checkGradients, checkOnWebGpu, type TestDevices } from "./opChecks.ts";

/** What all tests of an op are made from. */
export interface OpDescription<C> {
  /** Exported name of the op. */
  readonly name: string;
  /** Random small cases: shapes of 1, odd sizes, sizes around vector widths, broadcasting, masks. */
  readonly arbitrary: fc.Arbitrary<C>;
  /** The case of a random value. */
  build(c: C): OpCase;
  /** For each constant two values and the case they give: the reference must differ, ours must follow. */
  readonly constants: Readonly<Record<string, readonly [OpCase, OpCase]>>;
  /** Particular cases: extremes, masked rows, sizes of real models. */
  readonly examples?: Readonly<Record<string, OpCase>>;
  /** Random cases tried on the cpu device. Default 25. */
  readonly runs?: number;
  /** Random cases tried on the webgpu device, each of them forward and backward. Default 8. */
  readonly webgpuRuns?: number;
  /** Allowed f32 error, relative to the largest entry. Default 2e-5. */
  readonly tolerance?: number;
  /** The same on webgpu, where exp and its kin may err by more. Default: `tolerance`. */
  readonly webgpuTolerance?: number;
  /** false for ops without a gradient (argmax). Default true. */
  readonly differentiable?: boolean;
}

/** Where `describeOp` puts its tests. */
export interface TestFramework {
  /** Of vitest, jest, mocha or node:test. */
  readonly describe: (name: string, body: () => void) => unknown;
  /** Likewise. */
  readonly it: (name: string, body: () => Promise<void>) => unknown;
  /** From `openTestDevices`. */
  readonly devices: TestDevices;
  /** This many times more random cases than the description says. Default 1. */
  readonly moreRuns?: number;
}

/** Makes the tests of an op: a group of the op's name. */
export function describeOp<C>(op: OpDescription<C>, framework: TestFramework): void {
  const { describe, it, devices, moreRuns = 1 } = framework;
  const runs = { numRuns: moreRuns * (op.runs ?? 25), seed: 20261123 };
  const differentiable = op.differentiable ?? true;
  describe(op.name, () => {
    it("equals the f64 reference, in f64 and f32", () =>
      fc.assert(
        fc.asyncProperty(op.arbitrary, (c) => checkForward(op.build(c), devices, op.tolerance)),
        runs,
      ));
    if (differentiable) {
      it("has the gradient of central differences", () =>
        fc.assert(
          fc.asyncProperty(op.arbitrary, (c) => checkGradients(op.build(c), devices, op.tolerance)),
          { ...runs, numRuns: Math.ceil(runs.numRuns / 2) },
        ));
    }
    describeOnWebGpu(op, differentiable, framework);
    for (const [title, example] of Object.entries(op.examples ?? {})) {
      it(title, async () => {
        await checkForward(example, devices, op.tolerance);
        if (differentiable) await checkGradients(example, devices, op.tolerance);
      });
    }
    for (const [constant, [one, other]] of Object.entries(op.constants)) {
      it(`depends on ${constant}`, async () => {
        const difference = distance(one.expected.values, other.expected.values);
        if (!(difference > 1e-3 * largest(one.expected.values))) {
          throw new Error(
            `${constant}: the reference must differ, got a difference of ${difference}`,
          );
        }
        await checkForward(one, devices, op.tolerance);
        await checkForward(other, devices, op.tolerance);
      });
    }
  });
}

function describeOnWebGpu<C>(
  op: OpDescription<C>,
  differentiable: boolean,
  { it, devices: { plain, webgpu }, moreRuns = 1 }: TestFramework,
): void {
  if (webgpu === null) return;
  const tolerance = op.webgpuTolerance ?? op.tolerance;
  const check = (c: OpCase): Promise<void> =>
    checkOnWebGpu(c, { plain, webgpu }, { tolerance, differentiable });
  it("equals the reference on webgpu, forward and backward", () =>
    fc.assert(
      fc.asyncProperty(op.arbitrary, (c) => check(op.build(c))),
      { numRuns: moreRuns * (op.webgpuRuns ?? 8), seed: 20261124 },
    ));
  for (const [title, example] of Object.entries(op.examples ?? {})) {
    it(`${title}, on webgpu`, () => check(example));
  }
}

/** Opens the devices that tests run on; webgpu where there is an adapter, a CPU that plays a GPU included. */
export async function openTestDevices(): Promise<TestDevices> {
  const plain = await openDevice("cpu", { kernels: "plain" });
  const cpu = await openDevice("cpu");
  const webgpu = await openDevice("webgpu").catch((error: unknown) => {
    if (error instanceof DeviceError) return null;
    throw error;
  });
  return { plain, cpu, webgpu };
}

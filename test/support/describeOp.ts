// src/testing/describeOp.ts, whose tests every op of this repository has, on the devices of this run.
// test/meta/completeness.test.ts fails when an exported op has no such description.

import { describe, it } from "vitest";
import { describeOp as describeOpIn, type OpDescription } from "../../src/testing/describeOp.ts";
import type { OpCase } from "../../src/testing/opCase.ts";
import * as checks from "../../src/testing/opChecks.ts";
import type { Device } from "../../src/tensor/device.ts";
import { cpu, plain } from "./device.ts";
import { MORE_RUNS } from "./full.ts";
import { gpu } from "./gpu.ts";

export { distance, gradientsOf, type OpCase, type OpInput } from "../../src/testing/opCase.ts";

const devices = { plain, cpu, webgpu: gpu };

export const describeOp = <C>(op: OpDescription<C>): void =>
  describeOpIn(op, { describe, it, devices, moreRuns: MORE_RUNS });

export const checkForward = (c: OpCase, tolerance?: number): Promise<void> =>
  checks.checkForward(c, devices, tolerance);

export const checkGradients = (c: OpCase, tolerance?: number): Promise<void> =>
  checks.checkGradients(c, devices, tolerance);

export function checkOnWebGpu(
  c: OpCase,
  { device = gpu, ...options }: checks.WebGpuCheckOptions & { readonly device?: Device } = {},
): Promise<void> {
  return checks.checkOnWebGpu(c, { plain, webgpu: device }, options);
}

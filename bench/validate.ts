// A kernel that computes something else is not timed: elements of its first result against their definition in f64.

import type { Device } from "../src/tensor/device.ts";
import { upload, type KernelBench } from "./kernels/kernelBench.ts";

/** Elements checked, spread over the result. */
const CHECKED = 64;

/**
 * Runs a kernel once.
 * @throws {Error} when a checked element is off by more than the tolerance
 */
export async function validate(device: Device, bench: KernelBench): Promise<void> {
  const given = bench.inputs();
  const inputs = given.map((input) => upload(device, input));
  const outputs = bench.run(inputs);
  const found = await outputs[0]!.data();
  const count = Math.min(CHECKED, found.length);
  const indices = Array.from({ length: count }, (_, i) =>
    Math.floor(((i + 0.5) * found.length) / count),
  );
  const expected = indices.map((index) => bench.expected(given, index));
  const largest = expected.reduce((most, value) => Math.max(most, Math.abs(value)), 0);
  const errors = expected.map((value, i) => Math.abs(found[indices[i]!]! - value) / largest);
  for (const each of new Set([...inputs, ...outputs])) each.dispose();
  const worst = Math.max(...errors);
  const allowed = bench.tolerance ?? 1e-4;
  if (!(worst <= allowed)) {
    throw new Error(
      `bench: ${bench.kernel} ${bench.shape} must be within ${allowed} of its definition, got ${worst}`,
    );
  }
}

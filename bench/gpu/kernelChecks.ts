// Every kernel's WGSL body against its CPU body. Work of all kinds runs on the plain cpu device, which keeps what each
// call was given and what it made; the same calls then run on webgpu. A kernel that no work reached is a failure.

import { definedKernels } from "../../src/kernels/kernel.ts";
import { openDevice } from "../../src/kernels/openDevice.ts";
import type { KernelDescription, KernelParams } from "../../src/tensor/device.ts";
import { fromStorage, type Dtype, type StorageArray } from "../../src/tensor/dtype.ts";
import { Tensor } from "../../src/tensor/tensor.ts";
import type { WebGpuDevice } from "../../src/tensor/webgpu/webgpuDevice.ts";
import { workOfAllKinds } from "./kernelWork.ts";

interface Bound {
  readonly dtype: Dtype;
  readonly before: StorageArray;
  /** null for inputs. */
  after: StorageArray | null;
}

interface Call {
  readonly kernel: KernelDescription;
  readonly params: KernelParams;
  readonly constants: KernelParams;
  readonly tensors: Readonly<Record<string, Bound | null>>;
}

/** Largest error allowed, relative to the largest element. Units in the last place of 16 bits are coarser. */
const TOLERANCE: Readonly<Record<string, number>> = { f32: 2e-4, bf16: 2 ** -7, f16: 2 ** -10 };
/** Where matrix units may round operands to f16. */
const ROUNDED = 5e-3;

/** Calls of every kernel, at most `most` of each, all of different shapes, params or constants. */
async function record(most: number): Promise<Call[]> {
  const device = await openDevice("cpu", { kernels: "plain" });
  const seen = new Map<string, Set<string>>();
  const calls: Call[] = [];
  const run = device.dispatch.bind(device);
  device.dispatch = (kernel, tensors, params, constants) => {
    const bound = Object.entries(tensors);
    const key = JSON.stringify([params, constants, bound.map(([, x]) => x && [x.dtype, x.shape])]);
    const keys = seen.get(kernel.name) ?? new Set<string>();
    seen.set(kernel.name, keys);
    const isDouble = bound.some(([, x]) => x?.dtype === "f64");
    if (isDouble || keys.has(key) || keys.size >= most)
      return run(kernel, tensors, params, constants);
    keys.add(key);
    const recording: KernelDescription = {
      ...kernel,
      plain(arrays, ...scalars) {
        const kept = bound.map(([name, x]): [string, Bound | null] => {
          const before = arrays[name]?.slice();
          return [name, x && before ? { dtype: x.dtype, before, after: null } : null];
        });
        kernel.plain(arrays, ...scalars);
        for (const [name, x] of kept) {
          if (x && name in kernel.outputs) x.after = arrays[name]!.slice();
        }
        calls.push({ kernel, params, constants, tensors: Object.fromEntries(kept) });
      },
    };
    run(recording, tensors, params, constants);
  };
  await workOfAllKinds(device);
  await device.close();
  return calls;
}

/** Runs a call on the GPU. @returns what is wrong with its outputs, null for nothing */
async function repeat(device: WebGpuDevice, call: Call): Promise<string | null> {
  const { kernel, params, constants } = call;
  const entries = Object.entries(call.tensors).map(([name, x]): [string, Tensor | null] => {
    if (x === null) return [name, null];
    const storage = device.allocate(x.before.byteLength);
    device.write(storage, x.dtype, x.before);
    return [name, new Tensor(storage, [x.before.length], x.dtype, device)];
  });
  const tensors = Object.fromEntries(entries);
  try {
    device.dispatch(kernel, tensors, params, constants);
    for (const [name, x] of Object.entries(call.tensors)) {
      if (x === null || x.after === null) continue;
      const found = await tensors[name]!.data();
      const mayRound =
        kernel.name.endsWith("Rounding") && device.adapter.subgroupMatrices.length > 0;
      const allowed = mayRound ? ROUNDED : (TOLERANCE[x.dtype] ?? 0);
      const error = relativeError(found, fromStorage(x.dtype, x.after));
      if (error > allowed) {
        const sizes = JSON.stringify({ ...params, ...constants });
        return `${kernel.name}: ${name} is off by ${error.toPrecision(2)} of its largest element (${allowed} is allowed) at ${sizes}`;
      }
    }
    return null;
  } finally {
    for (const [, x] of entries) x?.dispose();
  }
}

/** Largest difference over the largest finite element; NaN or an infinity on one side alone counts as Infinity. */
export function relativeError(found: ArrayLike<number>, expected: ArrayLike<number>): number {
  let [worst, largest] = [0, 1e-30];
  for (let i = 0; i < expected.length; i++) {
    const [x, y] = [found[i]!, expected[i]!];
    if (Number.isFinite(y)) largest = Math.max(largest, Math.abs(y));
    if (Object.is(x, y) || x === y) continue;
    const difference = Math.abs(x - y);
    worst = Math.max(worst, Number.isNaN(difference) ? Infinity : difference);
  }
  return worst / largest;
}

/** @throws {Error} that names every kernel that differs, and those that were not tried */
export async function checkKernels(device: WebGpuDevice, most: number): Promise<string> {
  const calls = await record(most);
  const problems: string[] = [];
  for (const call of calls) {
    const problem = await repeat(device, call);
    if (problem !== null) problems.push(problem);
  }
  const tried = new Set(calls.map(({ kernel }) => kernel.name));
  // Without a WGSL body: kernels of f64, which WebGPU has not.
  const missing = [...definedKernels().values()].filter(
    ({ name, wgsl }) => wgsl !== undefined && !tried.has(name) && !name.startsWith("peak"),
  );
  if (missing.length > 0) problems.push(`not tried: ${missing.map(({ name }) => name).join(", ")}`);
  if (problems.length > 0) throw new Error(problems.join("\n"));
  return `${tried.size} kernels, ${calls.length} calls`;
}

// From a call of a kernel to the passes that run it: plan and grid.

import type { KernelDescription, KernelParams, KernelTensors } from "../device.ts";
import { SLICE_ALIGNMENT } from "../device.ts";
import { dtypes, type Dtype } from "../dtype.ts";
import { DtypeError, MissingKernelError, invariant } from "../errors.ts";
import type {
  AdapterFacts,
  BindingRange,
  BoundTensor,
  WgslPass,
  WgslPieces,
  WgslPlan,
  WgslSingle,
} from "../wgsl.ts";
import type { Grid } from "./commands.ts";
import { GRID_WIDTH, workgroupSizeOf } from "./shaderSource.ts";

/** WebGPU's default maxComputeWorkgroupsPerDimension; no adapter offers more. */
const MOST_WORKGROUPS = 65535;

/**
 * The passes of a call.
 * @throws {MissingKernelError} for a kernel without WGSL body
 * @throws {DtypeError} for f64 tensors
 */
export function planOf(
  kernel: KernelDescription,
  tensors: KernelTensors,
  params: KernelParams,
  constants: KernelParams,
  adapter: AdapterFacts,
): WgslPlan {
  const body = kernel.wgsl;
  if (body === undefined) {
    throw new MissingKernelError(
      kernel.name,
      "must have a WGSL body to run on webgpu, got none. Use the cpu device.",
    );
  }
  for (const name in tensors) {
    if (tensors[name]) refuseDoubles(kernel.name, tensors[name].dtype);
  }
  if (!("plan" in body)) {
    const pieces = body.pieces?.(params);
    if (pieces === undefined) return { passes: [passOf(body, params, constants)] };
    return { passes: passesOf(body, pieces, params, constants, tensors, adapter.bindingBytes) };
  }
  const bound: Record<string, BoundTensor | null> = {};
  for (const name in tensors) {
    const x = tensors[name];
    bound[name] = x ? { dtype: x.dtype, size: x.size, bytes: x.storage.byteLength } : null;
  }
  return body.plan({ params, constants, tensors: bound, adapter });
}

function passOf(body: WgslSingle, params: KernelParams, constants: KernelParams): WgslPass {
  if (body.workgroups) return { shader: body, workgroups: body.workgroups(params, constants) };
  return { shader: body, invocations: body.invocations?.(params, constants) ?? 0 };
}

/** The passes of a body that says how it falls into pieces: one, unless a tensor is larger than a binding. */
function passesOf(
  body: WgslSingle,
  pieces: WgslPieces,
  params: KernelParams,
  constants: KernelParams,
  tensors: KernelTensors,
  bindingBytes: number,
): WgslPass[] {
  const total = params[pieces.param]!;
  const most = unitsPerPiece(pieces, total, tensors, bindingBytes);
  if (most >= total) {
    const pass = passOf(body, params, constants);
    return [pieces.params ? { ...pass, params: pieces.params(0) } : pass];
  }
  const passes: WgslPass[] = [];
  for (let start = 0; start < total; start += most) {
    const units = Math.min(most, total - start);
    const own = { ...pieces.params?.(start), [pieces.param]: units };
    const ranges: Record<string, BindingRange> = {};
    for (const [name, elements] of Object.entries(pieces.elements)) {
      ranges[name] = { offset: start * elements, size: units * elements };
    }
    passes.push({ ...passOf(body, { ...params, ...own }, constants), params: own, ranges });
  }
  return passes;
}

/**
 * Units whose elements fit in a binding. Where they do not all, pieces of that many units begin at aligned bytes, for
 * every binding.
 */
function unitsPerPiece(
  { elements, multiple = 1 }: WgslPieces,
  total: number,
  tensors: KernelTensors,
  bindingBytes: number,
): number {
  let most = total;
  for (const name in elements) {
    const x = tensors[name];
    if (!x) continue;
    most = Math.min(most, Math.floor(bindingBytes / (elements[name]! * dtypes[x.dtype].bytes)));
  }
  if (most >= total) return total;
  const aligned = SLICE_ALIGNMENT / 2; // elements of 2 bytes, the smallest there are
  const step = multiple % aligned === 0 ? multiple : multiple * aligned;
  // Where not even `step` units fit, the binding will be refused by name.
  return Math.max(step, most - (most % step));
}

export function refuseDoubles(op: string, dtype: Dtype): void {
  if (dtypes[dtype].wgslElement === null) {
    throw new DtypeError(
      `${op}: webgpu has no ${dtype}, got ${dtype}. Use f32, or the cpu device.`,
    );
  }
}

/** Workgroups of a pass; null where there is nothing to do. */
export function gridOf(kernel: KernelDescription, pass: WgslPass): Grid | null {
  const workgroups = pass.workgroups ?? Math.ceil((pass.invocations ?? 0) / workgroupSizeOf(pass));
  if (typeof workgroups === "number") {
    if (workgroups === 0) return null;
    if (workgroups <= MOST_WORKGROUPS) return [workgroups, 1, 1];
    return [GRID_WIDTH, Math.ceil(workgroups / GRID_WIDTH), 1];
  }
  if (workgroups.includes(0)) return null;
  invariant(
    workgroups.every((n) => n <= MOST_WORKGROUPS),
    () => `kernel ${kernel.name}: too many workgroups in a dimension: ${workgroups.join()}`,
  );
  return workgroups;
}

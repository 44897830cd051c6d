// Which products and attentions a device gave to its matrix units, and which its rule keeps from them: a run that is within
// its tolerance says nothing of the units unless they computed it.

import { vi } from "vitest";
import { groupOf } from "../../src/kernels/matmul/groupBindings.ts";
import { matrixShape } from "../../src/kernels/matmul/matrixTiles.ts";
import type { KernelParams } from "../../src/tensor/device.ts";
import { PreparedCalls } from "../../src/tensor/webgpu/preparedCalls.ts";
import type { AdapterFacts } from "../../src/tensor/wgsl.ts";

export interface MatrixUse {
  readonly kernel: string;
  /** m, n and k of a product; queries and keys of attention. */
  readonly sizes: readonly number[];
  readonly onUnits: boolean;
  /** What docs/internals/webgpu.md says of the call. */
  readonly mayUseUnits: boolean;
}

const EXTENSION = "enable chromium_experimental_subgroup_matrix;";

export const hasHalfUnits = (adapter: AdapterFacts): boolean =>
  matrixShape(adapter, true)?.componentType === "f16";

/** Products, those of groups too, and attentions of `work`, one by one, on an adapter that has units with f16 operands. */
export async function matrixUseOf(work: () => Promise<unknown>): Promise<MatrixUse[]> {
  const uses: MatrixUse[] = [];

  const original = PreparedCalls.prototype.get;
  const spy = vi.spyOn(PreparedCalls.prototype, "get").mockImplementation(function (
    this: PreparedCalls,
    ...args
  ) {
    const call = original.apply(this, args);
    const [{ name }, tensors, params] = args;
    const rule = ruleOf(name, params);
    if (rule !== null) {
      const onUnits = call.passes.some(({ pass }) => pass.shader.directives?.includes(EXTENSION));
      const { a, b } = groupOf(tensors);
      for (let i = 0; i < Math.max(a, b, 1); i++) uses.push({ kernel: name, onUnits, ...rule });
    }
    return call;
  });
  try {
    await work();
  } finally {
    spy.mockRestore();
  }
  return uses;
}

function ruleOf(
  kernel: string,
  { m, n, k, queries, keys }: KernelParams,
): Pick<MatrixUse, "sizes" | "mayUseUnits"> | null {
  if (/^matmul(Group)?(Bf16|F16)?(Rounding)?$/.test(kernel)) {
    const sizes = [m!, n!, k!];
    return { sizes, mayUseUnits: Math.min(...sizes) >= 32 };
  }
  if (/^attention(Forward|Backward)((Keeping|Kept)(Bf16|F16))?(Rounding)?$/.test(kernel)) {
    const sizes = [queries!, keys!];
    return { sizes, mayUseUnits: kernel.endsWith("Rounding") && Math.min(...sizes) >= 16 };
  }
  return null;
}

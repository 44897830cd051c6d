// The matrix-unit path of matmul. Software adapters have no such units, so besides the comparison on adapters that offer
// them, its shaders compile on Dawn's null adapter, and run here with the extension's functions written out.

import { create } from "webgpu";
import { describe, expect, it } from "vitest";
import {
  matmulKernel,
  matmulBf16Kernel,
  matmulF16Kernel,
} from "../../src/kernels/matmul/matmul.ts";
import { planProduct, type Strategy } from "../../src/kernels/matmul/plan.ts";
import type { StoredFloat } from "../../src/kernels/storedFloats.ts";
import {
  LARGE_MATRIX_TILE,
  matrixShape,
  matrixWorkgroup,
  SMALL_MATRIX_TILE,
  type MatrixTile,
} from "../../src/kernels/matmul/subgroupMatrixShader.ts";
import type { KernelDescription } from "../../src/tensor/device.ts";
import { Scope } from "../../src/tensor/scope.ts";
import { tensor } from "../../src/tensor/tensor.ts";
import { shaderInterface, shaderSource } from "../../src/tensor/webgpu/shaderSource.ts";
import type { SubgroupMatrixShape, WgslPlan, WgslShader } from "../../src/tensor/wgsl.ts";
import { batchedMatmul } from "../reference/matmul.ts";
import { distance } from "../support/describeOp.ts";
import { gpu } from "../support/gpu.ts";
import { values } from "../support/random.ts";

const isFull = Number(process.env["GRADLOOM_TEST_MORE"] ?? 1) > 1;

const shape = (componentType: string, m: number, n: number, k: number): SubgroupMatrixShape => ({
  ...{ componentType, resultType: "f32", m, n, k },
});
const tiles = [SMALL_MATRIX_TILE, LARGE_MATRIX_TILE];
const shapes = [shape("f16", 16, 16, 16), shape("f16", 16, 8, 16), shape("f32", 8, 8, 8)];
const transposes = [
  { transposeA: false, transposeB: false },
  { transposeA: false, transposeB: true },
  { transposeA: true, transposeB: false },
  { transposeA: true, transposeB: true },
];

const kernels = { f32: matmulKernel, bf16: matmulBf16Kernel, f16: matmulF16Kernel };

/** The kernel of matmul with every product on matrix units of that shape. */
function onMatrixUnits(
  b: StoredFloat,
  matrices: SubgroupMatrixShape,
  { splits, tile = SMALL_MATRIX_TILE }: { splits: number; tile?: MatrixTile },
  change: (shader: WgslShader) => WgslShader = (shader) => shader,
): KernelDescription {
  const workgroup = matrixWorkgroup(tile, gpu.adapter);
  const strategy: Strategy = { kind: "matrices", shape: matrices, tile, workgroup, splits };
  const plan = (call: Parameters<typeof planProduct>[0]): WgslPlan => {
    const made = planProduct(call, b, () => strategy);
    return {
      ...made,
      passes: made.passes.map((pass) => ({ ...pass, shader: change(pass.shader) })),
    };
  };
  // A plan of the family reads nothing but these params and constants.
  return { ...kernels[b].description, wgsl: { plan: plan as never } };
}

interface Case {
  readonly m: number;
  readonly n: number;
  readonly k: number;
  readonly transposeA: boolean;
  readonly transposeB: boolean;
}

function paramsOf({ m, n, k }: Case, batches: number): Record<string, number> {
  const params: Record<string, number> = { m, n, k };
  for (const axis of [0, 1, 2]) {
    Object.assign(params, { [`batch${axis}`]: 1, [`a${axis}`]: 0, [`b${axis}`]: 0 });
  }
  return { ...params, batch3: batches, a3: m * k, b3: k * n };
}

const constantsOf = ({ transposeA, transposeB }: Case): Record<string, number> => ({
  ...{ TRANSPOSE_A: Number(transposeA), TRANSPOSE_B: Number(transposeB), ACCUMULATE: 1 },
});

describe("the matrix-unit path", () => {
  it("is taken only where the adapter offers a shape, in halfs only where operands may be rounded", () => {
    const features = new Set([...gpu.adapter.features, "subgroups", "shader-f16"]);
    features.add("chromium-experimental-subgroup-matrix");
    const able = { ...gpu.adapter, features, subgroupMatrices: shapes };
    // Adapters list shapes that no shader is made of first, as lavapipe does those with f16 sums.
    const unusable = [{ ...shapes[0]!, resultType: "f16" }, shape("i8", 8, 8, 8)];
    expect(matrixShape({ ...able, subgroupMatrices: unusable }, true)).toBeNull();
    expect(matrixShape({ ...able, subgroupMatrices: [...unusable, ...shapes] }, true)).toBe(
      shapes[0],
    );
    expect(matrixShape(able, true)).toBe(shapes[0]);
    expect(matrixShape(able, false)).toBe(shapes[2]);
    expect(matrixShape({ ...able, subgroupMatrices: shapes.slice(0, 2) }, false)).toBeNull();
  });

  it("compiles on Dawn's null adapter", async () => {
    const dawn = create(["backend=null", "enable-dawn-features=allow_unsafe_apis"]);
    const adapter = (await dawn.requestAdapter())!;
    const device = await adapter.requestDevice({
      requiredFeatures: [
        "chromium-experimental-subgroup-matrix",
        "subgroups",
        "shader-f16",
      ] as unknown as GPUFeatureName[],
    });
    const compile = async (kernel: KernelDescription, c: Case): Promise<void> => {
      const constants = constantsOf(c);
      const tensors = Object.fromEntries(["a", "b", "c"].map((name) => [name, { bytes: 0 }]));
      const call = { params: paramsOf(c, 1), constants, tensors, adapter: gpu.adapter };
      const { passes, temporaries } = (kernel.wgsl as { plan(call: unknown): WgslPlan }).plan(call);
      for (const pass of passes) {
        const bindings = shaderInterface(kernel, pass.shader, temporaries);
        const code = shaderSource(kernel, pass, bindings, constants, () => true);
        device.pushErrorScope("validation");
        device.createShaderModule({ code });
        expect((await device.popErrorScope())?.message).toBeUndefined();
      }
    };
    for (const matrices of shapes)
      for (const transposed of transposes)
        for (const b of ["f32", "bf16", "f16"] as const)
          for (const tile of tiles) {
            const [even, odd] = [
              { m: 64, n: 64, k: 64, ...transposed },
              { m: 61, n: 63, k: 65, ...transposed },
            ];
            await compile(onMatrixUnits(b, matrices, { splits: 1, tile }), even);
            await compile(onMatrixUnits(b, matrices, { splits: 2, tile }), odd);
          }
  });

  // The loops in place of the extension take SwiftShader half a minute to compile: `npm run test:full`.
  it.runIf(isFull).each(transposes)(
    "multiplies, its matrix functions written out (%o)",
    async (transposed) => {
      const matrices = shape("f32", 16, 16, 16);
      const kernel = (splits: number, tile?: MatrixTile): KernelDescription =>
        onMatrixUnits("f32", matrices, tile ? { splits, tile } : { splits }, writtenOut);
      await checkProduct({ m: 70, n: 66, k: 37, ...transposed }, kernel(1));
      await checkProduct({ m: 36, n: 72, k: 68, ...transposed }, kernel(2));
      const { transposeA, transposeB } = transposed;
      // One layout of each operand will do. The large tile is too large for this adapter's workgroups in f32.
      if (transposeA === transposeB) return;
      const oblong = { rows: 96, cols: 64, shareRows: 32, shareCols: 64 };
      await checkProduct({ m: 133, n: 90, k: 37, ...transposed }, kernel(1, oblong));
    },
  );

  it("equals the exact path where the adapter has matrix units", async ({ skip }) => {
    const matrices = matrixShape(gpu.adapter, true);
    if (matrices === null) return skip(`${gpu.adapter.name} offers no usable matrix shape`);
    const tolerance = matrices.componentType === "f16" ? 2e-3 : 1e-5;
    for (const transposed of transposes) {
      for (const sizes of [
        { m: 128, n: 192, k: 256 },
        { m: 131, n: 67, k: 301 },
      ]) {
        for (const tile of tiles) {
          const kernel = onMatrixUnits("f32", matrices, { splits: 1, tile });
          await checkProduct({ ...sizes, ...transposed }, kernel, tolerance);
        }
      }
    }
  });
});

/** c + op(a) op(b) for two matrices each, against the reference. */
async function checkProduct(c: Case, kernel: KernelDescription, tolerance = 1e-5): Promise<void> {
  const { m, n, k, transposeA, transposeB } = c;
  const [a, b, before] = [values(2 * m * k, 1), values(2 * k * n, 2), values(2 * m * n, 3)];
  const memory = new Scope();
  try {
    const out = memory.run(() => {
      const left = tensor(a, transposeA ? [2, k, m] : [2, m, k], { device: gpu, dtype: "f32" });
      const right = tensor(b, transposeB ? [2, n, k] : [2, k, n], { device: gpu, dtype: "f32" });
      const result = tensor(before, [2, m, n], { device: gpu, dtype: "f32" });
      gpu.dispatch(kernel, { a: left, b: right, c: result }, paramsOf(c, 2), constantsOf(c));
      return result;
    });
    const pairs = [[0, 0] as const, [1, 1] as const];
    const expected = batchedMatmul(a, b, c, pairs).map((sum, i) => sum + before[i]!);
    expect(distance(await out.data(), expected)).toBeLessThanOrEqual(tolerance * Math.sqrt(k));
  } finally {
    memory.dispose();
  }
}

const rewritten = new Map<WgslShader, WgslShader>();

/**
 * The shader with the extension's types as arrays that every invocation of a subgroup fills alike, and its functions as
 * loops. Tests all of the shader but the extension itself.
 */
function writtenOut(shader: WgslShader): WgslShader {
  const known = rewritten.get(shader);
  if (known) return known;
  const source = shader.source
    .replace(/subgroup_matrix_(left|right|result)<\w+, \d+, \d+>/g, "$1")
    .replace(
      /let (\w+) = subgroupMatrixLoad<(left|right), (row|col)_major>\(&\w+, /g,
      "var $1: $2; $2_$3(&$1, ",
    )
    .replace(/var (\w+) = result\(\);/g, "var $1: result;")
    .replace(
      /(\w+) = subgroupMatrixMultiplyAccumulate\((\w+), (\w+), \w+\)/g,
      "multiply_add(&$2, &$3, &$1)",
    )
    .replace(
      /subgroupMatrixStore<row_major>\(&results, (.*), (\w+), (\w+)\)/g,
      "store_result($1, &$2, $3)",
    );
  if (source === shader.source) return shader;
  const load = (type: string, panel: string, order: string): string => /* wgsl */ `
fn ${type}_${order}(x: ptr<function, ${type}>, offset: u32, stride: u32) {
  for (var i = 0u; i < 16u; i++) {
    for (var j = 0u; j < 16u; j++) {
      (*x)[i * 16u + j] = ${panel}[offset + ${order === "row" ? "i * stride + j" : "j * stride + i"}];
    }
  }
}`;
  const functions = /* wgsl */ `
alias left = array<f32, 256>;
alias right = array<f32, 256>;
alias result = array<f32, 256>;
${load("left", "panelA", "row")}${load("left", "panelA", "col")}
${load("right", "panelB", "row")}${load("right", "panelB", "col")}
fn store_result(offset: u32, x: ptr<function, result>, stride: u32) {
  for (var i = 0u; i < 16u; i++) {
    for (var j = 0u; j < 16u; j++) { results[offset + i * stride + j] = (*x)[i * 16u + j]; }
  }
}
fn multiply_add(a: ptr<function, left>, b: ptr<function, right>, c: ptr<function, result>) {
  for (var i = 0u; i < 16u; i++) {
    for (var j = 0u; j < 16u; j++) {
      for (var d = 0u; d < 16u; d++) { (*c)[i * 16u + j] += (*a)[i * 16u + d] * (*b)[d * 16u + j]; }
    }
  }
}`;
  const made = { ...shader, directives: ["enable subgroups;"], source: source + functions };
  rewritten.set(shader, made);
  return made;
}

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
import { piecesOfOperands } from "../../src/kernels/matmul/halfPieces.ts";
import { matrixShader } from "../../src/kernels/matmul/matrixShader.ts";
import {
  defaultTiles,
  matrixShape,
  panelBytes,
  resultBuffer,
  type MatrixTile,
} from "../../src/kernels/matmul/matrixTiles.ts";
import type { KernelDescription } from "../../src/tensor/device.ts";
import { Scope } from "../../src/tensor/scope.ts";
import { tensor } from "../../src/tensor/tensor.ts";
import { shaderInterface, shaderSource } from "../../src/tensor/webgpu/shaderSource.ts";
import type {
  AdapterFacts,
  SubgroupMatrixShape,
  WgslPlan,
  WgslShader,
} from "../../src/tensor/wgsl.ts";
import { batchedMatmul } from "../reference/matmul.ts";
import { distance } from "../support/describeOp.ts";
import { gpu } from "../support/gpu.ts";
import { values } from "../support/random.ts";

const FEATURES = ["subgroups", "shader-f16", "chromium-experimental-subgroup-matrix"] as const;
const isFull = Number(process.env["GRADLOOM_TEST_MORE"] ?? 1) > 1;

const shape = (componentType: string, m: number, n: number, k: number): SubgroupMatrixShape => ({
  ...{ componentType, resultType: "f32", m, n, k },
});
const shapes = [
  shape("f16", 16, 16, 16),
  shape("f16", 16, 8, 16),
  shape("f16", 8, 16, 16),
  shape("f16", 8, 8, 8),
  shape("f32", 8, 8, 8),
];
const transposes = [
  { transposeA: false, transposeB: false },
  { transposeA: false, transposeB: true },
  { transposeA: true, transposeB: false },
  { transposeA: true, transposeB: true },
];

const kernels = { f32: matmulKernel, bf16: matmulBf16Kernel, f16: matmulF16Kernel };

/** A card: what the tiles are made for. */
const card: AdapterFacts = {
  ...gpu.adapter,
  ...{ name: "card", vendor: "nvidia", software: false, workgroupBytes: 49152 },
  features: new Set([...FEATURES, ...gpu.adapter.features]),
  subgroupSize: { min: 32, max: 32 },
  subgroupMatrices: shapes,
};

/** The kernel of matmul with every product on matrix units of that shape. */
function onMatrixUnits(
  b: StoredFloat,
  matrices: SubgroupMatrixShape,
  {
    splits,
    tile = defaultTiles(matrices).small,
    rounds = false,
  }: { splits: number; tile?: MatrixTile; rounds?: boolean },
  change: (shader: WgslShader) => WgslShader = (shader) => shader,
): KernelDescription {
  const pieces = piecesOfOperands({ b }, rounds, matrices);
  const strategy: Strategy = { kind: "matrices", shape: matrices, tile, pieces, splits };
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
  it("is made of a shape that the adapter offers: f32 for exact products, f16 for those that may round", () => {
    expect(matrixShape({ ...card, features: new Set(FEATURES.slice(0, 2)) }, true)).toBeNull();
    expect(matrixShape(card, true)).toBe(shapes[0]);
    expect(matrixShape(card, false)).toBe(shapes[4]);
    expect(matrixShape({ ...card, subgroupMatrices: shapes.slice(1, 4) }, false)).toBe(shapes[1]);
    const noHalfs = { ...card, features: new Set([FEATURES[0], FEATURES[2]]) };
    expect(matrixShape(noHalfs, true)).toBe(shapes[4]);
    // Adapters list shapes that no shader is made of first, as lavapipe does those with f16 sums.
    const unusable = [{ ...shapes[0]!, resultType: "f16" }, shape("i8", 8, 8, 8)];
    expect(matrixShape({ ...card, subgroupMatrices: unusable }, true)).toBeNull();
    expect(matrixShape({ ...card, subgroupMatrices: [...unusable, ...shapes] }, true)).toBe(
      shapes[0],
    );
  });

  it("compiles on Dawn's null adapter", async () => {
    const dawn = create(["backend=null", "enable-dawn-features=allow_unsafe_apis"]);
    const adapter = (await dawn.requestAdapter())!;
    const device = await adapter.requestDevice({
      requiredFeatures: [...FEATURES] as unknown as GPUFeatureName[],
    });
    const compile = async (
      kernel: KernelDescription,
      c: Case,
      facts: AdapterFacts = card,
    ): Promise<void> => {
      const constants = constantsOf(c);
      const tensors = Object.fromEntries(["a", "b", "c"].map((name) => [name, { bytes: 0 }]));
      const call = { params: paramsOf(c, 1), constants, tensors, adapter: facts };
      const { passes, temporaries } = (kernel.wgsl as { plan(call: unknown): WgslPlan }).plan(call);
      for (const pass of passes) {
        const bindings = shaderInterface(kernel, pass.shader, temporaries);
        const code = shaderSource(kernel, pass, bindings, constants, () => true);
        device.pushErrorScope("validation");
        device.createShaderModule({ code });
        expect((await device.popErrorScope())?.message).toBeUndefined();
      }
    };
    const [even, odd] = [
      { m: 64, n: 64, k: 64 },
      { m: 61, n: 63, k: 65 },
    ];
    const plain = { transposeA: false, transposeB: false };
    for (const matrices of shapes) {
      const { large, small } = defaultTiles(matrices);
      await compile(onMatrixUnits("f32", matrices, { splits: 1, tile: large }), {
        ...even,
        ...plain,
      });
      await compile(onMatrixUnits("bf16", matrices, { splits: 2 }), { ...odd, ...plain });
      const apple = { ...card, vendor: "apple", workgroupBytes: 32768 };
      const onApple = onMatrixUnits("f16", matrices, { splits: 1, tile: small, rounds: true });
      await compile(onApple, { ...odd, ...plain }, apple);
    }
    for (const transposed of transposes)
      for (const b of ["f32", "bf16", "f16"] as const) {
        for (const sizes of [even, odd])
          for (const rounds of [false, true])
            await compile(onMatrixUnits(b, shapes[0]!, { splits: 1, rounds }), {
              ...sizes,
              ...transposed,
            });
        await compile(onMatrixUnits(b, shapes[4]!, { splits: 1 }), { ...odd, ...transposed });
      }
  });

  it("has the loads, multiply-adds, barriers and workgroup memory that its tile is chosen for", () => {
    const operands = { transposeA: false, transposeB: true, b: "f32", aligned: true } as const;
    const counts = (
      matrices: SubgroupMatrixShape,
      { partial, rounds }: { readonly partial: boolean; readonly rounds: boolean },
    ): Record<string, number> => {
      const pieces = piecesOfOperands(operands, rounds, matrices);
      const tile = defaultTiles(matrices, pieces.b === 2).large;
      const buffer = resultBuffer(tile, matrices, card.workgroupBytes, pieces)!;
      const { source } = matrixShader({
        ...{ operands, pieces, shape: matrices, tile, partial },
        ...{ resultsAcross: buffer.across, vectorPanels: true, alignedC: !partial },
      });
      const count = (text: string): number => source.split(text).length - 1;
      const [down, across] = tile.results;
      return {
        loads: count("subgroupMatrixLoad<"),
        multiplyAdds: count("subgroupMatrixMultiplyAccumulate("),
        // Two of a stage; one of the magnitudes, where there are some; two of each row of results by way of the buffer.
        barriers: count("workgroupBarrier()"),
        stores: count(`subgroupMatrixStore<row_major>(&${partial ? "parts" : "c"}`),
        panelBytes: panelBytes(tile, matrices, pieces),
        // f32 numbers an invocation of 32 holds: sums, and operands in the units' type.
        registers:
          (down * across * matrices.m * matrices.n) / 32 +
          ((pieces.a * down * matrices.m + pieces.b * across * matrices.n) * matrices.k) /
            32 /
            (matrices.componentType === "f16" ? 2 : 1),
      };
    };
    const [rounding, exact] = [
      { partial: false, rounds: true },
      { partial: false, rounds: false },
    ];
    const [sixteen, eight, small, , apple] = shapes;
    const ofSixteen = { loads: 8, multiplyAdds: 16, panelBytes: 20480, registers: 160 };
    const whole = { barriers: 10, stores: 16 };
    expect(counts(sixteen!, rounding)).toEqual({ ...ofSixteen, ...whole });
    const part = { barriers: 3, stores: 16 };
    expect(counts(sixteen!, { ...rounding, partial: true })).toEqual({ ...ofSixteen, ...part });
    const ofEight = { loads: 12, multiplyAdds: 32, panelBytes: 20480, registers: 160 };
    for (const matrices of [eight!, small!]) {
      const counted = counts(matrices, { ...rounding, partial: true });
      expect(counted).toEqual({ ...ofEight, barriers: 3, stores: 32 });
    }
    // Two pieces of each operand: three products of 16 loads.
    const split = { loads: 16, multiplyAdds: 48, panelBytes: 24576, registers: 192 };
    expect(counts(sixteen!, exact)).toEqual({ ...split, barriers: 10, stores: 0 });
    const ofApple = { loads: 8, multiplyAdds: 16, panelBytes: 10240, registers: 48 };
    expect(counts(apple!, exact)).toEqual({ ...ofApple, barriers: 9, stores: 16 });
  });

  // The loops in place of the extension take SwiftShader half a minute to compile: `npm run test:full`.
  it.runIf(isFull)("multiplies, its matrix functions written out", async () => {
    const matrices = shape("f32", 16, 16, 16);
    const tile = { shares: [2, 1], results: [1, 2], tileK: 16 } as const;
    for (const [i, transposed] of transposes.entries()) {
      const kernel = onMatrixUnits("f32", matrices, { splits: 1 + (i % 2), tile }, writtenOut);
      await checkProduct({ m: 70, n: 66 + 2 * (i >> 1), k: 37, ...transposed }, kernel);
    }
  });

  it.runIf(isFull && FEATURES.slice(0, 2).every((feature) => gpu.adapter.features.has(feature)))(
    "multiplies in the shapes of cards, its matrix functions written out",
    async () => {
      // Two results a share: loops for 16 would take a CPU's driver minutes to compile.
      const tile = { shares: [2, 1], results: [1, 2], tileK: 32 } as const;
      for (const matrices of shapes.slice(0, 3)) {
        const kernel = (splits: number): KernelDescription =>
          onMatrixUnits("f32", matrices, { splits, tile }, writtenOut);
        await checkProduct({ m: 70, n: 68, k: 37, transposeA: true, transposeB: false }, kernel(1));
        await checkProduct({ m: 70, n: 67, k: 77, transposeA: false, transposeB: true }, kernel(2));
      }
    },
  );
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
 * loops. Tests all of the shader but the extension itself. Panels are vectors of f32 or pairs of f16.
 */
function writtenOut(shader: WgslShader): WgslShader {
  const known = rewritten.get(shader);
  if (known) return known;
  const sizes =
    /subgroup_matrix_left<(\w+), (\d+), (\d+)>[^]*subgroup_matrix_right<\w+, (\d+),/.exec(
      shader.source,
    );
  if (sizes === null) return shader;
  const [, type, k, m, n] = sizes;
  const source = shader.source
    .replace(/subgroup_matrix_(left|right|result)<\w+, \d+, \d+>/g, "$1")
    .replace(
      /let (\w+) = subgroupMatrixLoad<(left|right), (\w+)_major>\(&(\w+), /g,
      "var $1: $2; load_$4_$3(&$1, ",
    )
    .replace(/var (\w+) = result\(\);/g, "var $1: result;")
    .replace(
      /(\w+) = subgroupMatrixMultiplyAccumulate\((\w+), (\w+), \w+\)/g,
      "multiply_add(&$2, &$3, &$1)",
    )
    .replace(
      /(\w+) = subgroupMatrixScalarMultiply\(subgroupMatrixScalarMultiply\(\w+, (\w+)\), (\w+)\)/g,
      "multiply_by(&$1, $2, $3)",
    )
    .replace(
      /subgroupMatrixStore<row_major>\(&(results|parts|c), (.*), (\w+), (\w+)\)/g,
      "store_$1($2, &$3, $4)",
    );
  const element =
    type === "f16"
      ? (at: string) => `unpack2x16float(x[${at} / 2u])[${at} % 2u]`
      : (at: string) => `bitcast<f32>(x[${at}])`;
  const vector = type === "f16" ? 8 : 4;
  const load = (panel: string, major: string): string => {
    const [name, rows, cols, at] = panel.endsWith("A")
      ? ["left", m!, k!, "i * " + k + "u + d"]
      : ["right", n!, k!, "d * " + n + "u + i"];
    // Lines of the panel are along k for a left operand by rows, and for a right one by columns.
    const along = (major === "row") === (name === "left");
    const from = along ? ["i", "d"] : ["d", "i"];
    return `
fn load_${panel}_${major}(to: ptr<function, ${name}>, offset: u32, stride: u32) {
  for (var i = 0u; i < ${rows}u; i++) {
    for (var d = 0u; d < ${cols}u; d++) {
      let x = ${panel}[offset + ${from[0]} * stride + ${from[1]} / ${vector}u];
      (*to)[${at}] = ${element(`(${from[1]} % ${vector}u)`)};
    }
  }
}`;
  };
  const store = (to: string): string => `
fn store_${to}(offset: u32, x: ptr<function, result>, stride: u32) {
  for (var i = 0u; i < ${m}u; i++) {
    for (var j = 0u; j < ${n}u; j++) { ${to}[offset + i * stride + j] = (*x)[i * ${n}u + j]; }
  }
}`;
  const functions = /* wgsl */ `
alias left = array<f32, ${Number(m) * Number(k)}>;
alias right = array<f32, ${Number(k) * Number(n)}>;
alias result = array<f32, ${Number(m) * Number(n)}>;
${[...new Set(source.match(/load_\w+_(?:row|col)/g))]
  .map((name) => load(name.slice(5, -4), name.slice(-3)))
  .join("")}
${[...new Set(source.match(/store_\w+/g))].map((name) => store(name.slice(6))).join("")}
fn multiply_by(c: ptr<function, result>, x: f32, y: f32) {
  for (var i = 0u; i < ${m}u * ${n}u; i++) { (*c)[i] *= x; (*c)[i] *= y; }
}
fn multiply_add(a: ptr<function, left>, b: ptr<function, right>, c: ptr<function, result>) {
  for (var i = 0u; i < ${m}u; i++) {
    for (var j = 0u; j < ${n}u; j++) {
      for (var d = 0u; d < ${k}u; d++) { (*c)[i * ${n}u + j] += (*a)[i * ${k}u + d] * (*b)[d * ${n}u + j]; }
    }
  }
}`;
  const made = {
    ...shader,
    directives: ["enable subgroups;", ...(type === "f16" ? ["enable f16;"] : [])],
    source: source + functions,
  };
  rewritten.set(shader, made);
  return made;
}

// Operands for matrix units that take f16: each row of op(a), and each column of op(b), times the power of two that brings
// its largest magnitude to 2^14..2^15, in one plane of f16 or in two.
//
//   x 2^s = high + low + rest       high = f16(x 2^s), low = f16(x 2^s - high), |rest| <= 2^-22 |x 2^s| + 2^-25
//
// f16 has 11 significant bits down to 2^-14 and a smallest number of 2^-24. So one plane holds bf16 (8 bits) and f16 numbers
// exactly down to 2^-28 of the row's largest, and two hold f32's to 22 bits. The product is multiplied by 2^-(sa + sb).
// docs/internals/webgpu.md has the error bound. Scaling: Ootomo & Yokota 2022, arXiv 2203.03341, section 3.
//
// Both operands lie along k in the planes, whatever their transposes, in rows of a multiple of `tileK` padded with zeros: one
// layout for the product's shader, which needs no care for the end of k.

import type { SubgroupMatrixShape, WgslPass, WgslShader } from "../../tensor/wgsl.ts";
import { f16 } from "../wgsl/halfs.ts";
import { powersOfTwo } from "../wgsl/math.ts";
import { memoByVariant } from "../wgsl/memoByVariant.ts";
import { reading, snippetsOf, viewsOf, type Operands } from "./operands.ts";
import { placeParams, type Product } from "./product.ts";

/** Planes of a and b, and the products of planes that are summed. */
export interface Planes {
  readonly a: 1 | 2;
  readonly b: 1 | 2;
  /** Bit t: product t takes the low plane of that operand. */
  readonly lowA: number;
  readonly lowB: number;
  readonly terms: 1 | 2 | 3;
}

/** Rounded operands, or such as the units' type holds: high high. */
const ONE_EACH: Planes = { a: 1, b: 1, lowA: 0, lowB: 0, terms: 1 };
/** b is exact: high b + low b. */
const SPLIT_A: Planes = { a: 2, b: 1, lowA: 0b10, lowB: 0, terms: 2 };
/** low low is below what f32 keeps: high high + high low + low high. */
const SPLIT_BOTH: Planes = { a: 2, b: 2, lowA: 0b100, lowB: 0b010, terms: 3 };

/** The planes of a product that may round its operands to f16's 11 bits, or may not; one of each for units that take f32. */
export function planesOf(
  { b }: Operands,
  rounds: boolean,
  { componentType }: SubgroupMatrixShape,
): Planes {
  if (rounds || componentType === "f32") return ONE_EACH;
  // A q8 number is 8 bits times a scale of 24.
  return b === "f32" || b === "q8" ? SPLIT_BOTH : SPLIT_A;
}

interface PlanesVariant extends Operands {
  readonly planesA: 1 | 2;
  readonly planesB: 1 | 2;
  /** f32 for units that take it: no scales, and one plane. */
  readonly component: "f16" | "f32";
}

/** What a product's passes know of the planes. */
export interface PlanesLayout {
  /** Elements of a row, a multiple of the tile's k. */
  readonly rowLength: number;
  /** Elements of one plane. */
  readonly planeA: number;
  readonly planeB: number;
}

export function planesLayout({ m, n, k, batches }: Product, tileK: number): PlanesLayout {
  const rowLength = Math.ceil(k / tileK) * tileK;
  return { rowLength, planeA: batches * m * rowLength, planeB: batches * n * rowLength };
}

const shaderFor = memoByVariant(makeShader);
/** On a CPU barriers between more invocations cost more than they bring. */
const WORKGROUP = 64;
const SOFTWARE_WORKGROUP = 8;

/** The pass that writes the temporaries `planesA`, `planesB` and, of f16, `exponents`. */
export function planesPass(
  product: Product,
  planes: Planes,
  component: "f16" | "f32",
  { rowLength, planeA, planeB }: PlanesLayout,
  software: boolean,
): WgslPass {
  const { m, n, batches, operands, places } = product;
  const { transposeA, transposeB } = operands;
  // A workgroup has one row that lies along k, or eight that lie across it.
  const rowGroupsA = transposeA ? Math.ceil(m / 8) : m;
  const rowGroupsB = transposeB ? n : Math.ceil(n / 8);
  return {
    shader: shaderFor({ ...operands, planesA: planes.a, planesB: planes.b, component }),
    params: { ...places, rowLength, planeA, planeB, rowGroupsA, rowGroupsB },
    workgroupSize: software ? SOFTWARE_WORKGROUP : WORKGROUP,
    workgroups: batches * (rowGroupsA + rowGroupsB),
  };
}

function makeShader(variant: PlanesVariant): WgslShader {
  const { component, transposeA, transposeB, planesA, planesB } = variant;
  const halves = component === "f16";
  const written = halves ? ["planesA", "planesB", "exponents"] : ["planesA", "planesB"];
  return {
    name: `planes.${component}`,
    reads: ["a", "b"],
    writes: written,
    uses: [...snippetsOf(variant), ...(halves ? [f16, powersOfTwo] : [])],
    views: { ...viewsOf(variant, null), planesA: "vec4<u32>", planesB: "vec4<u32>" },
    params: {
      ...placeParams,
      ...{ rowLength: "u32", planeA: "u32", planeB: "u32", rowGroupsA: "u32", rowGroupsB: "u32" },
    },
    source: [
      reading(variant),
      octets("A", !transposeA, halves ? planesA : 0),
      octets("B", transposeB, halves ? planesB : 0),
      halves ? scaling : "",
      main(halves, !transposeA, transposeB),
    ].join("\n"),
  };
}

/**
 * octetsX(matrix, row, unit): steps 8 unit.. 8 unit + 7 of k of row `row`, or of eight rows from there on, zero from k on;
 * writeX puts them into the planes. @param planes 0 for f32
 */
function octets(operand: "A" | "B", along: boolean, planes: 0 | 1 | 2): string {
  const read4 = `read${operand}4`;
  const size = operand === "A" ? "params.m" : "params.n";
  const place = `batch * ${size} + row`;
  const vector = planes === 0 ? 4 : 8;
  const write = (from: string): string => {
    const at = `((${from}) * params.rowLength + 8u * unit) / ${vector}u`;
    if (planes === 0) {
      return `
    planes${operand}[${at}] = bitcast<vec4<u32>>(x[0]);
    planes${operand}[${at} + 1u] = bitcast<vec4<u32>>(x[1]);`;
    }
    const low = `
    planes${operand}[params.plane${operand} / 8u + ${at}] = lowHalves(x, factor);`;
    return `
    planes${operand}[${at}] = ${planes === 1 ? "halves" : "highHalves"}(x, factor);${planes === 2 ? low : ""}`;
  };
  const factor = planes === 0 ? "" : "let factor = powerOfTwo(exponentOf(most[0].x));\n";
  if (along) {
    return /* wgsl */ `
fn octet${operand}(matrix: u32, row: u32, unit: u32) -> array<vec4<f32>, 2> {
  let from4 = matrix + row * params.row${operand} + 8u * unit;
  let low = known(${read4}(from4), params.k - min(params.k, 8u * unit));
  let high = known(${read4}(from4 + 4u), params.k - min(params.k, 8u * unit + 4u));
  return array<vec4<f32>, 2>(low, high);
}
fn greatest${operand}(matrix: u32, row: u32, unit: u32) -> array<vec4<u32>, 2> {
  let x = octet${operand}(matrix, row, unit);
  let most = max(magnitudes(x[0]), magnitudes(x[1]));
  return array<vec4<u32>, 2>(vec4<u32>(max(max(most.x, most.y), max(most.z, most.w))), vec4<u32>());
}
fn write${operand}(batch: u32, matrix: u32, row: u32, unit: u32, most: array<vec4<u32>, 2>) {
  let x = octet${operand}(matrix, row, unit);
  ${factor}${write(place)}
}`;
  }
  const each8 = (text: (i: number) => string): string =>
    Array.from({ length: 8 }, (_, i) => text(i)).join("\n");
  return /* wgsl */ `
fn eight${operand}(matrix: u32, row: u32, d: u32) -> array<vec4<f32>, 2> {
  if (d >= params.k) { return array<vec4<f32>, 2>(); }
  let from4 = matrix + d * params.row${operand} + row;
  return array<vec4<f32>, 2>(${read4}(from4), ${read4}(from4 + 4u));
}
fn greatest${operand}(matrix: u32, row: u32, unit: u32) -> array<vec4<u32>, 2> {
  var most = array<vec4<u32>, 2>();
  for (var i = 0u; i < 8u; i++) {
    let x = eight${operand}(matrix, row, 8u * unit + i);
    most[0] = max(most[0], magnitudes(x[0]));
    most[1] = max(most[1], magnitudes(x[1]));
  }
  return most;
}
fn write${operand}(batch: u32, matrix: u32, first: u32, unit: u32, most: array<vec4<u32>, 2>) {
${each8((i) => `  let x${i} = eight${operand}(matrix, first, 8u * unit + ${i}u);`)}
${each8(
  (r) => `  if (first + ${r}u < ${size}) {
    let row = first + ${r}u;
    let x = array<vec4<f32>, 2>(
      vec4<f32>(${[0, 1, 2, 3].map((i) => `x${i}[${r >> 2}][${r & 3}]`).join(", ")}),
      vec4<f32>(${[4, 5, 6, 7].map((i) => `x${i}[${r >> 2}][${r & 3}]`).join(", ")}));
    ${factor.replace("most[0].x", `most[${r >> 2}][${r & 3}]`)}${write(place)}
  }`,
)}
}`;
}

const scaling = /* wgsl */ `
/** s of a row whose largest finite magnitude has these bits; 0 where it is below the normal numbers. */
fn exponentOf(most: u32) -> i32 {
  if (most < 0x00800000u) { return 0; }
  return min(141 - i32(most >> 23u), 126);
}
fn halves(x: array<vec4<f32>, 2>, factor: f32) -> vec4<u32> {
  let low = x[0] * factor;
  let high = x[1] * factor;
  return vec4<u32>(packF16(low.xy), packF16(low.zw), packF16(high.xy), packF16(high.zw));
}
/** Infinities and NaN are in the low plane alone: in both, signs would meet that turn an infinity into NaN. */
fn highHalves(x: array<vec4<f32>, 2>, factor: f32) -> vec4<u32> {
  return halves(array<vec4<f32>, 2>(finite(x[0]), finite(x[1])), factor);
}
fn lowHalves(x: array<vec4<f32>, 2>, factor: f32) -> vec4<u32> {
  return halves(array<vec4<f32>, 2>(rest(x[0] * factor), rest(x[1] * factor)), 1.0);
}
fn isFinite4(x: vec4<f32>) -> vec4<bool> {
  return (bitcast<vec4<u32>>(x) & vec4<u32>(0x7fffffffu)) < vec4<u32>(0x7f800000u);
}
fn finite(x: vec4<f32>) -> vec4<f32> { return select(vec4<f32>(), x, isFinite4(x)); }
fn rest(x: vec4<f32>) -> vec4<f32> {
  let near = vec4<f32>(roundF16(x.x), roundF16(x.y), roundF16(x.z), roundF16(x.w));
  return select(x, x - near, isFinite4(x));
}`;

function main(halves: boolean, alongA: boolean, alongB: boolean): string {
  const rows = (along: boolean): string => (along ? "1u" : "8u");
  const scales = /* wgsl */ `
  for (var unit = local; unit < units; unit += WG) {
    var x: array<vec4<u32>, 2>;
    if (isA) { x = greatestA(matrixA, row, unit); } else { x = greatestB(matrixB, row, unit); }
    most[0] = max(most[0], x[0]);
    most[1] = max(most[1], x[1]);
  }
  greatLow[local] = most[0];
  greatHigh[local] = most[1];
  workgroupBarrier();
  for (var half = WG / 2u; half > 0u; half >>= 1u) {
    if (local < half) {
      greatLow[local] = max(greatLow[local], greatLow[local + half]);
      greatHigh[local] = max(greatHigh[local], greatHigh[local + half]);
    }
    workgroupBarrier();
  }
  most = array<vec4<u32>, 2>(greatLow[0], greatHigh[0]);
  let size = select(params.n, params.m, isA);
  let first = select(batches * params.m, 0u, isA) + batch * size + row;
  let rows = min(select(${rows(alongB)}, ${rows(alongA)}, isA), size - row);
  for (var r = local; r < rows; r += WG) { exponents[first + r] = exponentOf(most[r >> 2u][r & 3u]); }`;
  return /* wgsl */ `
fn known(values: vec4<f32>, count: u32) -> vec4<f32> {
  return select(vec4<f32>(), values, vec4<u32>(0u, 1u, 2u, 3u) < vec4<u32>(count));
}
/** Bits of the finite numbers' magnitudes, which are in the order of the numbers. */
fn magnitudes(x: vec4<f32>) -> vec4<u32> {
  let bits = bitcast<vec4<u32>>(x) & vec4<u32>(0x7fffffffu);
  return select(vec4<u32>(), bits, bits < vec4<u32>(0x7f800000u));
}
${
  halves
    ? `var<workgroup> greatLow: array<vec4<u32>, WG>;
var<workgroup> greatHigh: array<vec4<u32>, WG>;`
    : ""
}
@compute @workgroup_size(WG)
fn main(@builtin(workgroup_id) group: vec3<u32>, @builtin(local_invocation_index) local: u32) {
  let batches = params.batch0 * params.batch1 * params.batch2 * params.batch3;
  let groupsA = batches * params.rowGroupsA;
  let index = groupIndex(group);
  if (index >= groupsA + batches * params.rowGroupsB) { return; }
  let isA = index < groupsA;
  let within = select(index - groupsA, index, isA);
  let rowGroups = select(params.rowGroupsB, params.rowGroupsA, isA);
  let batch = within / rowGroups;
  let row = within % rowGroups * select(${rows(alongB)}, ${rows(alongA)}, isA);
  let i3 = batch % params.batch3;
  let i2 = batch / params.batch3 % params.batch2;
  let i1 = batch / (params.batch3 * params.batch2) % params.batch1;
  let i0 = batch / (params.batch3 * params.batch2 * params.batch1);
  let matrixA = params.startA + i0 * params.a0 + i1 * params.a1 + i2 * params.a2 + i3 * params.a3;
  let matrixB = params.startB + i0 * params.b0 + i1 * params.b1 + i2 * params.b2 + i3 * params.b3;
  let units = params.rowLength / 8u;
  var most = array<vec4<u32>, 2>();${halves ? scales : ""}
  for (var unit = local; unit < units; unit += WG) {
    if (isA) { writeA(batch, matrixA, row, unit, most); } else { writeB(batch, matrixB, row, unit, most); }
  }
}`;
}

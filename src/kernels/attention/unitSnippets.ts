// The products of attention's tiles on matrix units that take f16: the same functions as those of tileSnippets.ts, so that
// softmax, masks, dropout and statistics are one text for both.
//
// Each panel is multiplied by the power of two that brings its largest magnitude to 2^14..2^15, rounded to f16's 11 bits, and
// the f32 sums divided again (src/kernels/matmul/halfPieces.ts has the rule for products of 16-bit weights). Sums of a tile
// pass through workgroup memory to the lanes that own them.
//
// A tile of keys is 32 wide here, as a chunk of the heads' columns is, so that both lie in one panel.

import type { SubgroupMatrixShape, WgslShader, WgslSnippet } from "../../tensor/wgsl.ts";
import { f16 } from "../wgsl/halfs.ts";
import { powersOfTwo } from "../wgsl/math.ts";
import { capital } from "./headSnippets.ts";
import { tileRows } from "./tileRows.ts";
import type { TileProducts } from "./tileSnippets.ts";

/** Lanes along the keys of a tile on units, and vectors of a chunk. */
export const UNIT_LANES = 8;
/** Elements by which rows of panels are longer than they need be, so that they begin in different banks. */
export const UNIT_PADDING = 8;

/** The first lines of a shader that uses these snippets. */
export const unitDirectives: readonly string[] = [
  "enable f16;",
  "enable subgroups;",
  "enable chromium_experimental_subgroup_matrix;",
  // A result is one subgroup's; WGSL proves uniformity for whole workgroups only.
  "diagnostic(off, chromium.subgroup_matrix_uniformity);",
  "diagnostic(off, subgroup_uniformity);",
];

/** Tells functions which subgroup calls: only the entry point is given that. */
export function onUnits(shader: WgslShader): WgslShader {
  return {
    ...shader,
    directives: unitDirectives,
    source: shader.source.replace(
      "@builtin(local_invocation_index) local: u32) {",
      `@builtin(local_invocation_index) local: u32,
  @builtin(subgroup_id) ownSubgroup: u32, @builtin(num_subgroups) allSubgroups: u32) {
  subgroup = ownSubgroup;
  subgroups = allSubgroups;`,
    ),
  };
}

/** The products of tiles on units of a shape. */
export function unitProducts({ m, n, k }: SubgroupMatrixShape): TileProducts {
  const tiles: WgslSnippet = {
    uses: [tileRows, f16, powersOfTwo],
    source: /* wgsl */ `
const QUERIES = QUERY_LANES * PER_LANE;
const KEYS = 4u * KEY_LANES;
const LEFT_STRIDE = KEYS + ${UNIT_PADDING}u;
const RIGHT_STRIDE = STEP;
var<private> subgroup: u32;
var<private> subgroups: u32;
/** Queries, or weights; keys or values, or what the weights meet. */
var<workgroup> leftPanel: array<f16, QUERIES * LEFT_STRIDE>;
var<workgroup> rightPanel: array<f16, KEY_TILE>;
var<workgroup> tileSums: array<f32, QUERY_TILE>;
/** Largest magnitudes of each subgroup's parts of both panels. */
var<workgroup> greatest: array<vec2<u32>, WG>;
/** The lane's weights, four keys of each of its queries. */
var<private> laneWeights: array<vec4<f32>, PER_LANE>;
struct Lane { local: u32, key: u32, query: u32 }
fn laneOf(local: u32) -> Lane { return Lane(local, local % KEY_LANES, local / KEY_LANES); }
fn putWeights(lane: Lane, m: u32, weights: vec4<f32>) { laneWeights[m] = weights; }
/** Bits of the largest finite magnitude. */
fn magnitude(x: vec4<f32>) -> u32 {
  let bits = bitcast<vec4<u32>>(x) & vec4<u32>(0x7fffffffu);
  let finite = select(vec4<u32>(), bits, bits < vec4<u32>(0x7f800000u));
  return max(max(finite.x, finite.y), max(finite.z, finite.w));
}
/** Exponents for both panels, from the parts of all invocations. Has a barrier. */
fn exponentsOf(parts: vec2<u32>) -> vec2<i32> {
  greatest[subgroup] = subgroupMax(parts);
  workgroupBarrier();
  var most = vec2<u32>();
  for (var i = 0u; i < subgroups; i++) { most = max(most, greatest[i]); }
  let exponents = min(vec2<i32>(141) - vec2<i32>(most >> vec2<u32>(23u)), vec2<i32>(126));
  return select(exponents, vec2<i32>(), most < vec2<u32>(0x00800000u));
}
fn halfs(x: vec4<f32>, exponent: i32) -> vec4<f16> {
  let scaled = x * powerOfTwo(exponent);
  return vec4<f16>(bitcast<vec2<f16>>(packF16(scaled.xy)), bitcast<vec2<f16>>(packF16(scaled.zw)));
}
fn putLeft(at: u32, x: vec4<f16>) {
  leftPanel[at] = x.x;
  leftPanel[at + 1u] = x.y;
  leftPanel[at + 2u] = x.z;
  leftPanel[at + 3u] = x.w;
}
fn putRight(at: u32, x: vec4<f16>) {
  rightPanel[at] = x.x;
  rightPanel[at + 1u] = x.y;
  rightPanel[at + 2u] = x.z;
  rightPanel[at + 3u] = x.w;
}
fn sums4(at: u32, exponents: vec2<i32>) -> vec4<f32> {
  let s = -(exponents.x + exponents.y);
  let x = vec4<f32>(tileSums[at], tileSums[at + 1u], tileSums[at + 2u], tileSums[at + 3u]);
  return x * powerOfTwo(s / 2) * powerOfTwo(s - s / 2);
}`,
  };

  /** Results [rows, cols] over `depth` of the panels. */
  const multiply = (
    { rows, cols, depth }: Readonly<Record<"rows" | "cols" | "depth", string>>,
    left: (i: string, d: string) => string,
    right: (j: string, d: string) => string,
  ): string => /* wgsl */ `
    workgroupBarrier();
    for (var r = subgroup; r < (${rows}) / ${m}u * ((${cols}) / ${n}u); r += subgroups) {
      let i = r / ((${cols}) / ${n}u) * ${m}u;
      let j = r % ((${cols}) / ${n}u) * ${n}u;
      var sum = subgroup_matrix_result<f32, ${n}, ${m}>();
      for (var d = 0u; d < ${depth}; d += ${k}u) {
        let x = subgroupMatrixLoad<subgroup_matrix_left<f16, ${k}, ${m}>, ${left("i", "d")}, LEFT_STRIDE);
        let y = subgroupMatrixLoad<subgroup_matrix_right<f16, ${n}, ${k}>, ${right("j", "d")}, RIGHT_STRIDE);
        sum = subgroupMatrixMultiplyAccumulate(x, y, sum);
      }
      subgroupMatrixStore<row_major>(&tileSums, i * (${cols}) + j, sum, ${cols});
    }
    workgroupBarrier();`;
  const rowsLeft = (i: string, d: string): string =>
    `row_major>(&leftPanel, ${i} * LEFT_STRIDE + ${d}`;
  const colsLeft = (i: string, d: string): string =>
    `col_major>(&leftPanel, ${d} * LEFT_STRIDE + ${i}`;
  const rowsRight = (j: string, d: string): string =>
    `row_major>(&rightPanel, ${d} * RIGHT_STRIDE + ${j}`;
  const colsRight = (j: string, d: string): string =>
    `col_major>(&rightPanel, ${j} * RIGHT_STRIDE + ${d}`;

  /** Four columns of a row of the tile, zero outside: of [B, T, H*D] or [B, S, H*D]. */
  const reader = (name: string, along: "query" | "key"): string => {
    const [first, size] =
      along === "query" ? ["tile.t0", "tile.queries"] : ["tile.s0", "tile.keys"];
    return /* wgsl */ `
fn ${along}Of${capital(name)}(tile: Tile, row: u32, column: u32) -> vec4<f32> {
  let at = ${first} + row;
  if (at >= ${size} || column >= headColumns()) { return vec4<f32>(); }
  return ${name}4(${along}At(tile, at), column);
}`;
  };
  const readers = new Map<string, WgslSnippet>();
  const readerOf = (name: string, along: "query" | "key"): WgslSnippet => {
    const snippet = readers.get(name + along) ?? { uses: [tiles], source: reader(name, along) };
    readers.set(name + along, snippet);
    return snippet;
  };

  /** Adds to a lane's sums the rows of a tile, weighted; `count` of them a column, from the panels' product. */
  const weighted = (
    name: string,
    along: "query" | "key",
    { count, product, add }: Readonly<Record<"count" | "product" | "add", string>>,
  ): WgslSnippet => {
    const [rows, lanes] = along === "key" ? ["KEYS", "KEY_LANES"] : ["QUERIES", "QUERY_LANES"];
    const read = `${along}Of${capital(name)}(tile, i / ${lanes}, first + i % ${lanes})`;
    return {
      uses: [tiles, readerOf(name, along)],
      source: /* wgsl */ `
fn addWeighted${capital(name)}(
  sums: ptr<function, array<vec4<f32>, ${count} * COLUMNS>>, tile: Tile, lane: Lane, firstColumn: u32,
) {
  for (var c = 0u; c < COLUMNS; c++) {
    let first = firstColumn + c * ${lanes};
    var parts = vec2<u32>();
    for (var m = 0u; m < PER_LANE; m++) { parts.x = max(parts.x, magnitude(laneWeights[m])); }
    for (var i = lane.local; i < ${rows} * ${lanes}; i += WG) {
      parts.y = max(parts.y, magnitude(${read}));
    }
    let exponents = exponentsOf(parts);
    for (var m = 0u; m < PER_LANE; m++) {
      let row = lane.query * PER_LANE + m;
      putLeft(row * LEFT_STRIDE + 4u * lane.key, halfs(laneWeights[m], exponents.x));
    }
    for (var i = lane.local; i < ${rows} * ${lanes}; i += WG) {
      let x = ${read};
      putRight(i / ${lanes} * RIGHT_STRIDE + i % ${lanes} * 4u, halfs(x, exponents.y));
    }${product}
    ${add}
  }
}`,
    };
  };

  return {
    tileProducts: (query, key) => ({
      uses: [tiles, readerOf(query, "query"), readerOf(key, "key")],
      source: /* wgsl */ `
fn ${query}Dot${capital(key)}(sums: ptr<function, array<vec4<f32>, PER_LANE>>, tile: Tile, lane: Lane) {
  for (var m = 0u; m < PER_LANE; m++) { (*sums)[m] = vec4<f32>(0.0); }
  for (var first = 0u; first < headColumns(); first += KEY_LANES) {
    var parts = vec2<u32>();
    for (var i = lane.local; i < QUERIES * KEY_LANES; i += WG) {
      parts.x = max(parts.x, magnitude(queryOf${capital(query)}(tile, i / KEY_LANES, first + i % KEY_LANES)));
    }
    for (var i = lane.local; i < KEYS * KEY_LANES; i += WG) {
      parts.y = max(parts.y, magnitude(keyOf${capital(key)}(tile, i / KEY_LANES, first + i % KEY_LANES)));
    }
    let exponents = exponentsOf(parts);
    for (var i = lane.local; i < QUERIES * KEY_LANES; i += WG) {
      let x = queryOf${capital(query)}(tile, i / KEY_LANES, first + i % KEY_LANES);
      putLeft(i / KEY_LANES * LEFT_STRIDE + i % KEY_LANES * 4u, halfs(x, exponents.x));
    }
    for (var i = lane.local; i < KEYS * KEY_LANES; i += WG) {
      let x = keyOf${capital(key)}(tile, i / KEY_LANES, first + i % KEY_LANES);
      putRight(i / KEY_LANES * RIGHT_STRIDE + i % KEY_LANES * 4u, halfs(x, exponents.y));
    }${multiply({ rows: "QUERIES", cols: "KEYS", depth: "4u * KEY_LANES" }, rowsLeft, colsRight)}
    for (var m = 0u; m < PER_LANE; m++) {
      let row = lane.query * PER_LANE + m;
      (*sums)[m] += sums4(row * KEYS + 4u * lane.key, exponents);
    }
  }
}`,
    }),
    weightedKeys: (key) =>
      weighted(key, "key", {
        count: "PER_LANE",
        product: multiply(
          { rows: "QUERIES", cols: "4u * KEY_LANES", depth: "KEYS" },
          rowsLeft,
          rowsRight,
        ),
        add: `for (var m = 0u; m < PER_LANE; m++) {
      let row = lane.query * PER_LANE + m;
      (*sums)[m * COLUMNS + c] += sums4(row * 4u * KEY_LANES + 4u * lane.key, exponents);
    }`,
      }),
    weightedQueries: (query) =>
      weighted(query, "query", {
        count: "4u",
        product: multiply(
          { rows: "KEYS", cols: "4u * QUERY_LANES", depth: "QUERIES" },
          colsLeft,
          rowsRight,
        ),
        add: `for (var i = 0u; i < 4u; i++) {
      let row = 4u * lane.key + i;
      (*sums)[i * COLUMNS + c] += sums4((row * QUERY_LANES + lane.query) * 4u, exponents);
    }`,
      }),
  };
}

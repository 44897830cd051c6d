// The WGSL of forward.ts; formulas are there, tiles in tileSnippets.ts. A workgroup owns queries of a head and goes through their
// keys; of the columns of a wide head it has a block.

import type { HalfDtype } from "../../tensor/dtype.ts";
import type { AdapterFacts, WgslPass, WgslShader, WgslSnippet } from "../../tensor/wgsl.ts";
import { narrow4 } from "../storedElements.ts";
import type { AttentionConstants, AttentionParams } from "./options.ts";
import { boundOffsets, tileRows } from "./tileRows.ts";
import { planQueryTile, queriesOf, tileConstants, tilePass } from "./tileSizes.ts";
import { tileScores, visibleKeys, type TileProducts } from "./tileSnippets.ts";
import { shadersByUnits, unitsOf } from "./units.ts";

/** Of a kernel that is bound to the padding mask. */
const boundMask: WgslSnippet = {
  source: /* wgsl */ `
fn keepsKey(b: u32, s: u32) -> bool { return mask[b * params.keys + s] != 0; }`,
};

/** Where rows are of one length, and packed rows, which hold no padding: these are never called. */
const noOffsets: WgslSnippet = { source: "fn rowOffset(i: u32) -> u32 { return 0u; }" };
const noMask: WgslSnippet = { source: "fn keepsKey(b: u32, s: u32) -> bool { return true; }" };

/**
 * `keepCopy` and `keepKeys`, which write to `kept`: y from its first element on, q, k and v from those that the params name. Heads
 * are whole vectors.
 */
const copies = (keepAs: HalfDtype): WgslSnippet => ({
  uses: [narrow4("narrow", keepAs), tileRows],
  source: /* wgsl */ `
fn keepCopy(first: u32, at: u32, column: u32, x: vec4<f32>) {
  kept[(first + at) / 4u + column] = narrow(x);
}
/** The keys and values of a row, of which each workgroup of its queries has a share: number \`share\` its own. */
fn keepKeys(tile: Tile, share: u32, local: u32) {
  if (share >= tile.keys) { return; }
  let shares = (tile.queries + QUERIES - 1u) / QUERIES;
  let keys = (tile.keys - share + shares - 1u) / shares;
  for (var i = local; i < keys * headColumns(); i += WG) {
    let column = i % headColumns();
    let at = keyAt(tile, share + i / headColumns() * shares);
    keepCopy(params.firstK, at, column, k4(at, column));
    keepCopy(params.firstV, at, column, v4(at, column));
  }
}`,
});

/** What differs between shaders with copies and without: bindings, snippets, and two places of the text. */
interface Variant {
  readonly reads: readonly string[];
  readonly writes: readonly string[];
  readonly uses: readonly WgslSnippet[];
  readonly views?: Readonly<Record<string, string>>;
  readonly keepQuery: string;
  readonly keepKeys: string;
}

const withoutCopies: Variant = {
  reads: ["q", "k", "v", "bias", "mask", "offsets"],
  writes: ["y", "lse"],
  uses: [boundOffsets, boundMask],
  keepQuery: "",
  keepKeys: "",
};

/** With copies there is no room for the mask beside offsets: packed rows have no mask. */
function withCopies(keepAs: HalfDtype, isPacked: boolean): Variant {
  const reads = ["q", "k", "v", "bias", isPacked ? "offsets" : "mask"];
  return {
    reads,
    writes: ["y", "lse", "kept"],
    uses: [...(isPacked ? [boundOffsets, noMask] : [noOffsets, boundMask]), copies(keepAs)],
    views: { kept: "vec2<u32>" },
    keepQuery: /* wgsl */ `
        keepCopy(0u, at, column, y);
        keepCopy(params.firstQ, at, column, q4(at, column));`,
    keepKeys: /* wgsl */ `
  if (firstColumn == 0u) { keepKeys(tile, tile.t0 / QUERIES, local); }`,
  };
}

const shader = (products: TileProducts, variant: Variant): WgslShader => ({
  reads: variant.reads,
  writes: variant.writes,
  ...(variant.views ? { views: variant.views } : {}),
  constants: tileConstants,
  params: { columnBlocks: "u32" },
  uses: [
    products.tileProducts("q", "k"),
    tileScores,
    visibleKeys,
    products.weightedKeys("v"),
    ...variant.uses,
  ],
  source: /* wgsl */ `
/** A number for each query and lane: what reduces over the lanes of a query. */
var<workgroup> laneTile: array<f32, QUERIES * KEY_LANES>;
@compute @workgroup_size(WG)
fn main(@builtin(workgroup_id) group: vec3<u32>, @builtin(local_invocation_index) local: u32) {
  let blocks = (params.queries + QUERIES - 1u) / QUERIES;
  let firstColumn = groupIndex(group) % params.columnBlocks * COLUMNS * KEY_LANES;
  let block = groupIndex(group) / params.columnBlocks;
  let head = block / blocks;
  if (head >= params.batch * params.heads) { return; }
  var tile = tileOf(head / params.heads, head % params.heads, block % blocks * QUERIES, 0u);
  if (tile.t0 >= tile.queries) { return; }
  let lane = laneOf(local);
  // Largest score so far, the lane's part of the sum of exp(score - most), and of the weighted values.
  var most: array<f32, PER_LANE>;
  var total: array<f32, PER_LANE>;
  var sums: array<vec4<f32>, PER_LANE * COLUMNS>;
  for (var m = 0u; m < PER_LANE; m++) { most[m] = MASKED; }
  let end = visibleKeys(tile, tile.t0 + QUERIES);
  for (var s0 = 0u; s0 < end; s0 += KEYS) {
    tile.s0 = s0;
    let s = s0 + 4u * lane.key;
    var scores: array<vec4<f32>, PER_LANE>;
    qDotK(&scores, tile, lane);
    for (var m = 0u; m < PER_LANE; m++) {
      let i = lane.query * PER_LANE + m;
      let x = scoresOf(scores[m], tile, tile.t0 + i, s);
      scores[m] = x;
      laneTile[i * KEY_LANES + lane.key] = max(max(x.x, x.y), max(x.z, x.w));
    }
    workgroupBarrier();
    for (var m = 0u; m < PER_LANE; m++) {
      let i = lane.query * PER_LANE + m;
      var highest = most[m];
      for (var j = 0u; j < KEY_LANES; j++) { highest = max(highest, laneTile[i * KEY_LANES + j]); }
      let shrink = safeExp(most[m] - highest);
      most[m] = highest;
      // A row of masked keys has weights of 1; keys that do not exist have none.
      let isKey = keysFrom(s) < vec4<u32>(tile.keys);
      var weights = select(vec4<f32>(0.0), safeExp4(scores[m] - highest), isKey);
      total[m] = total[m] * shrink + weights.x + weights.y + weights.z + weights.w;
      for (var c = 0u; c < COLUMNS; c++) { sums[m * COLUMNS + c] *= shrink; }
      if (DROPOUT == 1u) { weights *= keepFactors(rowOf(tile, tile.t0 + i), s); }
      putWeights(lane, m, weights);
    }
    addWeightedV(&sums, tile, lane, firstColumn);
  }
  for (var m = 0u; m < PER_LANE; m++) {
    laneTile[(lane.query * PER_LANE + m) * KEY_LANES + lane.key] = total[m];
  }
  workgroupBarrier();
  for (var m = 0u; m < PER_LANE; m++) {
    let i = lane.query * PER_LANE + m;
    let t = tile.t0 + i;
    if (t >= tile.queries) { continue; }
    var sum = 0.0;
    for (var j = 0u; j < KEY_LANES; j++) { sum += laneTile[i * KEY_LANES + j]; }
    let at = queryAt(tile, t);
    for (var c = 0u; c < COLUMNS; c++) {
      let column = firstColumn + c * KEY_LANES + lane.key;
      if (column < headColumns()) {
        let y = sums[m * COLUMNS + c] / sum;
        storeY4(at, column, y);${variant.keepQuery}
      }
    }
    if (lane.key == 0u && firstColumn == 0u) {
      // Left to the adapter's rounding, the backward pass might not know a row of masked keys again.
      lse[rowOf(tile, t)] = select(most[m] + log(sum), MASKED, most[m] == MASKED);
    }
  }${variant.keepKeys}
}`,
});

const shadersOf = (variant: Variant) =>
  shadersByUnits({ reads: ["q", "k", "v"], writes: ["y"] }, (products) =>
    shader(products, variant),
  );

const shaders = shadersOf(withoutCopies);
const keepingShaders = {
  bf16: [shadersOf(withCopies("bf16", false)), shadersOf(withCopies("bf16", true))],
  f16: [shadersOf(withCopies("f16", false)), shadersOf(withCopies("f16", true))],
} as const;

/** Which of the shaders: whether matrix units may round what they multiply, and what to keep copies as. */
export interface ForwardVariant {
  readonly rounds: boolean;
  readonly keepAs: HalfDtype | null;
}

export function forwardPasses(
  params: AttentionParams,
  { PACKED }: AttentionConstants,
  adapter: AdapterFacts,
  { rounds, keepAs }: ForwardVariant,
): WgslPass[] {
  const units = unitsOf(adapter, params, rounds);
  const tile = planQueryTile(params, adapter, units);
  const { batch, heads, queries, headDim } = params;
  const blocks = batch * heads * Math.ceil(queries / queriesOf(tile.constants));
  const chosen = keepAs === null ? shaders : keepingShaders[keepAs][PACKED === 1 ? 1 : 0];
  return [tilePass(chosen(units), tile, headDim, blocks)];
}

// What attention's backward pass has of every row besides its tensors, in one buffer of three parts, because a kernel may bind
// eight: L [B, H, T], delta [B, H, T] (backward.ts), and with a mask keep [B, S], 1 or 0, or the offsets of packed rows.

import type { KernelParams } from "../../tensor/device.ts";
import { empty, type Tensor } from "../../tensor/tensor.ts";
import type { WgslPass, WgslShader } from "../../tensor/wgsl.ts";
import { readingFloats, suffixOfKept, withReadable } from "../pointwise/keptCopies.ts";
import { defineKernel, launch } from "../kernel.ts";
import { perStoredFloat, storedAs, storedFloats, type StoredFloat } from "../storedFloats.ts";
import { innerProduct } from "./forward.ts";
import { headShaders } from "./headSnippets.ts";
import type { AttentionConstants, AttentionParams } from "./options.ts";
import { rowsOf } from "./packedRows.ts";
import { boundOffsets, tileRows } from "./tileRows.ts";

/** Invocations that share the dot product of a row. */
const STATS_LANES = 8;

const shader: WgslShader = {
  workgroupSize: 64,
  uses: [tileRows, boundOffsets],
  source: /* wgsl */ `
const LANES = ${STATS_LANES}u;
var<workgroup> parts: array<f32, WG>;
@compute @workgroup_size(WG)
fn main(@builtin(workgroup_id) group: vec3<u32>, @builtin(local_invocation_index) local: u32) {
  // Of every row as many as the longest has: what a shorter one lacks is left out.
  let rows = params.batch * params.heads * params.queries;
  let at = groupIndex(group) * (WG / LANES) + local / LANES;
  let t = at % params.queries;
  let tile = tileOf(min(at, rows - 1u) / params.queries / params.heads, at / params.queries % params.heads, 0u, 0u);
  let exists = at < rows && t < tile.queries;
  var part = 0.0;
  if (exists) {
    for (var c = local % LANES; c < headColumns(); c += LANES) {
      part += dot(y4(queryAt(tile, t), c), dy4(queryAt(tile, t), c));
    }
  }
  parts[local] = part;
  workgroupBarrier();
  let all = params.heads * params.allQueries;
  if (local % LANES == 0u && exists) {
    var delta = 0.0;
    for (var i = 0u; i < LANES; i++) { delta += parts[local + i]; }
    let row = rowOf(tile, t);
    stats[row] = lse[row];
    stats[all + row] = delta;
  }
  if (HAS_OFFSETS && at == 0u) {
    for (var i = local; i < 2u * (params.batch + 1u); i += LANES) { stats[2u * all + i] = offsets[i]; }
  }
  if (HAS_MASK) {
    // As many words of the mask as invocations, in steps: there may be more of them than rows.
    let invocations = (rows + WG / LANES - 1u) / (WG / LANES) * WG;
    for (var i = globalIndex(group, local); i < params.batch * params.keys; i += invocations) {
      stats[2u * all + i] = select(1.0, 0.0, mask[i] == 0);
    }
  }
}`,
};

const shaders = perStoredFloat((stored) =>
  headShaders(shader, { reads: ["y", "dy"], writes: [], kept: ["y"] }, stored),
);

function passesOf(
  params: Pick<AttentionParams, "batch" | "heads" | "queries" | "headDim">,
  stored: StoredFloat,
): WgslPass[] {
  const { vector, scalar } = shaders[stored];
  const shader = params.headDim % 4 === 0 ? vector : scalar;
  const rows = params.batch * params.heads * params.queries;
  return [{ shader, workgroups: Math.ceil((rows * STATS_LANES) / 64) }];
}

const kernels = perStoredFloat((stored) => {
  const { binding, widen } = storedFloats[stored];
  return defineKernel({
    name: `attentionStats${suffixOfKept(stored)}`,
    inputs: { y: binding, dy: "float", lse: "float", mask: "i32?", offsets: "float?" },
    outputs: { stats: "float" },
    params: {
      ...{ batch: "u32", heads: "u32", queries: "u32", keys: "u32", allQueries: "u32" },
      headDim: "u32",
    },
    varying: ["allQueries"],
    constants: { PACKED: "u32" },
    ...readingFloats(stored, {
      name: "attentionStats",
      units: ({ batch }: KernelParams) => batch!,
    }),
    wgsl: { plan: ({ params }) => ({ passes: passesOf(params, stored) }) },
    plain({ y, dy, lse, mask, offsets, stats }, p) {
      const rows = p.heads * p.allQueries;
      const outputs = widen(y);
      for (const at of rowsOf(p, offsets)) {
        const query = ((at.span.firstQuery + at.t) * p.heads + at.h) * p.headDim;
        stats[at.row] = lse[at.row]!;
        stats[rows + at.row] = innerProduct(outputs, query, dy, query, p.headDim);
      }
      mask?.forEach((keep, i) => (stats[2 * rows + i] = keep === 0 ? 0 : 1));
      if (offsets) stats.set(offsets, 2 * rows);
    },
  });
});

interface Outputs {
  /** Of dy's dtype, or kept in 16 bits beside f32. */
  readonly y: Tensor;
  readonly lse: Tensor;
  readonly mask: Tensor | null;
  readonly offsets: Tensor | null;
}

/** Statistics of an attention from what its forward pass left and the gradient of its result. */
export function attentionBackwardStats(
  dy: Tensor,
  { y, lse, mask, offsets }: Outputs,
  params: AttentionParams,
  { PACKED }: AttentionConstants,
): Tensor {
  const { batch, heads, queries, keys, allQueries, headDim } = params;
  const rest = mask?.size ?? offsets?.size ?? 0;
  const stats = empty(dy.device, [2 * lse.size + rest], dy.dtype);
  const sizes = { batch, heads, queries, keys, allQueries, headDim };
  withReadable(kernels[storedAs(y)], { y }, ({ y }) =>
    launch(kernels[storedAs(y)], { y, dy, lse, mask, offsets, stats }, sizes, { PACKED }),
  );
  return stats;
}

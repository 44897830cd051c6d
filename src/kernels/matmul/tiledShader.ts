// Products by tiles: each invocation keeps a block of c in registers and adds to it, four steps of k at a time.
//
// An operand whose rows run along k is read four steps of k at a time ("along k"); the other two layouts
// are read four rows or columns at a time ("across k"). So nothing is transposed, here or in memory:
//
//   a [m, k] along k   a [k, m] across k      b [n, k] along k   b [k, n] across k
//
// A staged shader goes by way of workgroup memory, which suits GPUs; an unstaged one reads storage
// directly, which suits software adapters, where workgroup memory is memory and barriers are costly.

import type { WgslShader } from "../../tensor/wgsl.ts";
import { directMain } from "./directTiles.ts";
import { reading, snippetsOf, viewsOf, writing } from "./operands.ts";
import { placeParams } from "./product.ts";
import { stagedMain } from "./stagedTiles.ts";
import { layerParams, type TiledVariant } from "./tiledParts.ts";
import { memoByVariant } from "../wgsl/memoByVariant.ts";

/** The shader of a variant; the same object for equal variants. */
export const tiledShader = memoByVariant(makeShader);

function makeShader(variant: TiledVariant): WgslShader {
  const { rows, cols, staged, partial } = variant;
  const output = partial ? "parts" : "c";
  return {
    name: `${staged ? "staged" : "direct"}${rows}x${cols}${partial ? ".partial" : ""}`,
    uses: snippetsOf(variant),
    views: viewsOf(variant, output),
    reads: ["a", "b"],
    writes: [output],
    // Invocations of a workgroup, and steps of k that are staged at once.
    constants: { THREAD_ROWS: "u32", THREAD_COLS: "u32", ...(staged ? { TILE_K: "u32" } : {}) },
    params: { ...layerParams, ...placeParams },
    source: [
      `const TILE_M = THREAD_ROWS * ${rows}u;\nconst TILE_N = THREAD_COLS * ${cols}u;`,
      // The last place where four neighbours across k are read lies so much before the end.
      `const LAST = ${variant.aligned ? 4 : 1}u;`,
      reading(variant),
      writing(variant, output, !partial),
      staged ? stagedMain(variant) : directMain(variant),
    ].join("\n"),
  };
}

// What the text of a shader on matrix units depends on.

import type { SubgroupMatrixShape } from "../../tensor/wgsl.ts";
import type { Pieces } from "./halfPieces.ts";
import type { Group } from "./groupBindings.ts";
import type { MatrixTile } from "./matrixTiles.ts";
import type { Operands } from "./operands.ts";

export interface MatrixVariant {
  readonly operands: Operands;
  readonly pieces: Pieces;
  readonly shape: SubgroupMatrixShape;
  readonly tile: MatrixTile;
  /** Results of a share that pass through workgroup memory at once. */
  readonly resultsAcross: number;
  /** Panels of 16-byte vectors, which Vulkan's units read as f16 or f32; elsewhere panels are of the units' own type. */
  readonly vectorPanels: boolean;
  /** Writes sums over a part of k to the temporary `parts`, of whole tiles, instead of c. */
  readonly partial: boolean;
  /** Rows of c begin at multiples of 16 bytes, where units can write them. */
  readonly alignedC: boolean;
  /** Of several products; c is no part then. */
  readonly group?: Group;
}

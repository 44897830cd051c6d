// Tiles of the matrix-unit shaders: which shape of the adapter's units, what a workgroup and each of its subgroups compute,
// and whether that fits the adapter.

import type { AdapterFacts, SubgroupMatrixShape } from "../../tensor/wgsl.ts";

/** A workgroup's tile of c. Its shares are the subgroups', each some results of the units down and across. */
export interface MatrixTile {
  /** Shares of a workgroup. */
  readonly shares: readonly [down: number, across: number];
  /** Results of the units of a share. */
  readonly results: readonly [down: number, across: number];
  /** Steps of k in workgroup memory at once; a multiple of the shape's k and of 8. */
  readonly tileK: number;
}

/** How the results of one share pass through workgroup memory, a row of them at a time in so many parts. */
export interface ResultBuffer {
  /** Results across that pass at once; divides the share's. */
  readonly across: number;
  readonly bytes: number;
}

/** Rows of the panels in workgroup memory are longer by one vector of 16 bytes, so that they begin in different banks. */
const PADDING_BYTES = 16;

/** Bytes of an element of a, b as the units take them. */
export function elementBytes({ componentType }: SubgroupMatrixShape): 2 | 4 {
  return componentType === "f16" ? 2 : 4;
}

/** How an operand lies: its rows along k, or across it. */
export type Orientation = "along" | "across";

/** Elements of a line of a panel in workgroup memory. */
export function panelStride(
  operand: "A" | "B",
  orientation: Orientation,
  tile: MatrixTile,
  shape: SubgroupMatrixShape,
): number {
  const [rows, cols] = matrixExtent(tile, shape);
  const across = operand === "A" ? rows : cols;
  return (orientation === "along" ? tile.tileK : across) + PADDING_BYTES / elementBytes(shape);
}

export function sharesOf({ shares }: MatrixTile): number {
  return shares[0] * shares[1];
}

/** Rows and columns of c. */
export function matrixExtent(
  { shares, results }: MatrixTile,
  { m, n }: SubgroupMatrixShape,
): readonly [rows: number, cols: number] {
  return [shares[0] * results[0] * m, shares[1] * results[1] * n];
}

/** Bytes of all panels; of operands along k, which take the most for their padding. */
export function panelBytes(
  tile: MatrixTile,
  shape: SubgroupMatrixShape,
  { a, b }: Readonly<Record<"a" | "b", number>> = { a: 1, b: 1 },
): number {
  const [rows, cols] = matrixExtent(tile, shape);
  return (a * rows + b * cols) * panelStride("A", "along", tile, shape) * elementBytes(shape);
}

/** Bytes of magnitudes of rows and columns, or of subgroups. */
function magnitudeBytes(tile: MatrixTile, shape: SubgroupMatrixShape): number {
  const [rows, cols] = matrixExtent(tile, shape);
  return elementBytes(shape) === 2 ? 4 * (rows + cols) : 0;
}

/** The longest part of a row of results that fits beside the panels; null where not even one does. */
export function resultBuffer(
  tile: MatrixTile,
  shape: SubgroupMatrixShape,
  workgroupBytes: number,
  pieces: Readonly<Record<"a" | "b", number>> = { a: 1, b: 1 },
): ResultBuffer | null {
  const free = workgroupBytes - panelBytes(tile, shape, pieces) - magnitudeBytes(tile, shape);
  for (let across = tile.results[1]; across >= 1; across--) {
    const bytes = 4 * sharesOf(tile) * shape.m * across * shape.n;
    if (tile.results[1] % across === 0 && bytes <= free) return { across, bytes };
  }
  return null;
}

/**
 * Invocations of a workgroup: as many as its shares need, in whole subgroups. Where subgroups may differ in size, as many
 * as 32 a share, and the shader goes through its shares in rounds.
 */
export function matrixWorkgroup(tile: MatrixTile, { subgroupSize }: AdapterFacts): number {
  const { min, max } = subgroupSize ?? { min: 32, max: 32 };
  if (min === max) return sharesOf(tile) * max;
  return Math.ceil((32 * sharesOf(tile)) / max) * max;
}

/** Whether an adapter can run a tile. */
export function fits(
  tile: MatrixTile,
  shape: SubgroupMatrixShape,
  adapter: AdapterFacts,
  pieces: Readonly<Record<"a" | "b", number>> = { a: 1, b: 1 },
): boolean {
  return (
    tile.tileK % shape.k === 0 &&
    tile.tileK % 8 === 0 &&
    matrixWorkgroup(tile, adapter) <= adapter.workgroupInvocations &&
    resultBuffer(tile, shape, adapter.workgroupBytes, pieces) !== null
  );
}

/**
 * The tiles of a shape unless some were measured. Of units 16 x 16 a subgroup has 64 x 64: 16 results, and 8 loads for 16
 * multiply-adds; as many registers with other units.
 * @param twoPieces whether operands go in two pieces, whose panels take twice the memory
 */
export function defaultTiles(
  shape: SubgroupMatrixShape,
  twoPieces = false,
): Readonly<Record<MatrixTileClass, MatrixTile>> {
  const side = shape.m >= 16 || shape.n >= 16 ? 64 : 32;
  const tileK = elementBytes(shape) === 2 && !twoPieces ? 32 : 16;
  const tile = (length: number): MatrixTile => ({
    shares: [2, 2],
    results: [length / shape.m, length / shape.n],
    tileK,
  });
  return { large: tile(side), small: tile(side / 2) };
}

/** Large tiles are for products that give every core of the adapter one. */
export type MatrixTileClass = "large" | "small";

/** Units of a shape, and the tiles of the products on them. */
export interface MatrixChoice extends Readonly<Record<MatrixTileClass, MatrixTile>> {
  readonly shape: SubgroupMatrixShape;
}

/** How products use an adapter's units: those that may round their operands to 11 bits, and the others. null: not at all. */
export interface MatrixTiles {
  readonly rounding: MatrixChoice | null;
  readonly exact: MatrixChoice | null;
}

const measured = new Map<string, MatrixTiles>();

/** Puts measured choices in the default's place for adapters of that name; null takes them back. */
export function setMatrixTiles(adapterName: string, tiles: MatrixTiles | null): void {
  if (tiles) measured.set(adapterName, tiles);
  else measured.delete(adapterName);
}

/** What was measured on an adapter; null for the defaults. */
export function measuredMatrixTiles({ name }: AdapterFacts): MatrixTiles | null {
  return measured.get(name) ?? null;
}

/** The units that products use; null where the adapter has none, or is faster without. */
export function matrixTilesOf(adapter: AdapterFacts, rounds: boolean): MatrixChoice | null {
  const tiles = measured.get(adapter.name);
  if (tiles) return rounds ? tiles.rounding : tiles.exact;
  const shape = matrixShape(adapter, rounds);
  return shape && { shape, ...defaultTiles(shape, !rounds && elementBytes(shape) === 2) };
}

/** The adapter's shapes that shaders can be made of: f32 sums of operands of a type. */
export function usableShapes(adapter: AdapterFacts, type: "f16" | "f32"): SubgroupMatrixShape[] {
  const has = (feature: string): boolean => adapter.features.has(feature);
  if (!has("subgroups") || !has("chromium-experimental-subgroup-matrix")) return [];
  if (type === "f16" && !has("shader-f16")) return [];
  return adapter.subgroupMatrices.filter(
    (shape) =>
      shape.componentType === type &&
      shape.resultType === "f32" &&
      [shape.m, shape.n].every((side) => 16 % side === 0) &&
      fits(defaultTiles(shape).small, shape, adapter),
  );
}

/**
 * The shape that shaders are made of unless one was measured: of those that fit the one with most multiply-adds an
 * instruction. Units that take f32 multiply f32 operands as they are; others take them in f16 (halfPieces.ts).
 * @param rounds whether the product may round its operands, which makes f16 the better component
 */
export function matrixShape(adapter: AdapterFacts, rounds: boolean): SubgroupMatrixShape | null {
  const work = ({ m, n, k }: SubgroupMatrixShape): number => m * n * k;
  const ofType = (type: "f16" | "f32"): SubgroupMatrixShape | null =>
    usableShapes(adapter, type).reduce<SubgroupMatrixShape | null>(
      (best, shape) => (best === null || work(shape) > work(best) ? shape : best),
      null,
    );
  return rounds ? (ofType("f16") ?? ofType("f32")) : (ofType("f32") ?? ofType("f16"));
}

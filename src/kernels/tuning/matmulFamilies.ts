// What is measured of matrix products: the tiles of each class in registers, and the shapes and tiles of matrix units.

import { tensor, type Tensor } from "../../tensor/tensor.ts";
import type { WebGpuDevice } from "../../tensor/webgpu/webgpuDevice.ts";
import type { AdapterFacts } from "../../tensor/wgsl.ts";
import { piecesOfOperands } from "../matmul/halfPieces.ts";
import { matmulForward } from "../matmul/matmul.ts";
import {
  defaultTiles,
  elementBytes,
  fits,
  matrixTilesOf,
  measuredMatrixTiles,
  setMatrixTiles,
  usableShapes,
  type MatrixChoice,
  type MatrixTile,
  type MatrixTiles,
} from "../matmul/matrixTiles.ts";
import {
  measuredTiles,
  setTiles,
  tilesOf,
  type MatmulTiles,
  type RowsShape,
  type Tile,
} from "../matmul/tiles.ts";
import type { Family } from "./fastest.ts";

export type TileClass = "large" | "small" | "tall" | "wide" | "rows";

/** A product of each class, [m, n, k], with b as the weights of linear layers are: about FLAN-T5-base's. */
const products: Readonly<Record<TileClass, readonly [number, number, number]>> = {
  large: [4096, 2048, 768],
  small: [256, 256, 448],
  tall: [1024, 16, 448],
  wide: [16, 1024, 448],
  rows: [1, 2048, 768],
};
/** Software adapters do a thousandth of a card's work. */
const softwareLarge = [256, 256, 256] as const;

const tile = (
  staged: boolean,
  threads: Tile["threads"],
  block: Tile["block"],
  tileK: number,
): Tile => ({
  ...{ staged, threads, block, tileK },
});
const square: readonly Tile[] = [
  tile(false, [4, 4], [4, 4], 4),
  tile(false, [4, 4], [8, 8], 4),
  tile(false, [4, 8], [8, 4], 4),
  tile(true, [8, 8], [4, 4], 16),
  tile(true, [16, 16], [4, 4], 16),
  tile(true, [8, 8], [8, 8], 8),
  tile(true, [16, 16], [8, 4], 16),
  tile(true, [16, 8], [8, 8], 16),
  tile(true, [16, 16], [8, 8], 8),
  tile(true, [16, 16], [8, 8], 16),
];
const registerTiles: Readonly<Record<Exclude<TileClass, "rows">, readonly Tile[]>> = {
  large: square,
  small: square.slice(0, 5),
  tall: [
    tile(false, [4, 1], [8, 4], 4),
    tile(true, [32, 4], [4, 4], 16),
    tile(true, [32, 2], [8, 8], 8),
    tile(true, [32, 4], [8, 4], 16),
  ],
  wide: [
    tile(false, [1, 4], [4, 8], 4),
    tile(true, [4, 32], [4, 4], 16),
    tile(true, [2, 32], [8, 8], 8),
    tile(true, [4, 32], [4, 8], 16),
  ],
};
const rowShapes: readonly RowsShape[] = [
  { workgroup: 16, slices: 1, cols: 4 },
  { workgroup: 64, slices: 4, cols: 4 },
  { workgroup: 128, slices: 16, cols: 1 },
  { workgroup: 256, slices: 32, cols: 1 },
  { workgroup: 256, slices: 32, cols: 4 },
  { workgroup: 256, slices: 64, cols: 1 },
];

/** The tiles in registers of a class; on adapters with units, of products that stay off them. */
export function registerFamily(device: WebGpuDevice, name: TileClass): Family<Tile | RowsShape> {
  const { adapter } = device;
  const before = tilesOf(adapter);
  const units = measuredMatrixTiles(adapter);
  const { run, flops } = productOf(device, sizesOf(device, name), false);
  return {
    name: `${name} products`,
    candidates: [before[name], ...registerCandidates(name, adapter)],
    apply(candidate) {
      const tiles: MatmulTiles = { ...before, [name]: candidate };
      setTiles(adapter.name, tiles);
    },
    run() {
      // k is not split, and units stay aside.
      const tiles = tilesOf(adapter);
      setTiles(adapter.name, { ...tiles, groups: groupsFor(name, tiles) });
      setMatrixTiles(adapter.name, { rounding: null, exact: null });
      try {
        return run();
      } finally {
        setTiles(adapter.name, tiles);
        setMatrixTiles(adapter.name, units);
      }
    },
    flops,
  };
}

/** Such that a product is of the class, whatever its size says about the adapter. */
function groupsFor(name: TileClass, { groups }: MatmulTiles): number {
  return name === "large" ? 1 : name === "small" ? Infinity : groups;
}

function registerCandidates(name: TileClass, adapter: AdapterFacts): readonly (Tile | RowsShape)[] {
  if (name === "rows") {
    return rowShapes.filter(({ workgroup }) => workgroup <= adapter.workgroupInvocations);
  }
  return registerTiles[name].filter(({ staged, threads, block, tileK }) => {
    const panels = 4 * (threads[0] * block[0] + threads[1] * block[1]) * (tileK + 4);
    return (
      threads[0] * threads[1] <= adapter.workgroupInvocations &&
      (!staged || panels <= adapter.workgroupBytes)
    );
  });
}

/**
 * Units for products of a kind, in a class of sizes: every shape that shaders are made of, in several tiles, and no units at
 * all. Null where the adapter has none.
 * @param rounds whether the product may round its operands
 */
export function unitFamily(
  device: WebGpuDevice,
  name: "large" | "small",
  rounds: boolean,
): Family<MatrixChoice | null> | null {
  const { adapter } = device;
  const before = matrixTilesOf(adapter, rounds);
  if (before === null) return null;
  const { run, flops } = productOf(device, sizesOf(device, name), rounds);
  const others = unitsNow(adapter);
  const kind = rounds ? "rounding" : "exact";
  return {
    name: `${name} products on matrix units, ${kind}`,
    candidates: [before, ...unitCandidates(adapter, before, name, rounds)],
    apply(candidate) {
      setMatrixTiles(adapter.name, { ...others, [kind]: candidate });
    },
    run() {
      const measured = measuredTiles(adapter);
      const tiles = tilesOf(adapter);
      setTiles(adapter.name, { ...tiles, groups: groupsFor(name, tiles) });
      try {
        return run();
      } finally {
        setTiles(adapter.name, measured);
      }
    },
    flops,
  };
}

function unitsNow(adapter: AdapterFacts): MatrixTiles {
  return { rounding: matrixTilesOf(adapter, true), exact: matrixTilesOf(adapter, false) };
}

/** Rows and columns of a subgroup's share, and shares of a workgroup. */
const shares = [
  { side: [64, 64], shares: [2, 2] },
  { side: [64, 32], shares: [2, 4] },
  { side: [32, 64], shares: [2, 2] },
  { side: [32, 32], shares: [4, 2] },
  { side: [32, 32], shares: [2, 2] },
  { side: [64, 64], shares: [1, 2] },
] as const;

/** Of the large class, every shape; the small class keeps the shape that the large class chose. */
function unitCandidates(
  adapter: AdapterFacts,
  present: MatrixChoice,
  name: "large" | "small",
  rounds: boolean,
): (MatrixChoice | null)[] {
  const { componentType } = present.shape;
  const isComponent = componentType === "f16" || componentType === "f32";
  const all = isComponent ? usableShapes(adapter, componentType) : [];
  const shapes = name === "large" ? all : [present.shape];
  const candidates: (MatrixChoice | null)[] = [];
  for (const shape of shapes) {
    const steps = elementBytes(shape) === 2 ? [32, 64, 16] : [16, 32];
    for (const { side, shares: lying } of name === "large" ? shares : shares.slice(3)) {
      for (const tileK of steps) {
        const tried: MatrixTile = {
          shares: lying,
          results: [side[0] / shape.m, side[1] / shape.n],
          tileK,
        };
        const pieces = piecesOfOperands({ b: "f32" }, rounds, shape);
        if (!fits(tried, shape, adapter, pieces)) continue;
        candidates.push({
          ...(name === "large" ? { shape, ...defaultTiles(shape, pieces.b === 2) } : present),
          [name]: tried,
        });
      }
    }
  }
  // Without units last: in time only where nothing else is slow to compile, and rarely the fastest.
  if (name === "large" && !(rounds && componentType === "f32")) candidates.push(null);
  return candidates.filter((candidate) => !isSame(candidate, present, name));
}

function isSame(a: MatrixChoice | null, b: MatrixChoice, name: "large" | "small"): boolean {
  return a !== null && a.shape === b.shape && JSON.stringify(a[name]) === JSON.stringify(b[name]);
}

function sizesOf({ adapter }: WebGpuDevice, name: TileClass): readonly [number, number, number] {
  return name === "large" && adapter.software ? softwareLarge : products[name];
}

/** The product of a call, of operands that stay on the device until `scope`s around it end. */
function productOf(
  device: WebGpuDevice,
  [m, n, k]: readonly [number, number, number],
  roundToF16: boolean,
): Pick<Family<never>, "run" | "flops"> {
  const x = waves(device, [m, k]);
  const w = waves(device, [n, k]);
  return {
    run: () => matmulForward(x, w, { transposeB: true, roundToF16 }),
    flops: 2 * m * n * k,
  };
}

export function waves(device: WebGpuDevice, shape: readonly number[]): Tensor {
  const size = shape.reduce((product, length) => product * length, 1);
  const values = Float32Array.from({ length: size }, (_, i) => Math.sin(i));
  return tensor(values, shape, { device });
}

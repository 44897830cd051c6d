// Tile shapes of the matmul shaders, by adapter: a table for each kind of adapter, or what tuning measured.

import type { AdapterFacts } from "../../tensor/wgsl.ts";

/** A tiled shader's shape. */
export interface Tile {
  /** By way of workgroup memory. */
  readonly staged: boolean;
  /** Invocations of a workgroup along m and n. */
  readonly threads: readonly [number, number];
  /** c's block of an invocation along m and n, multiples of 4. */
  readonly block: readonly [number, number];
  /** Steps of k in workgroup memory at once, a multiple of 4. */
  readonly tileK: number;
}

/** The shape of products with few rows. */
export interface RowsShape {
  /** Invocations of a workgroup, a power of two. */
  readonly workgroup: number;
  /** Invocations that share a column, a power of two up to `workgroup`. */
  readonly slices: number;
  /** Columns of an invocation where b is stored [n, k]. */
  readonly cols: 1 | 4;
}

export interface MatmulTiles {
  /** Products that give every core of the adapter work with it. */
  readonly large: Tile;
  readonly small: Tile;
  /** n up to 32. */
  readonly tall: Tile;
  /** m up to 32. */
  readonly wide: Tile;
  readonly rows: RowsShape;
  /** Workgroups that keep the adapter busy; fewer, and tiles shrink or k is split. */
  readonly groups: number;
}

export type AdapterKind = "software" | "apple" | "integrated" | "discrete";

export function kindOf({ software, vendor, architecture }: AdapterFacts): AdapterKind {
  if (software) return "software";
  if (/apple/i.test(vendor)) return "apple";
  // Vendors of processors with a GPU inside; Intel's cards have architectures of their own.
  const integrated = /arm|qualcomm|img|intel/i.test(vendor) && !/xe-?2?-?hpg/i.test(architecture);
  return integrated ? "integrated" : "discrete";
}

const direct = (block: Tile["block"], threads: Tile["threads"] = [1, 4]): Tile => ({
  staged: false,
  threads,
  block,
  tileK: 4,
});
const staged = (block: Tile["block"], threads: Tile["threads"], tileK: number): Tile => ({
  staged: true,
  threads,
  block,
  tileK,
});

/** None takes more than 16 KiB of workgroup memory, the least that adapters have. */
const tables: Readonly<Record<AdapterKind, MatmulTiles>> = {
  software: {
    large: direct([8, 8]),
    small: direct([4, 4]),
    tall: direct([8, 4]),
    wide: direct([4, 8]),
    rows: { workgroup: 16, slices: 1, cols: 4 },
    groups: 16,
  },
  apple: {
    large: staged([4, 4], [16, 16], 16),
    small: staged([4, 4], [8, 8], 16),
    tall: staged([4, 4], [32, 4], 16),
    wide: staged([4, 4], [4, 32], 16),
    rows: { workgroup: 256, slices: 32, cols: 1 },
    groups: 160,
  },
  integrated: {
    large: staged([4, 4], [16, 16], 16),
    small: staged([4, 4], [8, 8], 16),
    tall: staged([4, 4], [32, 4], 16),
    wide: staged([4, 4], [4, 32], 16),
    rows: { workgroup: 128, slices: 16, cols: 1 },
    groups: 96,
  },
  // Measured on an H200 (docs/internals/measurements/webgpu.md): other shapes of 64 sums an invocation are 2 to 40% slower.
  discrete: {
    large: staged([8, 8], [16, 8], 16),
    small: staged([4, 4], [16, 16], 16),
    tall: staged([8, 4], [32, 4], 8),
    wide: staged([4, 8], [4, 32], 8),
    rows: { workgroup: 256, slices: 32, cols: 1 },
    groups: 192,
  },
};

const measured = new Map<string, MatmulTiles>();

/** What was measured on an adapter; null for the table. */
export function measuredTiles({ name }: AdapterFacts): MatmulTiles | null {
  return measured.get(name) ?? null;
}

/** The tiles of an adapter. */
export function tilesOf(adapter: AdapterFacts): MatmulTiles {
  return measured.get(adapter.name) ?? tables[kindOf(adapter)];
}

/** Puts measured tiles in the table's place for adapters of that name; null takes them back. */
export function setTiles(adapterName: string, tiles: MatmulTiles | null): void {
  if (tiles) measured.set(adapterName, tiles);
  else measured.delete(adapterName);
}

// Measures which tile shapes of the matmul shaders suit an adapter. `gradloom devices --tune` runs it and keeps the result
// in the user's cache folder (tileCache.ts), where openDevice finds it.

import { scope, Scope } from "../../tensor/scope.ts";
import { tensor, type Tensor } from "../../tensor/tensor.ts";
import type { WebGpuDevice } from "../../tensor/webgpu/webgpuDevice.ts";
import { matmulForward } from "./matmul.ts";
import { setTiles, tilesOf, type MatmulTiles, type RowsShape, type Tile } from "./tiles.ts";

type TileClass = "large" | "small" | "tall" | "wide" | "rows";

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
const candidates: Readonly<Record<Exclude<TileClass, "rows">, readonly Tile[]>> = {
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

/** Times a candidate goes through its product; the best counts. */
const REPEATS = 5;

/**
 * Measures candidates for every class of products and leaves the adapter with the fastest.
 * @param report is told of each class as it is measured: its candidate and GFLOP/s
 * @returns the tiles that `setTiles` now has for the adapter
 */
export async function tuneMatmul(
  device: WebGpuDevice,
  report: (tileClass: TileClass, gflops: number) => void = () => {},
): Promise<MatmulTiles> {
  const { adapter } = device;
  const before = tilesOf(adapter);
  let best = before;
  try {
    for (const name of ["large", "small", "tall", "wide", "rows"] as const) {
      const [m, n, k] = name === "large" && adapter.software ? softwareLarge : products[name];
      const memory = new Scope();
      try {
        const x = memory.run(() => waves(device, [m, k]));
        const w = memory.run(() => waves(device, [n, k]));
        // The product is of the class whatever its size says about the adapter, and k is not split.
        const groups = name === "large" ? 1 : name === "small" ? Infinity : best.groups;
        let fastest = Infinity;
        let chosen = best;
        let expected: Float32Array | null = null;
        for (const candidate of candidatesFor(name, device)) {
          const tried: MatmulTiles = { ...best, [name]: candidate };
          setTiles(adapter.name, { ...tried, groups });
          device.forgetPlans();
          const { seconds, values } = await time(device, x, w);
          expected ??= values;
          if (!agree(values, expected) || seconds >= fastest) continue;
          fastest = seconds;
          chosen = tried;
        }
        best = chosen;
        report(name, (2 * m * n * k) / fastest / 1e9);
      } finally {
        memory.dispose();
      }
    }
  } catch (error) {
    best = before;
    throw error;
  } finally {
    setTiles(adapter.name, best);
    device.forgetPlans();
  }
  return best;
}

/** Candidates that the adapter can run; first those of its present tiles, which the others must agree with. */
function candidatesFor(name: TileClass, { adapter }: WebGpuDevice): readonly (Tile | RowsShape)[] {
  const present = tilesOf(adapter)[name];
  if (name === "rows") {
    const fitting = rowShapes.filter(({ workgroup }) => workgroup <= adapter.workgroupInvocations);
    return [present, ...fitting];
  }
  const fitting = candidates[name].filter(({ staged, threads, block, tileK }) => {
    const panels = 4 * (threads[0] * block[0] + threads[1] * block[1]) * (tileK + 4);
    return (
      threads[0] * threads[1] <= adapter.workgroupInvocations &&
      (!staged || panels <= adapter.workgroupBytes)
    );
  });
  return [present, ...fitting];
}

function waves(device: WebGpuDevice, shape: readonly [number, number]): Tensor {
  const values = Float32Array.from({ length: shape[0] * shape[1] }, (_, i) => Math.sin(i));
  return tensor(values, shape, { device });
}

/** Least seconds of x w^T, and its values. */
async function time(
  device: WebGpuDevice,
  x: Tensor,
  w: Tensor,
): Promise<{ readonly seconds: number; readonly values: Float32Array }> {
  const y = scope(() => matmulForward(x, w, { transposeB: true }));
  const values = Float32Array.from(await y.data()); // compiles, too
  y.dispose();
  const multiply = (): void => {
    scope(() => {
      matmulForward(x, w, { transposeB: true });
    });
  };
  if (device.adapter.features.has("timestamp-query")) {
    const times = await device.profile(() => {
      for (let i = 0; i < REPEATS; i++) multiply();
    });
    const passes = times.length / REPEATS;
    const each = Array.from({ length: REPEATS }, (_, i) =>
      times
        .slice(i * passes, (i + 1) * passes)
        .reduce((sum, { nanoseconds }) => sum + nanoseconds / 1e9, 0),
    );
    // Browsers may round the clock to 0.1 ms; then it says nothing of a product.
    if (Math.min(...each) > 0) return { seconds: Math.min(...each), values };
  }
  let seconds = Infinity;
  for (let i = 0; i < REPEATS; i++) {
    const begun = performance.now();
    multiply();
    await device.sync();
    seconds = Math.min(seconds, (performance.now() - begun) / 1000);
  }
  return { seconds, values };
}

/** A driver may compile a shape wrongly; such a one must not win. */
function agree(values: Float32Array, expected: Float32Array): boolean {
  return values.every((value, i) => Math.abs(value - expected[i]!) <= 1e-3);
}

// Kernels that look rows up or move them.

import { concatForward } from "../../src/kernels/moves/concat.ts";
import { embeddingBackward, embeddingForward } from "../../src/kernels/moves/embedding.ts";
import { copyInto, gatherRowsForward } from "../../src/kernels/moves/gatherRows.ts";
import { permuteForward } from "../../src/kernels/moves/permute.ts";
import { sliceForward } from "../../src/kernels/moves/slice.ts";
import { f32Bytes, noise, type BenchInput, type KernelBench } from "./kernelBench.ts";

const indices = (length: number, id: (i: number) => number): BenchInput => ({
  shape: [length],
  values: Int32Array.from({ length }, (_, i) => id(i)),
});

/** Keys of a decoder layer for 4 beams: [beams, positions, heads x width]. */
const [BEAMS, POSITIONS, COLUMNS] = [4, 128, 384];
const cache = (): BenchInput => noise([BEAMS, POSITIONS, COLUMNS], 1);

export const movementBenches: readonly KernelBench[] = [
  {
    kernel: "embeddingForward",
    shape: "2048 rows of [32128×512]",
    flops: 0,
    bytes: f32Bytes(2 * 2048 * 512),
    inputs: () => [
      noise([32128, 512], 1),
      { shape: [2048], values: Int32Array.from({ length: 2048 }, (_, i) => (i * 104729) % 32128) },
    ],
    run: ([table, ids]) => [embeddingForward(table!, ids!)],
    expected([table, ids], index) {
      return table!.values[ids!.values[Math.floor(index / 512)]! * 512 + (index % 512)]!;
    },
  },
  {
    kernel: "embeddingBackward",
    shape: "2048 rows into [32128×512]",
    flops: 0,
    bytes: f32Bytes(32128 * 512, 2048 * 512),
    // Every other token is one of 127 that come back 8 times, as in texts.
    inputs: () => [
      indices(2048, (i) => (i % 2 === 0 ? 251 * (1 + ((i / 2) % 127)) : (i * 104729) % 32128)),
      noise([2048, 512], 1),
    ],
    run: ([ids, dy]) => [embeddingBackward(ids!, dy!, 32128)],
    expected([ids, dy], index) {
      const [row, column] = [Math.floor(index / 512), index % 512];
      let sum = 0;
      ids!.values.forEach((id, i) => {
        if (id === row) sum += dy!.values[i * 512 + column]!;
      });
      return sum;
    },
  },
  {
    kernel: "permute",
    shape: "[8×256×6×64] to [8×6×256×64], heads first",
    flops: 0,
    bytes: f32Bytes(2 * 8 * 256 * 384),
    inputs: () => [noise([8, 256, 6, 64], 1)],
    run: ([x]) => [permuteForward(x!, [0, 2, 1, 3])],
    expected([x], index) {
      const [d, t, h] = [index % 64, Math.floor(index / 64) % 256, Math.floor(index / 16384) % 6];
      const b = Math.floor(index / (6 * 16384));
      return x!.values[((b * 256 + t) * 6 + h) * 64 + d]!;
    },
  },
  {
    kernel: "slice",
    shape: "[1024×512] to columns 128..383",
    flops: 0,
    bytes: f32Bytes(2 * 1024 * 256),
    inputs: () => [noise([1024, 512], 1)],
    run: ([x]) => [sliceForward(x!, 1, 128, 384)],
    expected: ([x], index) => x!.values[Math.floor(index / 256) * 512 + 128 + (index % 256)]!,
  },
  {
    kernel: "concat",
    shape: "[1024×256] beside [1024×256]",
    flops: 0,
    bytes: f32Bytes(4 * 1024 * 256),
    inputs: () => [noise([1024, 256], 1), noise([1024, 256], 2)],
    run: ([a, b]) => [concatForward([a!, b!], 1)],
    expected([a, b], index) {
      const [row, column] = [Math.floor(index / 512), index % 512];
      return (column < 256 ? a! : b!).values[row * 256 + (column % 256)]!;
    },
  },
  {
    kernel: "gatherRows",
    shape: "[4×128×384], beams of a layer's cache in another order",
    flops: 0,
    bytes: f32Bytes(2 * BEAMS * POSITIONS * COLUMNS),
    inputs: () => [cache(), indices(BEAMS, (i) => [2, 0, 0, 3][i]!)],
    run: ([x, beams]) => [gatherRowsForward(x!, beams!)],
    expected([x, beams], index) {
      const size = POSITIONS * COLUMNS;
      return x!.values[beams!.values[Math.floor(index / size)]! * size + (index % size)]!;
    },
  },
  {
    kernel: "copyInto",
    shape: "[4×1×384] into a cache of 128 positions",
    flops: 0,
    bytes: f32Bytes(2 * BEAMS * COLUMNS),
    inputs: () => [cache(), noise([BEAMS, 1, COLUMNS], 2)],
    run([x, keys]) {
      copyInto(x!, keys!, { axis: 1, offset: 100 });
      return [x!];
    },
    expected([x, keys], index) {
      const [column, position] = [index % COLUMNS, Math.floor(index / COLUMNS) % POSITIONS];
      const beam = Math.floor(index / (COLUMNS * POSITIONS));
      return position === 100 ? keys!.values[beam * COLUMNS + column]! : x!.values[index]!;
    },
  },
];

// The two halves of an Adafactor update: the factors that second moments give, and the step that is taken with them.

import fc from "fast-check";
import { expect, it } from "vitest";
import { adafactorStepInPlace } from "../../src/kernels/optimizer/adafactorApply.ts";
import { adafactorMomentsInPlace } from "../../src/kernels/optimizer/adafactorMoments.ts";
import { tensor } from "../../src/tensor/tensor.ts";
import { adafactor as reference } from "../reference/adafactor.ts";
import { distance } from "../support/describeOp.ts";
import { cpu, plain } from "../support/device.ts";
import { gpu } from "../support/gpu.ts";
import { seed, values } from "../support/random.ts";

const size = fc.constantFrom(1, 3, 4, 17, 65);

it.each([
  ["WebAssembly", cpu],
  ["plain", plain],
  ["WGSL", gpu],
] as const)("give u, and the step by it (%s)", (_, device) =>
  fc.assert(
    fc.asyncProperty(fc.constantFrom(1, 2), size, size, seed, async (batch, rows, cols, seed) => {
      const shape = [batch, rows, cols];
      const count = batch * rows * cols;
      const [start, g] = [values(count, seed), values(count, seed + 1)];
      const zeros = (length: number): number[] => new Array<number>(length).fill(0);
      const fresh = () => ({
        ...{ p: [...start], row: zeros(batch * rows), col: zeros(batch * cols), m: null },
      });
      const settings = { beta2: 0.4, eps: 1e-3, weightDecay: 0.1, clipThreshold: 0.5 };
      // A step of rate 1 that nothing clips is u itself.
      const unclipped = fresh();
      reference(unclipped, shape, [...g], {
        ...settings,
        rate: 1,
        clipThreshold: 1e9,
        weightDecay: 0,
      });
      const u = start.map((x, i) => x - unclipped.p[i]!);
      const stepped = fresh();
      reference(stepped, shape, [...g], { ...settings, rate: 0.3, leastScale: 0.2 });

      const make = (data: ArrayLike<number>, ...of: number[]) =>
        tensor([...Array.from(data)], of, { device });
      const row = make(zeros(batch * rows), batch, rows);
      const col = make(zeros(batch * cols), batch, cols);
      // Half the gradient, and a scale that doubles it.
      const gradient = make(
        Array.from(g, (x) => x / 2),
        ...shape,
      );
      const scale = make([2], 1);
      const matrices = { batch, rows, cols };
      const factors = adafactorMomentsInPlace({ gradient, scale, row, col }, matrices, settings);
      const [byRow, byCol] = [await factors.rowFactor.data(), await factors.colFactor!.data()];
      const found = Array.from(g, (x, i) => {
        const r = Math.floor(i / cols);
        return x * Number(byRow[r]) * Number(byCol[Math.floor(r / rows) * cols + (i % cols)]);
      });
      const largest = Math.max(...u.map(Math.abs));
      expect(distance(found, u)).toBeLessThan(3e-6 * largest);
      expect(distance(await row.data(), unclipped.row)).toBeLessThan(1e-6);
      expect(distance(await col.data(), unclipped.col)).toBeLessThan(1e-6);

      const p = make(start, ...shape);
      const step = { ...settings, rate: 0.3, beta1: 0, leastScale: 0.2 };
      adafactorStepInPlace({ ...factors, gradient, scale, p, m: null }, matrices, step);
      expect(distance(await p.data(), stepped.p)).toBeLessThan(3e-6);
      for (const x of [row, col, gradient, scale, p, factors.rowFactor, factors.colFactor!])
        x.dispose();
    }),
    { numRuns: device === gpu ? 8 : 25, seed: 20261129 },
  ),
);

import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { linearEach } from "../../src/autograd/ops/linearEach.ts";
import { matmul } from "../../src/autograd/ops/matmul.ts";
import { add, mul } from "../../src/autograd/ops/pointwise.ts";
import { sum } from "../../src/autograd/ops/reduce.ts";
import { backward, backwardOnto } from "../../src/autograd/backward.ts";
import { Scope, scope } from "../../src/tensor/scope.ts";
import { full, tensor, zeros, type Tensor } from "../../src/tensor/tensor.ts";
import { linearEach as reference } from "../reference/linearEach.ts";
import { describeOp, type OpCase } from "../support/describeOp.ts";
import { cpu, plain } from "../support/device.ts";
import { gpu } from "../support/gpu.ts";
import { dim, seed, values } from "../support/random.ts";

const make = (shape: number[], seed: number, requiresGrad = true): Tensor =>
  tensor(
    values(
      shape.reduce((a, b) => a * b),
      seed,
    ),
    shape,
    {
      ...{ device: cpu, dtype: "f32" as const, requiresGrad },
    },
  );

/** The product of both layers' results, so that there is one to check. */
function makeCase(rows: number, inner: number, cols: number, seed: number): OpCase {
  const [x, first, second] = [
    values(2 * rows * inner, seed),
    values(cols * inner, seed + 1),
    values(cols * inner, seed + 2),
  ];
  const [left, right] = reference(x, [first, second], { rows: 2 * rows, inner, cols });
  return {
    inputs: [
      { shape: [2, rows, inner], values: x },
      { shape: [cols, inner], values: first },
      { shape: [cols, inner], values: second },
    ],
    apply([x, ...weights]) {
      const [a, b] = linearEach(x!, weights as Tensor[]);
      return mul(a!, b!);
    },
    expected: { shape: [2, rows, cols], values: left!.map((y, i) => y * right![i]!) },
  };
}

describeOp({
  name: "linearEach",
  arbitrary: fc.record({ rows: dim, inner: dim, cols: dim, seed }),
  build: ({ rows, inner, cols, seed }) => makeCase(rows, inner, cols, seed),
  constants: {},
  examples: { "sizes of tiles": makeCase(17, 40, 36, 3) },
});

describe("linearEach", () => {
  /** Results and gradients of a computation that uses x before and after, by one op or by three. */
  async function run(each: (x: Tensor, weights: Tensor[]) => Tensor[], used: boolean[]) {
    const memory = new Scope();
    try {
      const tensors = memory.run(() => {
        const x = make([3, 5, 8], 1);
        const weights = [2, 3, 4].map((seed) => make([6, 8], seed));
        const results = each(x, weights);
        const parts = results.filter((_, i) => used[i]).map((y, i) => mul(y, make([6], i, false)));
        const loss = add(sum(parts.reduce((a, b) => add(mul(a, a), b))), sum(mul(x, x)));
        const found = backward(loss, [x, ...weights]);
        return [...results, ...[x, ...weights].map((leaf) => found.get(leaf) ?? null)];
      });
      return await Promise.all(tensors.map((x) => x && x.data()));
    } finally {
      memory.dispose();
    }
  }

  const oneByOne = (x: Tensor, weights: Tensor[]): Tensor[] =>
    weights.map((weight) => matmul(x, weight, { transposeB: true }));

  it.each([
    [true, true, true],
    [false, true, true],
    [true, false, false],
    [false, false, true],
  ])("gives the bits of matmul for each on the cpu; results used: %s %s %s", async (...used) => {
    expect(await run(linearEach, used)).toEqual(await run(oneByOne, used));
  });

  it("adds to gradients that are there, and makes those that are not", async () => {
    const memory = new Scope();
    try {
      const found = memory.run(() => {
        const x = make([4, 8], 1);
        const weights = [2, 3, 4].map((seed) => make([6, 8], seed));
        const into = tensor(new Float32Array(48).fill(1), [6, 8], { device: cpu });
        const loss = linearEach(x, weights)
          .map((y) => sum(y))
          .reduce((a, b) => add(a, b));
        const told: Tensor[] = [];
        const gradients = backwardOnto(
          (leaf) => (leaf === weights[1] ? into : null),
          ...([loss, undefined, undefined] as const),
          { onLeaf: (leaf) => told.push(leaf), onNode: () => undefined },
        );
        // Who overlaps the exchange of gradients with the backward pass hears of each leaf once.
        expect(new Set(told)).toEqual(new Set([x, ...weights]));
        expect(told).toHaveLength(4);
        expect(gradients.get(weights[1]!)).toBe(into);
        return [into, gradients.get(weights[0]!)!];
      });
      const [sum1, alone] = (await Promise.all(found.map((x) => x.data()))) as Float32Array[];
      // Both are the column sums of x, in every row.
      sum1!.forEach((x, i) => expect(x).toBeCloseTo(alone![i]! + 1, 5));
    } finally {
      memory.dispose();
    }
  });

  it("adds to the gradient of a weight that is there twice", async () => {
    // On matrix units products of such a size would be one dispatch.
    for (const device of [cpu, gpu]) {
      const found = scope(() => {
        const x = tensor(values(40 * 64, 1), [40, 64], { device, dtype: "f32" });
        const w = tensor(values(48 * 64, 2), [48, 64], {
          device,
          dtype: "f32",
          requiresGrad: true,
        });
        const into = zeros([48, 64], { device });
        const [a, b] = linearEach(x, [w, w]);
        backward(sum(add(a!, b!)), [w], undefined, new Map([[w, into]]));
        const once = backward(sum(matmul(x, w, { transposeB: true }))).get(w)!;
        return [into, once];
      });
      const [twice, once] = await Promise.all(found.map((each) => each.data()));
      twice!.forEach((y, i) => expect(y).toBeCloseTo(2 * once![i]!, 4));
      for (const each of found) each.dispose();
    }
  });

  it("keeps nothing alive, whether backward runs, is left out or fails", () => {
    const before = cpu.memory().tensors;
    for (const end of ["runs", "is left out", "fails"]) {
      scope(() => {
        const [x, w] = [make([4, 8], 1), [2, 3].map((seed) => make([6, 8], seed))];
        const [a, b] = linearEach(x, w);
        const loss = sum(add(a!, b!));
        if (end === "runs") backward(loss);
        if (end === "fails") {
          const onNode = (): void => {
            if (cpu.memory().tensors > 0 && ++nodes === 3) throw new Error("stop");
          };
          let nodes = 0;
          const watch = { onLeaf: () => undefined, onNode };
          expect(() => backwardOnto(() => null, loss, undefined, undefined, watch)).toThrow("stop");
        }
      });
      expect(cpu.memory().tensors, end).toBe(before);
    }
  });

  it.each([
    ["rows", [0, 8], [6, 8]],
    ["columns of x", [4, 0], [6, 0]],
    ["outputs", [4, 8], [0, 8]],
  ])("gives what matmul gives without %s", async (_name, ofX, ofW) => {
    for (const device of [plain, cpu, gpu]) {
      const results = (each: (x: Tensor, weights: Tensor[]) => Tensor[]): Tensor[] =>
        scope(() => {
          const x = full(ofX, 1, { device, requiresGrad: true });
          const weights = [2, 3].map((value) => full(ofW, value, { device, requiresGrad: true }));
          const ys = each(x, weights);
          const found = backward(sum(add(ys[0]!, ys[1]!)));
          return [...ys, ...[x, ...weights].map((leaf) => found.get(leaf)!)];
        });
      const [ours, expected] = [results(linearEach), results(oneByOne)];
      for (const [i, y] of ours.entries()) {
        expect(y.shape).toEqual(expected[i]!.shape);
        expect(await y.data()).toEqual(await expected[i]!.data());
      }
      for (const y of [...ours, ...expected]) y.dispose();
    }
  });

  it("says what matmul says of shapes that do not fit", () => {
    scope(() => {
      const [x, w] = [zeros([2, 3], { device: cpu }), zeros([4, 5], { device: cpu })];
      expect(() => linearEach(x, [w, w])).toThrow(/matmul: inner sizes must be equal, got 3/);
    });
  });
});

import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { backward } from "../../src/autograd/backward.ts";
import { checkpoint } from "../../src/autograd/checkpoint.ts";
import { dropout } from "../../src/autograd/ops/dropout.ts";
import { matmul } from "../../src/autograd/ops/matmul.ts";
import { add, gelu, mul, mulScalar } from "../../src/autograd/ops/pointwise.ts";
import { sum } from "../../src/autograd/ops/reduce.ts";
import { noGrad } from "../../src/autograd/tape.ts";
import { Generator } from "../../src/tensor/philox.ts";
import { scope } from "../../src/tensor/scope.ts";
import { full, tensor, type Tensor } from "../../src/tensor/tensor.ts";
import { checkpoint as reference } from "../reference/checkpoint.ts";
import { describeOp, type OpCase } from "../support/describeOp.ts";
import { cpu } from "../support/device.ts";
import { dim, seed, values, wideDim } from "../support/random.ts";

interface Case {
  readonly m: number;
  readonly k: number;
  readonly n: number;
  readonly p: number;
  readonly offset: number;
  readonly seed: number;
  /** Pieces within pieces. */
  readonly nested: boolean;
  /** w is read by the function without being an input. */
  readonly captures: boolean;
}

function makeCase({ m, k, n, p, offset, seed, nested, captures }: Case): OpCase {
  const [x, b] = [values(m * k, seed), values(m * n, seed + 2)];
  // Products of about 1: far left gelu's slope is the rounding of 1 + tanh, and a case of one entry would be nothing else.
  const w = values(k * n, seed + 1, 1 / 3);
  return {
    inputs: [
      { shape: [m, k], values: x },
      { shape: [k, n], values: w },
      { shape: [m, n], values: b },
    ],
    apply([x, w, b]) {
      const random = new Generator(seed, offset);
      const hidden = (x: Tensor, w: Tensor) => gelu(matmul(x, w));
      const piece = (x: Tensor, w: Tensor, b: Tensor) => {
        const activated = nested ? checkpoint(hidden, [x, w]) : hidden(x, w);
        return add(dropout(activated, p, random.next()), b);
      };
      return captures
        ? checkpoint((x, b) => piece(x, w!, b), [x!, b!])
        : checkpoint(piece, [x!, w!, b!]);
    },
    expected: {
      shape: [m, n],
      values: reference(x, w, b, { m, k, n }, p, { seed, offset }),
    },
  };
}

const base = { m: 3, k: 4, n: 17, p: 0.4, offset: 2, seed: 5, nested: false, captures: true };

describeOp({
  name: "checkpoint",
  runs: 14,
  arbitrary: fc.record({
    ...{ m: dim, k: dim, n: wideDim, seed },
    p: fc.constantFrom(0, 0.1, 0.5),
    offset: fc.constantFrom(0, 7, 0xffffffff),
    nested: fc.boolean(),
    captures: fc.boolean(),
  }),
  build: makeCase,
  constants: {
    "the dropout probability": [makeCase(base), makeCase({ ...base, p: 0.2 })],
    "the generator's position": [makeCase(base), makeCase({ ...base, offset: 3 })],
  },
  examples: {
    "pieces within pieces": makeCase({ ...base, nested: true }),
    "all tensors as inputs": makeCase({ ...base, captures: false }),
  },
});

/** Output, and gradients of inputs and of a weight that is no input, of four pieces in a row. */
async function fourPieces(run: typeof checkpoint) {
  const random = new Generator(3);
  const results = scope(() => {
    const leaf = (size: number, seed: number) =>
      tensor(values(size, seed), [5, size / 5], { device: cpu, dtype: "f32", requiresGrad: true });
    const [x, w, b] = [leaf(25, 1), leaf(25, 2), leaf(25, 3)];
    let y = x;
    for (let i = 0; i < 4; i++) {
      y = run(
        (y: Tensor, b: Tensor) =>
          add(dropout(gelu(matmul(y, w)), 0.3, random.next()), mul(b, mulScalar(y, 0.1))),
        [y, b],
      );
    }
    const gradients = backward(sum(mul(y, y)));
    return [y, ...[x, w, b].map((leaf) => gradients.get(leaf)!)].map((t) => t.data());
  });
  return { values: (await Promise.all(results)).map((data) => [...data]), offset: random.offset };
}

function plainly<I extends readonly (Tensor | undefined)[]>(
  fn: (...inputs: I) => Tensor,
  inputs: readonly [...I],
): Tensor {
  return fn(...(inputs as I));
}

describe("checkpoint", () => {
  it("changes no bit of output or gradients, and leaves generators where they were", async () => {
    expect(await fourPieces(checkpoint)).toEqual(await fourPieces(plainly));
  });

  it("keeps the inputs only", () => {
    const side = 64;
    const bytes = 4 * side * side;
    const held = (run: typeof checkpoint) =>
      scope(() => {
        const x = full([side, side], 0.5, { device: cpu, requiresGrad: true });
        const before = cpu.memory().bytes;
        const y = scope(() => run((x: Tensor) => gelu(gelu(gelu(gelu(x)))), [x]));
        const after = cpu.memory().bytes - before;
        backward(y, [x], full([side, side], 1, { device: cpu }));
        return after;
      });
    expect(held(checkpoint)).toBe(bytes);
    expect(held(plainly)).toBe(4 * bytes);
  });

  it("leaks nothing, whether or not backward comes", () => {
    const { tensors, bytes } = cpu.memory();
    for (const withBackward of [true, false]) {
      scope(() => {
        const w = full([3, 3], 2, { device: cpu, requiresGrad: true });
        const x = full([3, 3], 1, { device: cpu });
        const y = checkpoint((x) => matmul(x, w), [x]);
        if (withBackward) expect(backward(sum(y)).size).toBe(1);
      });
      expect(cpu.memory()).toMatchObject({ tensors, bytes });
    }
  });

  it("gives only the gradients that are asked for", () => {
    scope(() => {
      const [v, w] = [0, 1].map(() => full([2], 3, { device: cpu, requiresGrad: true }));
      const x = full([2], 2, { device: cpu, requiresGrad: true });
      const y = checkpoint((x) => mul(mul(x, v!), w!), [x]);
      expect([...backward(sum(y), [w!]).keys()]).toEqual([w]);
    });
  });

  it("records nothing where no gradient can flow, and in noGrad", () => {
    scope(() => {
      const x = full([2], 2, { device: cpu });
      const w = full([2], 2, { device: cpu, requiresGrad: true });
      const double = (x: Tensor) => add(x, x);
      expect(checkpoint(double, [x]).requiresGrad).toBe(false);
      expect(noGrad(() => checkpoint(double, [w])).requiresGrad).toBe(false);
      expect(checkpoint(double, [w]).requiresGrad).toBe(true);
    });
  });

  it("passes an input straight through, and undefined on", async () => {
    const gradient = scope(() => {
      const x = full([2], 2, { device: cpu, requiresGrad: true });
      const y = checkpoint((x, mask) => (mask === undefined ? x : mul(x, mask)), [x, undefined]);
      expect(y).not.toBe(x);
      return backward(sum(mul(y, y)), [x]).get(x)!;
    });
    expect([...(await gradient.data())]).toEqual([4, 4]);
    gradient.dispose();
  });

  it("adds up the gradient of an input that is given twice and read besides", async () => {
    const gradient = scope(() => {
      const x = full([1], 3, { device: cpu, requiresGrad: true });
      const y = checkpoint((a, b) => mul(mul(a, b), x), [x, x]); // x^3
      return backward(y, [x]).get(x)!;
    });
    expect(await gradient.item()).toBe(27);
    gradient.dispose();
  });

  it("refuses a function that reads the result of another op behind its back", () => {
    scope(() => {
      const x = full([2, 3], 2, { device: cpu, requiresGrad: true });
      const doubled = add(x, x);
      expect(() => checkpoint((x) => mul(x, doubled), [x])).toThrowErrorMatchingInlineSnapshot(
        `[AutogradError: checkpoint: fn may read only its inputs and leaves, got [2, 3], the result of another op. Pass it as an input.]`,
      );
    });
  });
});

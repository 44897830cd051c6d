// What a rank of ZeRO-1 keeps, and what it does with parameters that are cut at odd places.

import { describe, expect, it } from "vitest";
import { singleProcess, type ProcessGroup } from "../../src/distributed/processGroup.ts";
import { ShardedAdamW } from "../../src/distributed/shardedAdamW.ts";
import { AdamW } from "../../src/optim/adamw.ts";
import { tensor, zeros, type Tensor } from "../../src/tensor/tensor.ts";
import { cpu, plain } from "../support/device.ts";
import { gpu } from "../support/gpu.ts";
import { uniform } from "../support/random.ts";

const PACK = 4 * 1024;
const rank = (number: number, size: number): ProcessGroup => ({
  ...singleProcess,
  ...{ rank: number, size },
});

describe("ShardedAdamW", () => {
  it.each([2, 3, 4, 7])("keeps one in %i moments", async (ranks) => {
    const shapes = [[700, 30], [64], [5], [301, 7], [1]];
    const parameters = new Map(
      shapes.map((shape, i) => [
        `w${i}`,
        zeros(shape, { device: cpu, requiresGrad: true }) as Tensor,
      ]),
    );
    const elements = [...parameters.values()].reduce((sum, { size }) => sum + size, 0);
    const kept = Array.from({ length: ranks }, (_, i) => {
      const optimizer = new ShardedAdamW(rank(i, ranks), parameters, {}, PACK);
      const sizes = optimizer.shards.map(({ m, v }) => [m.size, v.size]);
      for (const [m, v] of sizes) expect(m).toBe(v);
      const most = Math.ceil(elements / ranks) + 256 * optimizer.shards.length;
      const own = sizes.reduce((sum, [m]) => sum + m!, 0);
      expect(own).toBeLessThanOrEqual(most);
      optimizer.dispose();
      return own;
    });
    expect(new Set(kept).size).toBe(1);
    expect(kept.reduce((a, b) => a + b, 0)).toBeGreaterThanOrEqual(elements);
    for (const p of parameters.values()) p.dispose();
  });

  describe.each([
    ["WebAssembly", cpu],
    ["plain", plain],
    ["WGSL", gpu],
  ] as const)("with %s kernels", (_, device) => {
    it("does to its own part what AdamW does to the whole", async () => {
      const shapes = [[33, 8], [129], [12], [7], [600]];
      const next = uniform(3);
      const values = shapes.map(([a, b = 1]) => Array.from({ length: a! * b }, () => next() - 0.5));
      const make = (): Map<string, Tensor> =>
        new Map(
          shapes.map((shape, i) => [
            i === 2 ? "layer_norm.weight" : `w${i}`,
            tensor(values[i]!, shape, { device, requiresGrad: true }),
          ]),
        );
      const gradientsOf = (parameters: Map<string, Tensor>): Map<Tensor, Tensor> =>
        new Map(
          [...parameters.values()].slice(0, 4).map((p, i) => [
            p,
            tensor(
              values[i]!.map((x) => Math.sin(50 * x)),
              p.shape,
              { device },
            ),
          ]),
        ); // the last one gets none
      const options = { weightDecay: 0.5 };
      const whole = make();
      const reference = new AdamW(whole, options);
      const expected = reference.zeroGrad();
      expected.add(gradientsOf(whole));
      reference.step(expected, 0.1);

      const ranks = 3;
      for (let number = 0; number < ranks; number++) {
        const parameters = make();
        const optimizer = new ShardedAdamW(rank(number, ranks), parameters, options, PACK);
        const gradients = optimizer.zeroGradIn();
        gradients.add(gradientsOf(parameters));
        for (const { pack, gradient, own } of optimizer.shards) {
          for (const { tensor: p } of pack.entries) gradients.settle(p);
          const sums = await gradients.wholeOf(pack)!.data();
          device.write(gradient.storage, "f32", Float32Array.from(sums).slice(own.begin, own.end));
        }
        optimizer.step(gradients, 0.1);
        for (const { pack, own } of optimizer.shards) {
          for (const { name, tensor: p, begin } of pack.entries) {
            const [before, after] = [values[[...parameters.keys()].indexOf(name)]!, await p.data()];
            const updated = await whole.get(name)!.data();
            for (let i = 0; i < p.size; i++) {
              const isOwn = begin + i >= own.begin && begin + i < own.end;
              const wanted = isOwn ? Number(updated[i]) : Math.fround(before[i]!);
              expect(Math.abs(Number(after[i]) - wanted), `${name} ${i}`).toBeLessThan(1e-7);
            }
          }
        }
        gradients.dispose();
        optimizer.dispose();
      }
      expected.dispose();
      reference.dispose();
    });
  });
});

import { describe, expect, it } from "vitest";
import { mul, sum } from "../../src/autograd/index.ts";
import { AdamW } from "../../src/optim/adamw.ts";
import { clipGradNorm } from "../../src/optim/clipGradNorm.ts";
import type { Device } from "../../src/tensor/device.ts";
import { ArgumentError, AutogradError, DtypeError, ShapeError } from "../../src/tensor/errors.ts";
import { scope } from "../../src/tensor/scope.ts";
import { tensor, type Tensor } from "../../src/tensor/tensor.ts";
import { cpu } from "../support/device.ts";
import { gpu } from "../support/gpu.ts";

function leaf(device: Device, values: number[]): Tensor {
  return tensor(values, [values.length], { device, requiresGrad: true });
}

/** An optimizer of one parameter [4], and a loss whose gradient is `slope` in every element. */
function setUp(device: Device = cpu) {
  const p = leaf(device, [1, 2, 3, 4]);
  const optimizer = new AdamW([p], { lr: 0.1 });
  const loss = (slope: number): Tensor =>
    sum(mul(p, tensor([slope, slope, slope, slope], [4], { device })));
  return { p, optimizer, loss };
}

describe.each([
  ["cpu", cpu],
  ["webgpu", gpu],
])("the gradients of an update (%s)", (_, device) => {
  it("add up over losses and given gradients", async () => {
    const { p, optimizer, loss } = setUp(device);
    const gradients = optimizer.zeroGrad();
    expect(gradients.get(p)).toBeUndefined();
    expect(gradients.size).toBe(0);
    scope(() => {
      gradients.backward(loss(2));
      gradients.backward(loss(3));
      gradients.add(new Map([[p, tensor([1, 0, 0, 0.5], [4], { device })]]));
    });
    expect(gradients.size).toBe(1);
    expect([...(await gradients.get(p)!.data())]).toEqual([6, 5, 5, 5.5]);
    optimizer.dispose();
    expect(gradients.disposed).toBe(true);
  });

  it("leave those that were given alone", async () => {
    const { p, optimizer, loss } = setUp(device);
    const given = tensor([1, 1, 1, 1], [4], { device });
    const gradients = optimizer.zeroGrad();
    gradients.add(new Map([[p, given]]));
    gradients.add(new Map([[p, given]]));
    scope(() => gradients.backward(loss(2)));
    expect([...(await gradients.get(p)!.data())]).toEqual([4, 4, 4, 4]);
    gradients.dispose();
    expect([...(await given.data())]).toEqual([1, 1, 1, 1]);
    optimizer.dispose();
  });

  it("are zero again after zeroGrad", async () => {
    const { p, optimizer, loss } = setUp(device);
    for (const slope of [2, 3]) {
      const gradients = optimizer.zeroGrad();
      scope(() => gradients.backward(loss(slope)));
      expect([...(await gradients.get(p)!.data())]).toEqual([slope, slope, slope, slope]);
      gradients.dispose();
    }
    optimizer.dispose();
  });

  it("are clipped by their norm, which outlives them, and stepped with that factor", async () => {
    const { p, optimizer, loss } = setUp(device);
    const { norm, scale } = scope(() => {
      const gradients = optimizer.zeroGrad();
      gradients.backward(loss(3));
      const clipped = gradients.clip(1.5, 0.5);
      expect(gradients.scale).toBe(clipped.scale);
      optimizer.step(gradients);
      const copy = mul(clipped.scale, clipped.scale);
      gradients.dispose();
      expect(gradients.scale).toBeNull();
      return { norm: clipped.norm, scale: copy };
    });
    expect(await norm.item()).toBeCloseTo(3, 6); // half of sqrt(4 * 9)
    expect(await scale.item()).toBeCloseTo(0.0625, 6);
    // m = (1 - beta1) * gradient * scale
    const m = await optimizer.state().get("0.exp_avg")!.data();
    expect(m[0]).toBeCloseTo(0.1 * 3 * 0.25, 6);
    expect((await p.data())[0]).toBeCloseTo(1 - 0.1 * 0.01 - 0.1, 5);
    optimizer.dispose();
  });

  it("hold no memory after dispose", () => {
    const { optimizer, loss } = setUp(device);
    const before = device.memory();
    scope(() => {
      const gradients = optimizer.zeroGrad();
      gradients.backward(loss(1));
      gradients.clip(1);
      gradients.dispose();
      gradients.dispose();
    });
    expect(device.memory().tensors).toBe(before.tensors);
    optimizer.dispose();
  });
});

describe("the order of an update", () => {
  const refused = (act: () => void): string => {
    try {
      scope(act);
    } catch (error) {
      expect(error).toBeInstanceOf(AutogradError);
      return (error as Error).message;
    }
    return "nothing was thrown";
  };

  it("is checked: nothing is added, clipped or stepped when it no longer can be", () => {
    const { p, optimizer, loss } = setUp();
    const open = optimizer.zeroGrad();
    expect(refused(() => optimizer.zeroGrad())).toMatchInlineSnapshot(
      `"zeroGrad: the gradients of the update before must be disposed, got open ones. Call gradients.dispose() after step."`,
    );
    expect(refused(() => open.clip(1))).toMatchInlineSnapshot(
      `"clip: needs gradients, got none. Call backward(loss) first."`,
    );
    scope(() => open.backward(loss(1)));
    scope(() => open.clip(1));
    expect(refused(() => open.backward(loss(1)))).toMatchInlineSnapshot(
      `"backward: gradients must be open, got clipped ones. Take new ones from optimizer.zeroGrad()."`,
    );
    expect(refused(() => open.add(new Map()))).toMatch(/^add: .* got clipped ones/);
    expect(refused(() => open.clip(1))).toMatch(/^clip: .* got clipped ones/);
    optimizer.step(open);
    expect(refused(() => optimizer.step(open))).toMatchInlineSnapshot(
      `"step: gradients must be open or clipped, got stepped ones. Take new ones from optimizer.zeroGrad()."`,
    );
    expect(refused(() => open.clip(1))).toMatch(/^clip: .* got stepped ones/);
    open.dispose();
    expect(refused(() => optimizer.step(open))).toMatch(/^step: .* got disposed ones/);
    expect(refused(() => open.get(p))).toMatch(/^get: .* got disposed ones/);
    expect(optimizer.steps).toBe(1);
    optimizer.zeroGrad();
    optimizer.dispose();
  });

  it("is one optimizer's", () => {
    const [one, other] = [setUp(), setUp()];
    const gradients = other.optimizer.zeroGrad();
    scope(() => gradients.backward(other.loss(1)));
    expect(refused(() => one.optimizer.step(gradients))).toMatchInlineSnapshot(
      `"step: gradients must come from this optimizer's zeroGrad(), got another's"`,
    );
    other.optimizer.step(gradients); // as they were not used
    one.optimizer.dispose();
    other.optimizer.dispose();
  });

  it("refuses gradients of another shape, adding none", () => {
    const { p, optimizer } = setUp();
    const q = leaf(cpu, [1]);
    const gradients = optimizer.zeroGrad();
    scope(() => {
      const [good, wrong] = [tensor([1, 1, 1, 1], [4], { device: cpu }), leaf(cpu, [1, 2])];
      const given = new Map([
        [p, good],
        [q, wrong],
      ]);
      expect(() => gradients.add(given)).toThrow(ShapeError);
    });
    expect(gradients.size).toBe(0);
    optimizer.dispose();
  });
});

describe("an optimizer", () => {
  it("has torch.optim.AdamW's defaults, and decays every parameter of a list", async () => {
    const p = leaf(cpu, [1]);
    const optimizer = new AdamW([p]);
    scope(() => optimizer.step(new Map([[p, tensor([2], [1], { device: cpu })]])));
    expect((await p.data())[0]).toBeCloseTo(1 - 1e-3 * 1e-2 - 1e-3, 7);
    expect([...optimizer.state().keys()]).toEqual(["0.exp_avg", "0.exp_avg_sq"]);
    optimizer.lr = 0.5;
    scope(() => optimizer.step(new Map([[p, tensor([2], [1], { device: cpu })]])));
    expect((await p.data())[0]).toBeCloseTo(0.99899 * (1 - 0.5 * 1e-2) - 0.5, 5);
    optimizer.dispose();
  });

  it("refuses options and parameters that it cannot use", () => {
    scope(() => {
      const p = leaf(cpu, [1]);
      for (const options of [
        { lr: -1 },
        { lr: NaN },
        { eps: -1 },
        { weightDecay: -1 },
        { betas: [1, 0.9] as const },
        { betas: [0.9, -0.1] as const },
      ]) {
        expect(() => new AdamW([p], options), JSON.stringify(options)).toThrow(ArgumentError);
      }
      expect(() => new AdamW([p, p])).toThrow(/given once, got 1 twice/);
      expect(() => new AdamW(new Map([["w", mul(p, p)]]))).toThrow(/leaves, got .* \(w\)/);
    });
  });
});

describe("clipGradNorm", () => {
  it("refuses nothing, a bound of 0 and two dtypes", () => {
    scope(() => {
      const g = tensor([1], [1], { device: cpu });
      const wide = tensor([1], [1], { device: cpu, dtype: "f64" });
      expect(() => clipGradNorm(new Map(), 1)).toThrow(ArgumentError);
      expect(() => clipGradNorm([g], 0)).toThrow(ArgumentError);
      expect(() => clipGradNorm([g], NaN)).toThrow(ArgumentError);
      expect(() => clipGradNorm([g, wide], 1)).toThrow(DtypeError);
      expect(() => clipGradNorm([g, wide], 1)).toThrow(/^clipGradNorm: .* got f32 and f64/);
    });
  });
});

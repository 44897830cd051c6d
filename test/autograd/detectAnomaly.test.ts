// The first op whose output or gradient is not finite, by name, on every device; and nothing left behind.

import { describe, expect, it } from "vitest";
import {
  add,
  addScalar,
  AnomalyError,
  AutogradError,
  backward,
  cast,
  checkpoint,
  detectAnomaly,
  DeviceError,
  div,
  log,
  matmul,
  mul,
  mulScalar,
  noGrad,
  permute,
  Scope,
  scope,
  sqrt,
  sum,
  tensor,
  zeros,
  type Anomaly,
  type Device,
  type Tensor,
} from "../../src/index.ts";
import { openWebGpu } from "../../src/tensor/webgpu/open.ts";
import { isFull } from "../support/full.ts";
import { cpu, plain } from "../support/device.ts";
import { gpu } from "../support/gpu.ts";
import { tinyBatch, tinyT5 } from "../support/tinyT5.ts";

const devices = [
  ["cpu", cpu],
  ["plain", plain],
  ["webgpu", gpu],
] as const;

const leaf = (values: readonly number[], device: Device): Tensor =>
  tensor(values, [values.length], { device, requiresGrad: true });

/** Runs `fn` in a scope of its own. @returns what detectAnomaly threw, which must be an AnomalyError */
async function errorOf(
  fn: () => unknown,
  options?: { readonly checkInfinite?: boolean },
): Promise<AnomalyError> {
  const memory = new Scope();
  const caught: unknown = await detectAnomaly(() => void memory.run(fn as () => void), options)
    .then(() => null)
    .catch((error: unknown) => error)
    .finally(() => memory.dispose());
  expect(caught).toBeInstanceOf(AnomalyError);
  return caught as AnomalyError;
}

const anomalyOf = async (...args: Parameters<typeof errorOf>): Promise<Anomaly> =>
  (await errorOf(...args)).anomaly;

describe.each(devices)("detectAnomaly on %s", (_name, device) => {
  const constant = (values: readonly number[]) => tensor(values, [values.length], { device });

  it("names the op whose output became NaN", async () => {
    expect(await anomalyOf(() => div(constant([0, 1, 0]), constant([0, 1, 1])))).toEqual({
      ...{ op: "div", phase: "forward", call: 1, tensor: "output", shape: [3], size: 3 },
      ...{ nan: 1, infinite: 0, inputsFinite: true },
    });
  });

  it("names the op whose output became infinite", async () => {
    const large = [1e30, -1e30, 1, 2];
    expect(await anomalyOf(() => mul(constant(large), constant([1e30, 1e30, 1, 1])))).toEqual({
      ...{ op: "mul", phase: "forward", call: 1, tensor: "output", shape: [4], size: 4 },
      ...{ nan: 0, infinite: 2, inputsFinite: true },
    });
  });

  it("names the op whose gradient became infinite where its output is finite", async () => {
    const step = () => backward(sum(sqrt(leaf([0, 1, 4], device))));
    expect(await anomalyOf(step)).toEqual({
      ...{ op: "sqrt", phase: "backward", call: 1, tensor: "gradient of input 0", shape: [3] },
      ...{ size: 3, nan: 0, infinite: 1, inputsFinite: true },
    });
  });

  it("names the op whose gradient became NaN where its output is finite", async () => {
    const step = () => backward(sqrt(leaf([0, 1], device)), undefined, constant([0, 1]));
    expect(await anomalyOf(step)).toMatchObject({
      ...{ op: "sqrt", phase: "backward", nan: 1, infinite: 0, inputsFinite: true },
    });
  });

  it("names the first of several, forward before backward", async () => {
    const x = leaf([0, 2], device);
    const forward = () => backward(sum(mul(addScalar(div(x, x), 1), x)));
    expect(await anomalyOf(forward)).toMatchObject({ op: "div", phase: "forward" });
    // NaN in sqrt's gradient goes on through those of addScalar and mul.
    const back = () => backward(sum(sqrt(addScalar(mul(x, x), 0))));
    expect(await anomalyOf(back)).toMatchObject({ op: "sqrt", phase: "backward" });
  });

  it("tells which call of the op it was", async () => {
    const steps = () => {
      const x = leaf([1e20, 1], device);
      const y = mul(mul(addScalar(x, 1), constant([1, 1])), x);
      return mul(y, constant([1, 1]));
    };
    expect(await anomalyOf(steps)).toMatchObject({ op: "mul", call: 2 });
  });

  it("lets pass what holds no floating-point numbers", async () => {
    const whole = tensor([-1, -1], [2], { device, dtype: "i32" });
    const empty = leaf([], device);
    await detectAnomaly(() =>
      scope(() => {
        permute(whole, [0]);
        checkpoint(
          (ids: Tensor, x: Tensor) => add(cast(ids, "f32"), x),
          [whole, leaf([1, 2], device)],
        );
        backward(sum(mulScalar(empty, 2))).clear();
      }),
    );
  });

  it("sees ops in noGrad", async () => {
    const step = () => void noGrad(() => div(constant([0]), constant([0])));
    expect(await anomalyOf(step)).toMatchObject({ op: "div", phase: "forward" });
  });

  it("sees ops in checkpoint, in the forward and in the backward", async () => {
    const roots = (values: readonly number[]) =>
      backward(sum(checkpoint((x: Tensor) => mulScalar(sqrt(x), 2), [leaf(values, device)])));
    expect(await anomalyOf(() => roots([-1, 4]))).toMatchObject({ op: "sqrt", phase: "forward" });
    expect(await anomalyOf(() => roots([0, 4]))).toMatchObject({ op: "sqrt", phase: "backward" });
  });

  it.each(["f16", "bf16"] as const)("counts values of %s", async (dtype) => {
    const overflow = () => cast(leaf([3.4e38, 1, -3.4e38, 2, 3], device), dtype);
    expect(await anomalyOf(overflow)).toMatchObject({ op: "cast", infinite: 2, size: 5 });
    const weight = tensor([1, 2, NaN, 4, 5, 6], [3, 2], { device, dtype });
    const product = () => matmul(tensor([[1, 1, 1]], [1, 3], { device }), weight);
    expect(await anomalyOf(product)).toMatchObject({ op: "matmul", nan: 1, inputsFinite: false });
  });

  it("leaves infinite values alone where they are said to belong", async () => {
    const masked = () => add(constant([1, 2]), constant([0, -Infinity]));
    expect(await anomalyOf(masked)).toMatchObject({ op: "add", inputsFinite: false });
    const options = { checkInfinite: false };
    await detectAnomaly(() => scope(() => void masked()), options);
    const later = () => mulScalar(masked(), 0);
    expect(await anomalyOf(later, options)).toMatchObject({ op: "mulScalar", nan: 1 });
  });

  it.runIf(isFull)(
    "finds nothing in a healthy step of T5, whose gradients are as they are without it",
    async () => {
      const model = tinyT5({ device });
      const step = () =>
        scope(() => {
          const gradients = backward(model.forward(tinyBatch(2, 5)).loss!);
          return gradients.get(model.parameters().get("shared.weight")!)!;
        });
      // A step takes seconds where a CPU plays the GPU; one with gradient checkpointing runs all that the other does.
      for (const enabled of device === gpu ? [true] : [false, true]) {
        model.gradientCheckpointing = enabled;
        const [checked, unchecked] = [await detectAnomaly(step), step()];
        expect(await checked.data()).toEqual(await unchecked.data());
        checked.dispose();
        unchecked.dispose();
      }
      model.dispose();
    },
  );

  it.each([
    ["shared.weight", "embedding", 1],
    ["encoder.block.1.layer.1.layer_norm.weight", "rmsNorm", 4],
    ["decoder.block.0.layer.1.EncDecAttention.k.weight", "linearEach", 0],
    ["lm_head.weight", "matmul", 0],
  ])("names the op that reads a NaN in %s of a T5", async (name, op, call) => {
    const model = tinyT5({ device });
    const weight = model.parameters().get(name)!;
    device.write(weight.storage, "f32", new Float32Array(weight.size).fill(NaN));
    const { message, anomaly } = await errorOf(() =>
      backward(model.forward(tinyBatch(2, 5)).loss!),
    );
    expect(anomaly).toMatchObject({ op, phase: "forward", inputsFinite: false });
    expect(message).toContain(`[${weight.shape.join(", ")}] already held ${weight.size} NaN`);
    if (call > 0) expect(anomaly.call).toBe(call);
    model.dispose();
  });

  it("leaves no tensors behind", async () => {
    const x = leaf([0, 4], device);
    const { tensors, bytes } = device.memory();
    await detectAnomaly(() => scope(() => void backward(sum(mul(x, x))).clear()));
    await errorOf(() => backward(sum(sqrt(x))));
    await detectAnomaly(() => Promise.reject(new Error("stop"))).catch(() => undefined);
    await detectAnomaly(() => {
      scope(() => void mul(x, x));
      throw new Error("stop");
    }).catch(() => undefined);
    expect(device.memory()).toMatchObject({ tensors, bytes });
  });
});

describe("gradients that no rule made", () => {
  const step = (...args: Parameters<typeof backward>) => anomalyOf(() => backward(...args));

  it("are the seed", async () => {
    const y = mulScalar(leaf([1, 2], cpu), 3);
    expect(await step(y, undefined, tensor([1, NaN], [2], { device: cpu }))).toMatchObject({
      ...{ op: "mulScalar", phase: "backward", tensor: "seed", nan: 1, inputsFinite: true },
    });
  });

  it("are sums of gradients that are finite each", async () => {
    const x = leaf([1, 2], cpu);
    const seed = () => tensor([3e38, 0], [2], { device: cpu });
    expect(await step(add(x, x), undefined, seed())).toMatchObject({
      ...{ op: "backward", tensor: "sum of the gradients of a leaf", infinite: 1, shape: [2] },
    });
    const y = mulScalar(x, 1);
    expect(await step(add(y, y), undefined, seed())).toMatchObject({
      ...{ op: "mulScalar", tensor: "sum of the gradients of its output", infinite: 1 },
    });
  });

  it("are those of earlier batches", async () => {
    const x = leaf([1, 2], cpu);
    const before = new Map([[x, tensor([NaN, 0], [2], { device: cpu })]]);
    expect(await step(sum(mul(x, x)), undefined, undefined, before)).toMatchObject({
      ...{ op: "backward", tensor: "earlier gradient of a leaf", nan: 1 },
    });
  });
});

describe("detectAnomaly", () => {
  const bad = () => div(zeros([2], { device: cpu }), zeros([2], { device: cpu }));

  it("tells the cure, with the stack of the op's call in the forward", async () => {
    function myModel(x: Tensor): Tensor {
      return sum(sqrt(x));
    }
    const { message, stack } = await errorOf(() => backward(myModel(leaf([0, 4], cpu))));
    expect(message).toMatchInlineSnapshot(
      `"sqrt: gradient of input 0 [2] must be finite, got 1 infinite of 2 values in backward call 1. The gradient of its output was finite, so the op's derivative made them: keep its inputs away from where that is not finite (a square root or log at 0, a division by 0), or scale the loss down."`,
    );
    const [head, ...frames] = stack!.split("\n");
    expect(head).toBe(`AnomalyError: ${message}`);
    expect(frames[0]).toMatch(/src\/autograd\/ops\//);
    expect(frames.findIndex((line) => line.includes("myModel"))).toBeLessThan(4);
    expect((await errorOf(bad)).message).toMatchInlineSnapshot(
      `"div: output [2] must be finite, got 2 NaN of 2 values in forward call 1. Its inputs were finite, so the op made them: look for a division by 0, a log or square root out of its domain, or numbers beyond the dtype's range."`,
    );
    const weight = tensor([1, NaN, Infinity], [3], { device: cpu });
    expect((await errorOf(() => mulScalar(weight, 2))).message).toMatchInlineSnapshot(
      `"mulScalar: output [3] must be finite, got 1 NaN and 1 infinite of 3 values in forward call 1. Its input 0 [3] already held 1 NaN and 1 infinite of 3 values: look at where that comes from, such as a weight, a batch or a mask."`,
    );
  });

  it("tells calls apart that differ in the shape or in the place", async () => {
    const byShape = await anomalyOf(() => {
      for (const size of [1, 2, 3]) div(zeros([size], { device: cpu }), leaf([size - 3], cpu));
    });
    expect(byShape).toMatchObject({ shape: [3], call: 3 });
    const soundPlace = () => log(leaf([1], cpu));
    const brokenPlace = () => log(leaf([-1], cpu));
    const { stack } = await errorOf(() => [soundPlace(), brokenPlace()]);
    expect(stack).toContain("brokenPlace");
    expect(stack).not.toContain("soundPlace");
  });

  it("returns what fn returns", async () => {
    expect(await detectAnomaly(() => 7)).toBe(7);
    expect(await detectAnomaly(() => Promise.resolve("text"))).toBe("text");
    expect(await detectAnomaly(() => undefined)).toBeUndefined();
  });

  it("checks on while an asynchronous fn waits", async () => {
    const run = async () => {
      const x = leaf([0, 1], cpu);
      await cpu.sync();
      const y = mulScalar(x, 1);
      await y.data();
      log(y).dispose();
    };
    await expect(detectAnomaly(run)).rejects.toMatchObject({ anomaly: { op: "log", infinite: 1 } });
  });

  it("runs one at a time, and again after each end", async () => {
    let end = () => {};
    const first = detectAnomaly(() => new Promise<void>((resolve) => (end = resolve)));
    const second = detectAnomaly(() => 1);
    await expect(second).rejects.toThrow(AutogradError);
    await expect(second).rejects.toThrowErrorMatchingInlineSnapshot(
      `[AutogradError: detectAnomaly: one may run at a time, got a second before the first had ended. Await the first.]`,
    );
    scope(bad);
    end();
    // What ran meanwhile was seen, and the refused call ended nothing.
    await expect(first).rejects.toThrow(/^div: /);
    await expect(detectAnomaly(() => detectAnomaly(() => 1))).rejects.toThrow(AutogradError);
    await expect(errorOf(bad)).resolves.toBeInstanceOf(AnomalyError);
    expect(await detectAnomaly(() => 1)).toBe(1);
  });

  it("dispatches nothing once it has ended", async () => {
    await errorOf(bad);
    const x = leaf([1], cpu);
    const before = cpu.dispatches;
    scope(() => backward(mulScalar(x, 2)).clear());
    expect(cpu.dispatches - before).toBe(2);
  });

  it("reports what fn threw, as the cause of an anomaly that came before it", async () => {
    const failure = new Error("the metric must be a number, got NaN");
    const fails = (first: () => unknown) => () => {
      scope(() => void first());
      throw failure;
    };
    await expect(detectAnomaly(fails(() => 1))).rejects.toBe(failure);
    await expect(detectAnomaly(fails(bad))).rejects.toMatchObject({
      ...{ name: "AnomalyError", cause: failure, anomaly: { op: "div" } },
    });
    expect("cause" in (await errorOf(bad))).toBe(false);
  });

  it.each([4096, 4097, 5000])("finds it after %d tensors", async (tensors) => {
    const found = await anomalyOf(() => {
      const x = leaf([1], cpu);
      // Two tensors a call: what it read and what it made.
      for (let i = 0; i + 2 < tensors - 2; i += 2) mulScalar(x, 1).dispose();
      mulScalar(x, Infinity);
      log(tensor([-1], [1], { device: cpu }));
    });
    expect(found).toMatchObject({ op: "mulScalar", call: Math.ceil((tensors - 4) / 2) + 1 });
  });

  it("keeps the order of ops on several devices", async () => {
    const sound = (device: Device) => mulScalar(leaf([1], device), 2);
    const broken = (device: Device) => log(leaf([-1], device));
    for (const [first, second] of [[cpu, plain] as const, [plain, cpu] as const]) {
      const found = await anomalyOf(() => {
        for (const device of [cpu, plain]) sound(device);
        mulScalar(broken(second === cpu ? plain : cpu), 1);
        sqrt(leaf([-1], second));
        sound(first);
      });
      expect(found).toMatchObject({ op: "log", call: 1 });
    }
  });

  it("reports what fn threw where the counts can no longer be read", async () => {
    for (const failure of [null, new Error("the GPU is gone")]) {
      const lost = await openWebGpu();
      const run = async () => {
        log(leaf([-1], lost));
        await lost.close();
        if (failure) throw failure;
      };
      const caught: unknown = await detectAnomaly(run).catch((error: unknown) => error);
      if (failure) expect(caught).toBe(failure);
      else expect(caught).toBeInstanceOf(DeviceError);
    }
  });

  it("counts values of f64", async () => {
    const x = tensor([1e200, 1], [2], { device: cpu, dtype: "f64" });
    expect(await anomalyOf(() => mul(x, x))).toMatchObject({ op: "mul", infinite: 1 });
  });
});

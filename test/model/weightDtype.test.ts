// Weights' dtypes go by two names; both are taken, and messages use the short one.

import { describe, expect, it } from "vitest";
import { ArgumentError } from "../../src/tensor/errors.ts";
import { parseWeightDtype, torchDtype } from "../../src/model/weightDtype.ts";
import { T5ForConditionalGeneration } from "../../src/t5/model.ts";
import { openDevice } from "../../src/kernels/openDevice.ts";

describe("the dtype of weights", () => {
  it.each([
    ["f32", "float32"],
    ["f16", "float16"],
    ["bf16", "bfloat16"],
  ] as const)("is %s or %s", (dtype, torchName) => {
    expect(parseWeightDtype("--dtype", dtype)).toBe(dtype);
    expect(parseWeightDtype("--dtype", torchName)).toBe(dtype);
    expect(torchDtype(dtype)).toBe(torchName);
  });

  it("is q8 or int8, which config.json has no name for", () => {
    expect(parseWeightDtype("--dtype", "int8")).toBe("q8");
    expect(parseWeightDtype("--dtype", "q8")).toBe("q8");
    expect(torchDtype("q8")).toBe(null);
  });

  it("is no other: the message lists both spellings", () => {
    for (const text of ["f64", "int4", "", "toString"]) {
      expect(() => parseWeightDtype("fromPretrained: dtype", text)).toThrow(
        new ArgumentError(
          `fromPretrained: dtype must be f32 (or float32), f16 (or float16), bf16 (or bfloat16), q8 (or int8), got "${text}"`,
        ),
      );
    }
    expect(torchDtype("i32")).toBe(null);
  });

  it("is read by fromPretrained in either spelling", async () => {
    const device = await openDevice("cpu");
    for (const dtype of ["bf16", "bfloat16"] as const) {
      const model = await T5ForConditionalGeneration.fromPretrained("examples/model", {
        device,
        dtype,
      });
      expect(new Set([...model.parameters().values()].map((x) => x.dtype))).toEqual(
        new Set(["bf16"]),
      );
      model.dispose();
    }
    await device.close();
  });
});

// Elements in text: NumPy's own texts for the same arrays (test/golden/makeNumpyPrint.py).

import { readFileSync } from "node:fs";
import { describe, expect, it } from "vitest";
import { toStorage, type Dtype } from "../../src/tensor/dtype.ts";
import { printElements } from "../../src/tensor/printing.ts";
import { absolutePath } from "../support/sources.ts";

interface Printed {
  readonly dtype: Dtype;
  readonly shape: readonly number[];
  readonly values: readonly (number | boolean | "inf" | "-inf" | "nan")[];
  readonly text: string;
}

const cases = JSON.parse(
  readFileSync(absolutePath("test/golden/numpy-print.json"), "utf8"),
) as Printed[];

const asNumber = (value: Printed["values"][number]): number =>
  typeof value === "string" ? Number(value.replace("inf", "Infinity")) : Number(value);

describe("printElements", () => {
  it.each(cases)("is NumPy's for $dtype $shape: $text", ({ dtype, shape, values, text }) => {
    expect(printElements(toStorage(dtype, values.map(asNumber)), shape, dtype)).toBe(text);
  });

  it("shows the fewest digits of bf16", () => {
    const stored = toStorage("bf16", [0.1, 1, 3.14159]);
    expect(printElements(stored, [3], "bf16")).toBe("[0.1  1.   3.14]");
  });
});

// What a bar shows in terminals of any width.

import { expect, it } from "vitest";
import { barLine, type BarState } from "../../src/cli/terminal/progress.ts";

const state: BarState = {
  ...{ label: "fine-tune", value: 30, total: 40, left: "20s left", detail: "loss 4.5205" },
};

it.each([
  [120, `fine-tune ${"█".repeat(30)}${"░".repeat(10)} 75% | 30/40 | 20s left | loss 4.5205`],
  [80, `fine-tune ${"█".repeat(24)}${"░".repeat(8)} 75% | 30/40 | 20s left | loss 4.5205`],
  [50, "fine-tune 75% | 30/40 | 20s left | loss 4.5205"],
  [40, "fine-tune 75% | 30/40 | 20s left"],
  [20, "fine-tune 75%"],
  [8, "fine-tu"],
])("fits a terminal of %d columns", (width, line) => {
  expect(barLine(state, width)).toBe(line);
});

it("never reaches the last column", () => {
  for (let width = 1; width < 150; width++) {
    expect(barLine(state, width).length).toBeLessThan(width);
  }
});

it("is empty at the beginning and full at the end", () => {
  const bar = (value: number): string => barLine({ ...state, value, left: "", detail: "" }, 80);
  expect(bar(0)).toBe(`fine-tune ${"░".repeat(40)} 0% | 0/40`);
  expect(bar(40)).toBe(`fine-tune ${"█".repeat(40)} 100% | 40/40`);
});

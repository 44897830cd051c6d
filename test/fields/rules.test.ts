import { describe, expect, it } from "vitest";
import {
  checkFields,
  flag,
  formatValue,
  number,
  oneOf,
  orNull,
  whole,
} from "../../src/fields/rules.ts";

describe("formatValue", () => {
  it.each([
    ["a", '"a"'],
    [NaN, "NaN"],
    [null, "null"],
    [undefined, "nothing"],
    [["q", 1], '["q",1]'],
    [{ q: 1 }, '{"q":1}'],
  ])("shows %j as %s", (value, shown) => {
    expect(formatValue(value)).toBe(shown);
  });
});

describe("checkFields", () => {
  const rules = { beams: whole(1), sample: flag };
  const check = (values: object) => () =>
    checkFields(values, rules, {
      unknown: (name, hint) => new Error(`unknown ${name}. ${hint}`),
      wrong: (name, must, value) => new Error(`${name}: ${must}, ${formatValue(value)}`),
    });

  it("passes what keeps the rules, and undefined", () => {
    expect(check({ beams: 1, sample: undefined })).not.toThrow();
  });

  it("throws for the first field that does not", () => {
    expect(check({ beams: 0, sample: 1 })).toThrow(
      new Error("beams: a whole number of at least 1, 0"),
    );
    expect(check({ beam: 1 })).toThrow(new Error("unknown beam. Did you mean beams?"));
  });

  it("does not take names that every object inherits for fields", () => {
    expect(check({ toString: 1 })).toThrow(new Error("unknown toString. Known: beams, sample."));
  });
});

describe("texts of a command line", () => {
  it.each([
    [whole(0), "12", 12],
    [whole(0), " ", " "],
    [number("a number", () => true), "1e-3", 1e-3],
    [flag, "TRUE", true],
    [flag, "yes", "yes"],
    [orNull(whole(1)), "none", null],
    [oneOf("a", "b"), "a", "a"],
  ])("are read by kind: %#", (rule, text, value) => {
    expect(rule.read(text)).toBe(value);
  });
});

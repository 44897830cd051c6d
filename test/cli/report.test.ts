// The report page: whole HTML that loads nothing, shows everything, and survives hostile texts and numbers.

import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { barChart, escapeHtml, lineChart } from "../../src/cli/report/charts.ts";
import { renderReport, type ReportData } from "../../src/cli/report/page.ts";

const VOID = new Set(["meta", "rect", "circle", "line", "polyline"]);

/** Names of elements that are not closed in the order they were opened. */
function unbalanced(html: string): string[] {
  const open: string[] = [];
  const wrong: string[] = [];
  for (const [, close, name, selfClosed] of html.matchAll(/<(\/?)([a-zA-Z]\w*)[^<>]*?(\/?)>/g)) {
    if (close) {
      if (open.pop() !== name) wrong.push(name!);
    } else if (!selfClosed && !(VOID.has(name!) && !["rect", "circle"].includes(name!))) {
      open.push(name!);
    }
  }
  return [...wrong, ...open];
}

const row = (i: number) => ({
  dialogue: `#Person1#: Question ${Math.floor(i / 3)}?\n#Person2#: Answer.`,
  human: `human ${i}`,
  original: `original ${i}`,
  instruct: `instruct ${i}`,
});

const data: ReportData = {
  title: "A run",
  lead: "model on data",
  tiles: [{ label: "ROUGE-1", value: "0.1 → 0.3", detail: "ten rows" }],
  note: "padding is ignored",
  arguments: { learningRate: 5e-5, outputDir: "here" },
  loss: { name: "loss", points: [10, 20, 30].map((x) => ({ x, y: 3 / x })) },
  learningRate: { name: "learning rate", points: [{ x: 10, y: 4.5e-6 }] },
  rouge: {
    types: ["rouge1", "rougeL"],
    original: [0.1, 0.4],
    instruct: [0.3214, 0.35],
  },
  example: { dialogue: "no speaker here", human: "h", original: "o", instruct: "f" },
  summaries: Array.from({ length: 10 }, (_, i) => row(i)),
};

describe("renderReport", () => {
  const page = renderReport(data);

  it("shows everything, and each dialogue of three references once", () => {
    for (const { human, original, instruct } of data.summaries) {
      for (const text of [human, original, instruct]) expect(page).toContain(`<td>${text}</td>`);
    }
    expect(page.match(/<details>/g)).toHaveLength(4);
    expect(page.match(/<b>#Person2#<\/b>Answer\./g)).toHaveLength(4);
    for (const text of ["no speaker here", "0.3214", "+22.14", "-5.00", "learningRate"]) {
      expect(page).toContain(text);
    }
  });

  it("is whole, and loads nothing", () => {
    expect(unbalanced(page)).toEqual([]);
    expect(page).not.toMatch(/<script|<link|<img|\bsrc=|\bhref=|url\(|@import|http/);
  });

  it("takes any text as text", () => {
    fc.assert(
      fc.property(fc.string(), fc.constantFrom("</td>", "<script>", `"><b>`, "&amp;"), (a, b) => {
        const text = `${a}${b}`;
        const example = { dialogue: text, human: text, original: text, instruct: text };
        const hostile = renderReport({
          ...data,
          ...{ title: text, lead: text, note: text, arguments: { [text]: text } },
          loss: { name: text, points: data.loss.points },
          example,
          summaries: [example],
        });
        expect(unbalanced(hostile)).toEqual([]);
        expect(hostile).not.toContain("<script>");
        expect(hostile).toContain(`<td>${escapeHtml(text)}</td>`);
      }),
      { numRuns: 50, seed: 20261123 },
    );
  });
});

describe("charts", () => {
  const number = fc.oneof(fc.double({ noNaN: false }), fc.constantFrom(0, 1e-300, 1e300, -5));

  it("draw what can be drawn, whatever they are given", () => {
    fc.assert(
      fc.property(
        fc.array(fc.record({ x: fc.nat(1000), y: number }), { maxLength: 6 }),
        (points) => {
          const drawn = points.filter(({ y }) => Math.abs(y) <= 1e30);
          const svg = lineChart([{ name: "loss", points }], { x: "step", y: "loss" });
          expect(svg.match(/class="hit"/g) ?? []).toHaveLength(drawn.length);
          expect(svg.replace(/<title>.*?<\/title>/g, "")).not.toMatch(/NaN|Infinity/);
        },
      ),
      { numRuns: 200, seed: 20261123 },
    );
  });

  it("put the highest point at the top and the lowest at the bottom", () => {
    const svg = lineChart(
      [
        {
          name: "loss",
          points: [
            { x: 0, y: 5 },
            { x: 10, y: 1 },
          ],
        },
      ],
      { x: "step", y: "loss" },
    );
    const [first, last] = [...svg.matchAll(/cx="([\d.]+)" cy="([\d.]+)" r="3"/g)].map((found) =>
      found.slice(1).map(Number),
    );
    expect(first![0]).toBeLessThan(last![0]!);
    expect(first![1]).toBeLessThan(last![1]!);
  });

  it("give bars heights in the ratio of their values, and the compared one grey", () => {
    const svg = barChart(
      ["a"],
      [
        { name: "before", values: [0.1], muted: true },
        { name: "after", values: [0.3] },
      ],
      "F",
    );
    const bars = [...svg.matchAll(/<rect class="(\w+)".*? height="([\d.]+)"/g)];
    expect(bars.map(([, name]) => name)).toEqual(["muted", "s0"]);
    expect(Number(bars[1]![2]) / Number(bars[0]![2])).toBeCloseTo(3, 1);
  });
});

// Charts as SVG text: no scripts and no fonts to load, so that a report opens from disk anywhere.
// Colours come from classes of the page (see style.ts), so both light and dark themes work.

/** A point of a curve. */
export interface Point {
  readonly x: number;
  readonly y: number;
}

/** A curve with its name. */
export interface Series {
  readonly name: string;
  readonly points: readonly Point[];
}

const WIDTH = 560;
const HEIGHT = 300;
const MARGIN = { top: 36, right: 16, bottom: 44, left: 48 };
/** Least radius at which a point is easily hit by the pointer. */
const HIT_RADIUS = 10;
const PLOT = {
  width: WIDTH - MARGIN.left - MARGIN.right,
  height: HEIGHT - MARGIN.top - MARGIN.bottom,
};

/** Text safe inside HTML and SVG, attributes included. */
export function escapeHtml(text: string): string {
  const entities: Record<string, string> = {
    "&": "&amp;",
    "<": "&lt;",
    ">": "&gt;",
    '"': "&quot;",
    "'": "&#39;",
  };
  return text.replace(/[&<>"']/g, (character) => entities[character]!);
}

/** Values past this have diverged and would leave nothing to see of the others. */
const LARGEST = 1e30;

/** A line per series over an x axis from 0; points carry tooltips. NaN and what is past 1e30 are left out. */
export function lineChart(
  series: readonly Series[],
  labels: { readonly x: string; readonly y: string },
): string {
  const drawn = series.map(({ name, points }) => ({
    name,
    points: points.filter(({ x, y }) => Math.abs(x) <= LARGEST && Math.abs(y) <= LARGEST),
  }));
  const all = drawn.flatMap(({ points }) => points);
  if (all.length === 0) return "<p>No points were logged.</p>";
  const last = Math.max(...all.map((p) => p.x));
  const x = scale([0, last], [MARGIN.left, MARGIN.left + PLOT.width]);
  const y = scale(padded(all.map((p) => p.y)), [MARGIN.top + PLOT.height, MARGIN.top]);
  const lines = drawn.map(({ name, points }, i) => {
    const path = points.map((p) => `${round(x.at(p.x))},${round(y.at(p.y))}`).join(" ");
    const dots = points.map((p) => {
      const at = `cx="${round(x.at(p.x))}" cy="${round(y.at(p.y))}"`;
      const title = `<title>${escapeHtml(name)} ${format(p.y)} at ${labels.x} ${p.x}</title>`;
      return `<circle class="s${i}" ${at} r="3"/><circle class="hit" ${at} r="${HIT_RADIUS}">${title}</circle>`;
    });
    return `<polyline class="line s${i}" points="${path}"/>${dots.join("")}`;
  });
  return figure(
    labels,
    yAxis(y, labels.y) + xAxis(x, labels.x) + lines.join(""),
    legend(
      drawn.map(({ name }) => name),
      drawn.map((_, i) => `s${i}`),
    ),
  );
}

export interface Bars {
  readonly name: string;
  /** One value for each group. */
  readonly values: readonly number[];
  /** Grey instead of a colour: what the other bars are to be compared with. */
  readonly muted?: boolean;
}

/** Groups of bars, one bar of each series in every group, with their values above them. */
export function barChart(
  groups: readonly string[],
  series: readonly Bars[],
  yLabel: string,
): string {
  const coloured = series.filter(({ muted }) => !muted);
  const classes = series.map((each) => (each.muted ? "muted" : `s${coloured.indexOf(each)}`));
  const top = Math.max(...series.flatMap(({ values }) => values), 1e-9) * 1.15;
  const y = scale([0, top], [MARGIN.top + PLOT.height, MARGIN.top]);
  const groupWidth = PLOT.width / groups.length;
  const barWidth = (groupWidth * 0.7) / series.length;
  const bars = groups.flatMap((group, g) =>
    series.map(({ name, values }, s) => {
      const left = MARGIN.left + g * groupWidth + groupWidth * 0.15 + s * barWidth;
      const height = y.at(0) - y.at(values[g]!);
      const middle = round(left + barWidth / 2);
      const title = `<title>${escapeHtml(name)} ${escapeHtml(group)}: ${format(values[g]!)}</title>`;
      return (
        `<rect class="${classes[s]}" x="${round(left + 1)}" y="${round(y.at(values[g]!))}" width="${round(barWidth - 2)}" height="${round(height)}" rx="2">${title}</rect>` +
        `<text class="value" x="${middle}" y="${round(y.at(values[g]!) - 4)}" text-anchor="middle">${values[g]!.toFixed(3)}</text>`
      );
    }),
  );
  const names = groups.map(
    (group, g) =>
      `<text x="${round(MARGIN.left + (g + 0.5) * groupWidth)}" y="${HEIGHT - MARGIN.bottom + 20}" text-anchor="middle">${escapeHtml(group)}</text>`,
  );
  return figure(
    { x: groups.join(", "), y: yLabel },
    yAxis(y, yLabel) + bars.join("") + names.join(""),
    legend(
      series.map(({ name }) => name),
      classes,
    ),
  );
}

interface Scale {
  at(value: number): number;
  readonly ticks: readonly number[];
}

function scale(domain: readonly [number, number], range: readonly [number, number]): Scale {
  const span = domain[1] - domain[0] || 1;
  const at = (value: number) => range[0] + ((value - domain[0]) / span) * (range[1] - range[0]);
  return { at, ticks: ticksOf(domain[0], domain[0] + span) };
}

/** Three to six round numbers inside [from, to]. */
function ticksOf(from: number, to: number): number[] {
  const rough = (to - from) / 5;
  const power = 10 ** Math.floor(Math.log10(rough));
  const step = power * ([1, 2, 5, 10].find((factor) => factor * power >= rough) ?? 10);
  const first = Math.ceil(from / step);
  const count = Math.floor(to / step + 1e-9) - first + 1;
  return Array.from({ length: count }, (_, i) => (first + i) * step);
}

function extent(values: readonly number[]): [number, number] {
  return [Math.min(...values), Math.max(...values)];
}

function padded(values: readonly number[]): [number, number] {
  const [low, high] = extent(values);
  const margin = (high - low || Math.abs(high) || 1) * 0.08;
  return [low >= 0 ? Math.max(0, low - margin) : low - margin, high + margin];
}

function yAxis(y: Scale, label: string): string {
  const rows = y.ticks.map((tick) => {
    const at = round(y.at(tick));
    return `<line class="grid" x1="${MARGIN.left}" x2="${WIDTH - MARGIN.right}" y1="${at}" y2="${at}"/><text class="tick" x="${MARGIN.left - 8}" y="${at + 4}" text-anchor="end">${format(tick)}</text>`;
  });
  return `${rows.join("")}<text class="title" x="0" y="14">${escapeHtml(label)}</text>`;
}

function xAxis(x: Scale, label: string): string {
  const ticks = x.ticks.map(
    (tick) =>
      `<text class="tick" x="${round(x.at(tick))}" y="${HEIGHT - MARGIN.bottom + 20}" text-anchor="middle">${format(tick)}</text>`,
  );
  return `${ticks.join("")}<text class="tick" x="${WIDTH - MARGIN.right}" y="${HEIGHT - 6}" text-anchor="end">${escapeHtml(label)}</text>`;
}

function legend(names: readonly string[], classes: readonly string[]): string {
  if (names.length < 2) return "";
  const items = names.map(
    (name, i) => `<span><i class="swatch ${classes[i]}"></i>${escapeHtml(name)}</span>`,
  );
  return `<figcaption>${items.join("")}</figcaption>`;
}

function figure(labels: { x: string; y: string }, content: string, caption: string): string {
  const description = escapeHtml(`${labels.y} over ${labels.x}`);
  return `<figure><svg viewBox="0 0 ${WIDTH} ${HEIGHT}" role="img" aria-label="${description}">${content}</svg>${caption}</figure>`;
}

function round(value: number): number {
  return Math.round(value * 10) / 10;
}

/** Up to four significant digits, without trailing zeros; small numbers as 5e-5. */
function format(value: number): string {
  const rounded = Number(value.toPrecision(4));
  return rounded !== 0 && Math.abs(rounded) < 0.01 ? rounded.toExponential() : String(rounded);
}

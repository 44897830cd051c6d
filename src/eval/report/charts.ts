// Charts as SVG text: no scripts and no fonts to load, so that a report opens from disk anywhere.
// Colours come from CSS variables of the page (see page.ts), so both light and dark themes work.

export interface Point {
  readonly x: number;
  readonly y: number;
}

export interface Series {
  readonly name: string;
  readonly points: readonly Point[];
}

const WIDTH = 640;
const HEIGHT = 280;
const MARGIN = { top: 16, right: 16, bottom: 40, left: 56 };
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

/** A line per series over a common x axis; points carry tooltips. Non-finite values are left out. */
export function lineChart(
  series: readonly Series[],
  labels: { readonly x: string; readonly y: string },
): string {
  const drawn = series.map(({ name, points }) => ({
    name,
    points: points.filter(({ x, y }) => Number.isFinite(x) && Number.isFinite(y)),
  }));
  const all = drawn.flatMap(({ points }) => points);
  if (all.length === 0) return "<p>No points were logged.</p>";
  const x = scale(extent(all.map((p) => p.x)), [MARGIN.left, MARGIN.left + PLOT.width]);
  const y = scale(padded(all.map((p) => p.y)), [MARGIN.top + PLOT.height, MARGIN.top]);
  const lines = drawn.map(({ name, points }, i) => {
    const path = points.map((p) => `${round(x.at(p.x))},${round(y.at(p.y))}`).join(" ");
    const dots = points.map(
      (p) =>
        `<circle class="s${i}" cx="${round(x.at(p.x))}" cy="${round(y.at(p.y))}" r="3"><title>${escapeHtml(name)}: ${labels.x} ${p.x}, ${format(p.y)}</title></circle>`,
    );
    return `<polyline class="line s${i}" points="${path}"/>${dots.join("")}`;
  });
  return figure(
    labels,
    yAxis(y, labels.y) + xAxis(x, labels.x) + lines.join(""),
    legend(drawn.map(({ name }) => name)),
  );
}

/** Groups of bars, one bar of each series in every group, with their values above them. */
export function barChart(
  groups: readonly string[],
  series: readonly { readonly name: string; readonly values: readonly number[] }[],
  yLabel: string,
): string {
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
        `<rect class="bar s${s}" x="${round(left)}" y="${round(y.at(values[g]!))}" width="${round(barWidth - 2)}" height="${round(height)}">${title}</rect>` +
        `<text class="value" x="${middle}" y="${round(y.at(values[g]!) - 4)}" text-anchor="middle">${values[g]!.toFixed(3)}</text>`
      );
    }),
  );
  const names = groups.map(
    (group, g) =>
      `<text x="${round(MARGIN.left + (g + 0.5) * groupWidth)}" y="${HEIGHT - 20}" text-anchor="middle">${escapeHtml(group)}</text>`,
  );
  return figure(
    { x: groups.join(", "), y: yLabel },
    yAxis(y, yLabel) + bars.join("") + names.join(""),
    legend(series.map(({ name }) => name)),
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

/** Four to eight round numbers inside [from, to]. */
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
    return `<line class="grid" x1="${MARGIN.left}" x2="${WIDTH - MARGIN.right}" y1="${at}" y2="${at}"/><text x="${MARGIN.left - 8}" y="${at + 4}" text-anchor="end">${format(tick)}</text>`;
  });
  const middle = MARGIN.top + PLOT.height / 2;
  return `${rows.join("")}<text transform="translate(14 ${middle}) rotate(-90)" text-anchor="middle">${escapeHtml(label)}</text>`;
}

function xAxis(x: Scale, label: string): string {
  const ticks = x.ticks.map(
    (tick) =>
      `<text x="${round(x.at(tick))}" y="${HEIGHT - MARGIN.bottom + 16}" text-anchor="middle">${format(tick)}</text>`,
  );
  const middle = MARGIN.left + PLOT.width / 2;
  return `${ticks.join("")}<text x="${middle}" y="${HEIGHT - 6}" text-anchor="middle">${escapeHtml(label)}</text>`;
}

function legend(names: readonly string[]): string {
  if (names.length < 2) return "";
  const items = names.map(
    (name, i) => `<span><i class="swatch b${i}"></i>${escapeHtml(name)}</span>`,
  );
  return `<figcaption>${items.join(" ")}</figcaption>`;
}

function figure(labels: { x: string; y: string }, content: string, caption: string): string {
  const description = escapeHtml(`${labels.y} over ${labels.x}`);
  return `<figure><svg viewBox="0 0 ${WIDTH} ${HEIGHT}" role="img" aria-label="${description}">${content}</svg>${caption}</figure>`;
}

function round(value: number): number {
  return Math.round(value * 10) / 10;
}

/** Up to four significant digits, without trailing zeros. */
function format(value: number): string {
  return String(Number(value.toPrecision(4)));
}

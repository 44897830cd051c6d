// From values to places in a drawing.

export interface Point {
  readonly x: number;
  readonly y: number;
}

export interface Scale {
  readonly domain: readonly [from: number, to: number];
  at(value: number): number;
}

export function scaleOf(
  domain: readonly [number, number],
  range: readonly [number, number],
): Scale {
  const span = domain[1] - domain[0] || 1;
  const at = (value: number): number =>
    Math.round(10 * (range[0] + ((value - domain[0]) / span) * (range[1] - range[0]))) / 10;
  return { domain, at };
}

/** Two to five round numbers inside the domain. */
export function ticksOf({ domain: [from, to] }: Scale): number[] {
  const rough = (to - from) / 4;
  if (!(rough > 0)) return [from];
  const power = 10 ** Math.floor(Math.log10(rough));
  const step = power * ([1, 2, 5, 10].find((factor) => factor * power >= rough) ?? 10);
  const first = Math.ceil(from / step);
  const count = Math.floor(to / step + 1e-9) - first + 1;
  // Sums of 0.1 are no round numbers any more.
  return Array.from({ length: count }, (_, i) => Number(((first + i) * step).toPrecision(12)));
}

/** More points than this are not seen in a drawing, and cost time. */
const MOST_POINTS = 400;

/** A path through the points; of very many, every nth and the last. */
export function pathOf(points: readonly Point[], x: Scale, y: Scale): string {
  const every = Math.ceil(points.length / MOST_POINTS);
  const shown = points.filter((_, i) => i % every === 0 || i === points.length - 1);
  return shown
    .map((point, i) => `${i === 0 ? "M" : "L"}${x.at(point.x)} ${y.at(point.y)}`)
    .join("");
}

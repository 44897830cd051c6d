// Curves as SVG: few enough lines to draw again with every point, and screen readers get the last values in words.

import type { ComponentChild } from "preact";
import { pathOf, scaleOf, ticksOf, type Point, type Scale } from "./scales.ts";
import { significant } from "./format.ts";

export interface Curve {
  readonly name: string;
  readonly points: readonly Point[];
}

export interface ChartProps {
  readonly title: string;
  readonly curves: readonly Curve[];
  /** The right end of the x axis, in updates. */
  readonly last: number;
}

const [WIDTH, HEIGHT] = [440, 190];
const [LEFT, RIGHT, TOP, BOTTOM] = [46, 14, 10, 24];

export function Chart({ title, curves, last }: ChartProps): ComponentChild {
  const drawn = curves.filter(({ points }) => points.length > 0);
  const values = drawn.flatMap(({ points }) => points.map(({ y }) => y));
  const right = Math.max(1, last, ...drawn.map(({ points }) => points.at(-1)!.x));
  const x = scaleOf([0, right], [LEFT, WIDTH - RIGHT]);
  const y = scaleOf(rangeOf(values), [HEIGHT - BOTTOM, TOP]);
  return (
    <figure class="chart" data-points={values.length}>
      <figcaption>
        <b>{title}</b>
        <Legend curves={drawn} />
      </figcaption>
      <svg viewBox={`0 0 ${WIDTH} ${HEIGHT}`} role="img" aria-label={inWords(title, drawn)}>
        <Axes {...{ x, y }} isEmpty={values.length === 0} />
        {drawn.map(({ name, points }, i) => (
          <g key={name} class={`s${i}`}>
            <path d={pathOf(points, x, y)} />
            <circle cx={x.at(points.at(-1)!.x)} cy={y.at(points.at(-1)!.y)} r="3" />
          </g>
        ))}
      </svg>
    </figure>
  );
}

function Axes({ x, y, isEmpty }: { x: Scale; y: Scale; isEmpty: boolean }): ComponentChild {
  return (
    <g class="axes">
      {ticksOf(y).map((tick) => (
        <g key={tick}>
          <line x1={LEFT} x2={WIDTH - RIGHT} y1={y.at(tick)} y2={y.at(tick)} />
          {!isEmpty && (
            <text x={LEFT - 6} y={y.at(tick) + 4} text-anchor="end">
              {short(tick)}
            </text>
          )}
        </g>
      ))}
      {ticksOf(x).map((tick) => (
        <text key={tick} x={x.at(tick)} y={HEIGHT - 6} text-anchor="middle">
          {short(tick)}
        </text>
      ))}
    </g>
  );
}

function Legend({ curves }: { curves: readonly Curve[] }): ComponentChild {
  return (
    <span class="legend">
      {curves.map(({ name, points }, i) => (
        <span key={name} class={`s${i}`}>
          {curves.length > 1 && <i class="swatch" />}
          {curves.length > 1 ? `${name} ` : ""}
          {short(points.at(-1)!.y)}
        </span>
      ))}
    </span>
  );
}

function inWords(title: string, curves: readonly Curve[]): string {
  if (curves.length === 0) return `${title}: no values yet`;
  const texts = curves.map(({ name, points }) => {
    const { x, y } = points.at(-1)!;
    return `${name} ${short(points[0]!.y)} at first, ${short(y)} at update ${x}`;
  });
  return `${title}: ${texts.join("; ")}`;
}

/** A little more than the values reach; [0, 1] without values. */
function rangeOf(values: readonly number[]): [number, number] {
  if (values.length === 0) return [0, 1];
  const [low, high] = values.reduce(
    ([least, most], value) => [Math.min(least, value), Math.max(most, value)],
    [Infinity, -Infinity],
  );
  const margin = (high - low || Math.abs(high) || 1) * 0.08;
  return [low >= 0 ? Math.max(0, low - margin) : low - margin, high + margin];
}

function short(value: number): string {
  const size = Math.abs(value);
  return size !== 0 && size < 0.01 ? value.toExponential(size < 0.001 ? 1 : 1) : significant(value);
}

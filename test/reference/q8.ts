// q8 by its definition: what 32 numbers become, each with the scale that it gets.

export interface Rounded {
  /** scale * q, as f32 has it. */
  readonly values: number[];
  readonly scales: number[];
}

/** Whole number nearest to x, ties to even. */
function nearestEven(x: number): number {
  const below = Math.floor(x);
  const above = x - below;
  if (above === 0.5) return below % 2 === 0 ? below : below + 1;
  return above < 0.5 ? below : below + 1;
}

export function roundToQ8(values: readonly number[]): Rounded {
  const scales = values.map((_, i) => {
    const block = values.slice(i - (i % 32), i - (i % 32) + 32);
    return Math.fround(Math.max(...block.map(Math.abs)) / 127);
  });
  const rounded = values.map((x, i) => {
    const scale = scales[i]!;
    const q = scale === 0 ? 0 : nearestEven(x / scale);
    return Math.fround(scale * Math.min(Math.max(q, -127), 127));
  });
  return { values: rounded, scales };
}

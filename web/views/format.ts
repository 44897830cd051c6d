// Numbers as people read them.

const UNITS = ["B", "kB", "MB", "GB"];

export function bytes(count: number): string {
  const power = Math.min(UNITS.length - 1, Math.floor(Math.log10(Math.max(1, count)) / 3));
  return `${significant(count / 1000 ** power)} ${UNITS[power]}`;
}

// toLocaleString makes a formatter for each number.
const THREE_DIGITS = new Intl.NumberFormat("en-US", { maximumSignificantDigits: 3 });
const WHOLE = new Intl.NumberFormat("en-US");

/** Three digits. */
export function significant(value: number): string {
  return THREE_DIGITS.format(Number(value.toPrecision(3)));
}

export function duration(seconds: number): string {
  if (seconds < 10) return `${seconds.toFixed(1)} s`;
  if (seconds < 90) return `${Math.round(seconds)} s`;
  const minutes = Math.round(seconds / 60);
  return minutes < 90 ? `${minutes} min` : `${Math.floor(minutes / 60)} h ${minutes % 60} min`;
}

export function flops(rate: number): string {
  return rate >= 1e12
    ? `${significant(rate / 1e12)} TFLOP/s`
    : `${significant(rate / 1e9)} GFLOP/s`;
}

export function count(value: number): string {
  return WHOLE.format(value);
}

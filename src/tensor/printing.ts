// The elements of a tensor in text, as NumPy 2 prints an array: columns are aligned, floats show the fewest digits that tell
// them apart (at most 8 behind the point), rows break at 75 columns, and of more than 1000 elements the first and last three
// of each axis are shown (numpy/_core/arrayprint.py).

import { dtypes, type Dtype, type StorageArray } from "./dtype.ts";
import type { Shape } from "./shape.ts";
import { sizeOf, stridesOf } from "./shape.ts";

const LINE_WIDTH = 75;
const MOST_ELEMENTS = 1000;
const EDGE = 3;
const PRECISION = 8;
/** Where a scalar, or the largest element of an array, is shown with an exponent: 10^(decimal digits that the dtype holds). */
const LARGE = { f32: 1e6, f64: 1e16, f16: 1e3, bf16: 1e2 };
const LARGE_IN_ARRAYS = { ...LARGE, f64: 1e8 };

type FloatDtype = keyof typeof LARGE;

/** @param stored row-major, in stored form */
export function printElements(stored: StorageArray, shape: Shape, dtype: Dtype): string {
  if (sizeOf(shape) === 0) return "[]";
  if (dtype === "q8") return printElements(dtypes.q8.read(stored), shape, "f32");
  const layout = { shape, strides: stridesOf(shape), summarize: sizeOf(shape) > MOST_ELEMENTS };
  const places = shownPlaces(layout);
  const values = dtypes[dtype].read(places.map(stored));
  const texts = formatted(Array.from(values), dtype, shape.length === 0);
  const words = new Map(places.list.map((place, i) => [place, texts[i]!]));
  return printAxis(layout, words, 0, 0, " ");
}

interface Layout {
  readonly shape: Shape;
  readonly strides: readonly number[];
  readonly summarize: boolean;
}

/** Steps of an axis that are shown; null stands for those left out between. */
function steps({ shape, summarize }: Layout, axis: number): (number | null)[] {
  const length = shape[axis]!;
  const all = Array.from({ length: Math.min(length, 2 * EDGE) }, (_, i) => i);
  if (!summarize || length <= 2 * EDGE) return Array.from({ length }, (_, i) => i);
  return [...all.slice(0, EDGE), null, ...all.slice(0, EDGE).map((i) => length - EDGE + i)];
}

function shownPlaces(layout: Layout) {
  const list: number[] = [];
  const visit = (axis: number, place: number): void => {
    if (axis === layout.shape.length) list.push(place);
    else {
      for (const step of steps(layout, axis)) {
        if (step !== null) visit(axis + 1, place + step * layout.strides[axis]!);
      }
    }
  };
  visit(0, 0);
  /** The shown elements of a stored array, as one of its kind. */
  const map = (stored: StorageArray): StorageArray => {
    const shown = stored.slice(0, list.length);
    list.forEach((place, i) => (shown[i] = stored[place]!));
    return shown;
  };
  return { list, map };
}

/** `words` by place, in brackets; a row of numbers breaks where the line would grow too long. */
function printAxis(
  layout: Layout,
  words: ReadonlyMap<number, string>,
  axis: number,
  place: number,
  indent: string,
): string {
  const rest = layout.shape.length - axis;
  if (rest === 0) return words.get(place)!;
  const parts = steps(layout, axis).map((step) =>
    step === null
      ? "..."
      : printAxis(layout, words, axis + 1, place + step * layout.strides[axis]!, `${indent} `),
  );
  if (rest > 1) return `[${parts.join(`${"\n".repeat(rest - 1)}${indent}`)}]`;
  const width = LINE_WIDTH - axis - 1;
  const lines: string[] = [];
  let line = indent;
  for (const part of parts) {
    if (line.length > indent.length && line.length + part.length > width) {
      lines.push(line.trimEnd());
      line = indent;
    }
    line += `${part} `;
  }
  lines.push(line.slice(0, -1));
  return `[${lines.join("\n").slice(indent.length)}]`;
}

// ---------------------------------------------------------------------------------------------
// Numbers

/** The values as texts of one width. @param alone a scalar, which is not padded and keeps one digit behind the point */
function formatted(values: readonly number[], dtype: Dtype, alone: boolean): string[] {
  const { kind } = dtypes[dtype];
  if (kind === "bool") return padded(values.map((value) => (value === 0 ? "False" : "True")));
  if (kind === "integer") return padded(values.map(String));
  const float = dtype as FloatDtype;
  return alone ? values.map((value) => scalarText(value, float)) : floats(values, float);
}

function padded(texts: readonly string[]): string[] {
  const width = Math.max(...texts.map(({ length }) => length));
  return texts.map((text) => text.padStart(width));
}

function scalarText(value: number, dtype: FloatDtype): string {
  if (!Number.isFinite(value)) return special(value);
  const size = Math.abs(value);
  const digits = shortestDigits(value, dtype);
  if (size !== 0 && (size < 1e-4 || size >= LARGE[dtype])) {
    const { whole, fraction, exponent } = scientific(digits);
    return `${whole}${fraction === "" ? "" : "."}${fraction}${exponentText(exponent, 2)}`;
  }
  const { whole, fraction } = positional(digits);
  return `${whole}.${fraction === "" ? "0" : fraction}`;
}

function floats(values: readonly number[], dtype: FloatDtype): string[] {
  const finite = values.filter(Number.isFinite);
  const sizes = finite.map(Math.abs).filter((size) => size !== 0);
  const [most, least] = [Math.max(...sizes), Math.min(...sizes)];
  const useExponent =
    sizes.length > 0 && (most >= LARGE_IN_ARRAYS[dtype] || least < 1e-4 || most / least > 1000);
  const show = useExponent ? scientific : positional;
  const shortest = finite.map((value) => show(rounded(value, dtype, useExponent)));
  const fraction = Math.max(0, ...shortest.map((part) => part.fraction.length));
  // Behind an exponent NumPy fills up with the digits of the number itself, and not with zeros.
  const all = useExponent
    ? finite.map((value) => scientific(exactDigits(value, fraction + 1)))
    : shortest;
  const exponent = Math.max(2, ...all.map((part) => String(Math.abs(part.exponent)).length));
  const behind = fraction + (useExponent ? exponent + 2 : 0) + 1;
  const before = Math.max(
    ...all.map((part) => part.whole.length),
    ...values
      .filter((value) => !Number.isFinite(value))
      .map((value) => special(value).length - behind),
  );
  let at = 0;
  return values.map((value) => {
    if (!Number.isFinite(value)) return special(value).padStart(before + behind);
    const part = all[at++]!;
    const whole = part.whole.padStart(before);
    if (!useExponent) return `${whole}.${part.fraction.padEnd(fraction)}`;
    return `${whole}.${part.fraction.padEnd(fraction, "0")}${exponentText(part.exponent, exponent)}`;
  });
}

function special(value: number): string {
  return Number.isNaN(value) ? "nan" : value > 0 ? "inf" : "-inf";
}

function exponentText(exponent: number, width: number): string {
  return `e${exponent < 0 ? "-" : "+"}${String(Math.abs(exponent)).padStart(width, "0")}`;
}

/** sign 0.DIGITS 10^point; no digits for zero. */
interface Digits {
  readonly sign: string;
  readonly digits: string;
  readonly point: number;
}

interface Parts {
  readonly whole: string;
  readonly fraction: string;
  readonly exponent: number;
}

/** The fewest digits that only this number of its dtype rounds to. */
function shortestDigits(value: number, dtype: Dtype): Digits {
  const { store, read } = dtypes[dtype];
  const isUnique = (text: string): boolean => read(store([Number(text)]))[0] === value;
  let precision = 1;
  while (precision < 17 && !isUnique(value.toPrecision(precision))) precision++;
  return parseDigits(value, value.toExponential(precision - 1));
}

function parseDigits(value: number, text: string): Digits {
  const [mantissa, exponent] = text.split("e");
  const digits = mantissa!.replace(/[-.]/g, "").replace(/0+$/, "");
  const sign = value < 0 || Object.is(value, -0) ? "-" : "";
  return { sign, digits, point: digits === "" ? 0 : Number(exponent) + 1 };
}

/** The shortest digits, or where those are more than 8 behind the point, the number itself at that length. */
function rounded(value: number, dtype: Dtype, useExponent: boolean): Digits {
  const shortest = shortestDigits(value, dtype);
  const most = PRECISION + (useExponent ? 1 : shortest.point);
  return shortest.digits.length <= most ? shortest : exactDigits(value, most);
}

/** The number at a length; of two neighbours at equal distance the one that ends in an even digit. */
function exactDigits(value: number, length: number): Digits {
  const { sign, digits, point } = parseDigits(value, value.toExponential(100));
  if (digits.length <= length) return { sign, digits, point };
  if (length < 0) return { sign, digits: "", point: 0 };
  const head = `0${digits.slice(0, length)}`;
  const tail = digits.slice(length);
  const isUp = tail === "5" ? Number(head.at(-1)) % 2 === 1 : tail[0]! >= "5";
  const sum = String(BigInt(head) + (isUp ? 1n : 0n)).padStart(length, "0");
  const trimmed = sum.replace(/0+$/, "");
  return { sign, digits: trimmed, point: trimmed === "" ? 0 : point + (sum.length - length) };
}

function positional({ sign, digits, point }: Digits): Parts {
  const whole = point > 0 ? digits.slice(0, point).padEnd(point, "0") : "0";
  const fraction = point > 0 ? digits.slice(point) : digits && "0".repeat(-point) + digits;
  return { whole: `${sign}${whole}`, fraction, exponent: 0 };
}

function scientific({ sign, digits, point }: Digits): Parts {
  const exponent = digits === "" ? 0 : point - 1;
  return { whole: `${sign}${digits[0] ?? "0"}`, fraction: digits.slice(1), exponent };
}

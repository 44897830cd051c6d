// Progress of long work, on stderr: a bar on a terminal, lines elsewhere. stdout belongs to results.

import { standingLine } from "./bottomLine.ts";
import { printable } from "../../tensor/printable.ts";

export interface Progress {
  /** @param done how much of the total is finished @param detail a few words behind the bar */
  update(done: number, detail?: string): void;
  stop(): void;
}

/** Seconds between two lines where there is no terminal. */
const LINE_INTERVAL = 5;

/**
 * Starts a bar (on a terminal) or a series of lines (elsewhere).
 * @param label what is being done
 * @param total what `update` counts to
 * @param begin what is done already, when work is taken up again
 */
export function startProgress(
  label: string,
  total: number,
  { begin = 0, stream = process.stderr, quiet = false, brief = false }: ProgressOptions = {},
): Progress {
  if (quiet) return { update: () => undefined, stop: () => undefined };
  const shown = printable(label);
  if (stream.isTTY) return startBar(shown, total, begin, stream);
  return startLines(shown, total, begin, stream, brief);
}

export interface ProgressOptions {
  readonly begin?: number;
  readonly stream?: NodeJS.WriteStream;
  /** Shows nothing: another process of the group does. */
  readonly quiet?: boolean;
  /** In a pipe, says nothing of work that is done before its first line is due. */
  readonly brief?: boolean;
}

function startBar(
  label: string,
  total: number,
  begin: number,
  stream: NodeJS.WriteStream,
): Progress {
  const started = performance.now();
  let value = begin;
  let detail = "";
  const line = standingLine(stream, (width) => {
    const seconds = (performance.now() - started) / 1000;
    const isKnown = value > begin && value < total;
    const left = isKnown ? `${duration((seconds / (value - begin)) * (total - value))} left` : "";
    return barLine({ label, value, total, left, detail }, width);
  });
  return {
    update(done, words = "") {
      value = done;
      detail = printable(words);
      line.changed();
    },
    stop: () => line.remove(),
  };
}

/** 8s, 2m05s, 1h02m. */
function duration(seconds: number): string {
  const whole = Math.ceil(seconds);
  const two = (part: number): string => String(part).padStart(2, "0");
  if (whole < 60) return `${whole}s`;
  if (whole < 3600) return `${Math.floor(whole / 60)}m${two(whole % 60)}s`;
  return `${Math.floor(whole / 3600)}h${two(Math.floor((whole % 3600) / 60))}m`;
}

/** Columns of a bar: no wider than is pleasant, no narrower than says something. */
const [WIDEST_BAR, NARROWEST_BAR] = [40, 8];

export interface BarState {
  readonly label: string;
  readonly value: number;
  readonly total: number;
  /** Time left, "" while nobody knows. */
  readonly left: string;
  readonly detail: string;
}

/**
 * The line of a bar, in less than `width` columns: the bar takes what the words leave. Where that is too little there is
 * no bar, and then no detail, and so on from the end.
 */
export function barLine({ label, value, total, left, detail }: BarState, width: number): string {
  const share = total > 0 ? Math.min(1, value / total) : 1;
  const words = [`${Math.floor(100 * share)}%`, `${value}/${total}`, left, detail].filter(Boolean);
  const line = (bar: string): string =>
    [label, bar, words.join(" | ")].filter((part) => part !== "").join(" ");
  // In the last column a cursor waits to wrap.
  const room = width - 1;
  while (words.length > 1 && columnsOf(line("")) > room) words.pop();
  const size = Math.min(WIDEST_BAR, room - columnsOf(line("")) - 1);
  if (size < NARROWEST_BAR) return cut(line(""), room);
  const full = Math.round(share * size);
  return line("█".repeat(full) + "░".repeat(size - full));
}

/** Columns that a text takes at most: two for a character that may be a wide one. */
function columnsOf(text: string): number {
  return [...text].reduce((sum, character) => sum + columnsOfCharacter(character), 0);
}

function columnsOfCharacter(character: string): number {
  const code = character.codePointAt(0)!;
  return code < 0x1100 || (code >= 0x2000 && code < 0x2e80) ? 1 : 2;
}

/** As much of a text as fits into some columns. */
function cut(text: string, columns: number): string {
  let left = columns;
  let end = 0;
  for (const character of text) {
    left -= columnsOfCharacter(character);
    if (left < 0) break;
    end += character.length;
  }
  return text.slice(0, end);
}

function startLines(
  label: string,
  total: number,
  begin: number,
  stream: NodeJS.WritableStream,
  brief: boolean,
): Progress {
  const started = performance.now();
  let lastLine = started;
  let last = begin;
  const line = (done: number, detail: string) => {
    const seconds = (performance.now() - started) / 1000;
    const left = Math.round((seconds / (done - begin)) * (total - done));
    const time = `after ${seconds.toFixed(1)} s${done < total ? `, about ${left} s left` : ""}`;
    stream.write(`${label}: ${done}/${total} ${time}${detail && `, ${detail}`}\n`);
    lastLine = performance.now();
  };
  return {
    update(done, detail = "") {
      const due = performance.now() - lastLine >= 1000 * LINE_INTERVAL;
      const isLast = done === total && !(brief && lastLine === started);
      if (done !== last && (due || isLast)) line(done, detail);
      last = done;
    },
    stop: () => undefined,
  };
}

// Progress of long work, on stderr: a bar on a terminal, lines elsewhere. stdout belongs to results.

import cliProgress from "cli-progress";

export interface Progress {
  /** @param done how much of the total is finished @param detail a few words behind the bar */
  update(done: number, detail?: string): void;
  stop(): void;
}

/** Clears the line that a bar stands in, so that text can be printed there; the bar is drawn anew below it. */
export function clearBar(stream = process.stderr): void {
  if (stream.isTTY) stream.write("\r\x1b[K");
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
  { begin = 0, stream = process.stderr, quiet = false }: ProgressOptions = {},
): Progress {
  if (quiet) return { update: () => undefined, stop: () => undefined };
  const start = stream.isTTY ? startBar : startLines;
  return start(label, total, begin, stream);
}

export interface ProgressOptions {
  readonly begin?: number;
  readonly stream?: NodeJS.WriteStream;
  /** Shows nothing: another process of the group does. */
  readonly quiet?: boolean;
}

function startBar(
  label: string,
  total: number,
  begin: number,
  stream: NodeJS.WritableStream,
): Progress {
  const bar = new cliProgress.SingleBar({
    format: (options, { value, total, eta, maxWidth }, { detail }: { detail: string }) => {
      const left = eta > 0 ? `${cliProgress.Format.TimeFormat(eta, options, 5)} left` : "";
      return barLine({ label, value, total, left, detail }, maxWidth);
    },
    hideCursor: true,
    clearOnComplete: true,
    stream,
  });
  bar.start(total, begin, { detail: "" });
  return {
    update: (done, detail = "") => bar.update(done, { detail }),
    stop: () => bar.stop(),
  };
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
  while (words.length > 1 && line("").length > room) words.pop();
  const size = Math.min(WIDEST_BAR, room - line("").length - 1);
  if (size < NARROWEST_BAR) return line("").slice(0, Math.max(0, room));
  const full = Math.round(share * size);
  return line("█".repeat(full) + "░".repeat(size - full));
}

function startLines(
  label: string,
  total: number,
  begin: number,
  stream: NodeJS.WritableStream,
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
      if (done !== last && (due || done === total)) line(done, detail);
      last = done;
    },
    stop: () => undefined,
  };
}

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
  { begin = 0, stream = process.stderr }: ProgressOptions = {},
): Progress {
  const start = stream.isTTY ? startBar : startLines;
  return start(label, total, begin, stream);
}

export interface ProgressOptions {
  readonly begin?: number;
  readonly stream?: NodeJS.WriteStream;
}

function startBar(
  label: string,
  total: number,
  begin: number,
  stream: NodeJS.WritableStream,
): Progress {
  const bar = new cliProgress.SingleBar({
    format: `${label} {bar} {percentage}% | {value}/{total} | {eta_formatted} left {detail}`,
    barCompleteChar: "█",
    barIncompleteChar: "░",
    hideCursor: true,
    stream,
  });
  bar.start(total, begin, { detail: "" });
  return {
    update: (done, detail = "") => bar.update(done, { detail: detail && `| ${detail}` }),
    stop: () => bar.stop(),
  };
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

// Progress of long work, on stderr: a bar on a terminal, lines elsewhere. stdout belongs to results.

import cliProgress from "cli-progress";

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
 */
export function startProgress(label: string, total: number, stream = process.stderr): Progress {
  return stream.isTTY ? startBar(label, total, stream) : startLines(label, total, stream);
}

function startBar(label: string, total: number, stream: NodeJS.WritableStream): Progress {
  const bar = new cliProgress.SingleBar({
    format: `${label} {bar} {percentage}% | {value}/{total} | {eta_formatted} left {detail}`,
    barCompleteChar: "█",
    barIncompleteChar: "░",
    hideCursor: true,
    stream,
  });
  bar.start(total, 0, { detail: "" });
  return {
    update: (done, detail = "") => bar.update(done, { detail: detail && `| ${detail}` }),
    stop: () => bar.stop(),
  };
}

function startLines(label: string, total: number, stream: NodeJS.WritableStream): Progress {
  const started = performance.now();
  let lastLine = started;
  let last = 0;
  const line = (done: number, detail: string) => {
    const seconds = ((performance.now() - started) / 1000).toFixed(1);
    stream.write(`${label}: ${done}/${total} after ${seconds} s${detail && `, ${detail}`}\n`);
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

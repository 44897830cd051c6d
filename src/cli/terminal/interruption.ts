// Signals. The first one asks the command to end: at once, or where work would be lost, at its next good place. A second
// Ctrl-C or SIGTERM ends the process on the spot. Either way the terminal is given back as it was.

import { isatty } from "node:tty";
import { removeStandingLines } from "./bottomLine.ts";

/** Exit codes as shells give them to a program that a signal ended: 128 + its number. */
const EXIT_CODES = { SIGHUP: 129, SIGINT: 130, SIGTERM: 143 } as const;
type Signal = keyof typeof EXIT_CODES;

/** Milliseconds that a command has to end when it was asked to end at once. */
const PATIENCE = 1000;
/** A terminal and npm may both pass on one Ctrl-C: what comes this soon is the same one. */
const SAME_KEYPRESS = 250;

let raised: { readonly signal: Signal; readonly at: number } | null = null;
const atOnce = new AbortController();
/** Work that ends at its next good place, and what to say then. */
let gentle: { readonly controller: AbortController; readonly notice: string } | null = null;

/** An AbortSignal that SIGINT, SIGTERM or SIGHUP raises. */
export const interruptSignal = (): AbortSignal => atOnce.signal;

/** The exit code that a signal asked for; null while there was none. */
export const interruptedCode = (): number | null => raised && EXIT_CODES[raised.signal];

/** Those of stdin, stdout and stderr that were a terminal at first. */
const terminals = [0, 1, 2].filter((stream) => isatty(stream));

/** Besides the terminal, what is given back on every way out. */
let giveBack = (): void => undefined;

/**
 * For main: ends the process by `interruptSignal`, and by force where that does not help.
 * @param lastly is called on every way out; what it does must be done when it returns
 */
export function listenForSignals(lastly: () => void = () => undefined): void {
  giveBack = lastly;
  process.on("exit", () => {
    removeStandingLines();
    giveBack();
    if (terminals.length === 0) return;
    // From here on a terminal that closes ends the process as if it had never listened.
    process.removeAllListeners("SIGHUP");
    if (isTerminalGone()) process.kill(process.pid, "SIGHUP");
  });
  for (const signal of Object.keys(EXIT_CODES) as Signal[]) process.on(signal, receive);
}

const isTerminalGone = (): boolean => terminals.some((stream) => !isatty(stream));

function receive(signal: Signal): void {
  if (raised === null) {
    raised = { signal, at: performance.now() };
    if (gentle === null) endAtOnce();
    else {
      process.stderr.write(`${gentle.notice}\n`);
      gentle.controller.abort(interrupted());
    }
    return;
  }
  // A terminal that closes after Ctrl-C changes nothing.
  if (signal === "SIGHUP" || performance.now() - raised.at < SAME_KEYPRESS) return;
  removeStandingLines();
  process.stderr.write("stopped\n");
  leave(EXIT_CODES[signal]);
}

/** Ends the process. */
export function leave(code: number): void {
  if (code === EXIT_CODES.SIGHUP || isTerminalGone()) {
    // On its way out Node resets the terminal and aborts where that is gone; the signal itself ends it without that.
    removeStandingLines();
    giveBack();
    process.removeAllListeners("SIGHUP");
    process.kill(process.pid, "SIGHUP");
    return;
  }
  process.exit(code);
}

function endAtOnce(): void {
  atOnce.abort(interrupted());
  setTimeout(() => {
    removeStandingLines();
    process.stderr.write("interrupted\n");
    leave(interruptedCode()!);
  }, PATIENCE).unref();
}

function interrupted(): DOMException {
  return new DOMException("interrupted", "AbortError");
}

/**
 * Runs work that a first signal asks to end by itself, at a place where nothing is lost.
 * @param notice is printed then
 * @param work is given the signal that asks
 */
export async function endingGently<T>(
  notice: string,
  work: (ask: AbortSignal) => Promise<T>,
): Promise<T> {
  const controller = new AbortController();
  gentle = { controller, notice };
  try {
    return await work(controller.signal);
  } finally {
    gentle = null;
    if (raised !== null) endAtOnce(); // also where the work was done before it could be asked
  }
}

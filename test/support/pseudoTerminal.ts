// The built command in a pseudo-terminal, and the screen that a terminal shows of it.

import { spawn } from "node:child_process";
import { fileURLToPath } from "node:url";
import xterm from "@xterm/headless";
import { pythonWith } from "./python.ts";

/** Where there is none, no pseudo-terminal either: Node makes none by itself. */
export const python = pythonWith("pty");

const path = (relative: string): string => fileURLToPath(new URL(relative, import.meta.url));

export interface ScreenOptions {
  readonly columns: number;
  /** Columns after the first output that holds `resizeAt`. */
  readonly resizeTo?: number;
  readonly resizeAt?: RegExp;
  /** Is given all output so far after each piece, and the function that orders (scripts/pseudoTerminal.py). */
  readonly onOutput?: (text: string, order: (line: string) => void) => void;
}

export interface Screen {
  readonly code: number;
  readonly text: string;
  /** The rows from the first to the last, scrolled ones included; those that the terminal wrapped are joined. */
  readonly lines: readonly string[];
  /** The row and column of the cursor, as a shell's prompt would find them. */
  readonly cursor: { readonly line: number; readonly column: number };
}

/** Runs `gradloom ...args` in a terminal of 30 rows. */
export async function screenOf(args: readonly string[], options: ScreenOptions): Promise<Screen> {
  const { columns, resizeTo, resizeAt = /./, onOutput } = options;
  const terminal = new xterm.Terminal({
    ...{ cols: columns, rows: 30, scrollback: 5000, allowProposedApi: true },
  });
  const command = [process.execPath, path("../../dist/cli/main.js"), ...args];
  const child = spawn(python!, [
    ...[path("../../scripts/pseudoTerminal.py"), String(columns), "30", ...command],
  ]);
  let text = "";
  let report = "";
  let isResized = resizeTo === undefined;
  const order = (line: string): void => void child.stdin.write(`${line}\n`);
  child.stderr.on("data", (chunk: Buffer) => (report += chunk.toString()));
  child.stdout.on("data", (chunk: Buffer) => {
    text += chunk.toString();
    terminal.write(chunk);
    if (!isResized && resizeAt.test(text)) {
      isResized = true;
      // The terminal itself changes at once, the program hears of it later.
      terminal.write("", () => terminal.resize(resizeTo!, 30));
      order(`resize ${resizeTo} 30`);
    }
    onOutput?.(text, order);
  });
  await new Promise((resolve) => child.on("close", resolve));
  await new Promise<void>((resolve) => terminal.write("", resolve));
  const end = JSON.parse(report.trimEnd().split("\n").at(-1)!) as { code: number };
  return { code: end.code, text, ...read(terminal) };
}

/** What a terminal shows after `writes`, for streams made by hand. */
export function read(terminal: xterm.Terminal): Pick<Screen, "lines" | "cursor"> {
  const { active } = terminal.buffer;
  const lines: string[] = [];
  for (let row = 0; row < active.length; row++) {
    const line = active.getLine(row)!;
    const words = line.translateToString(true);
    if (line.isWrapped) lines.push(`${lines.pop() ?? ""}${words}`);
    else lines.push(words);
  }
  while (lines.at(-1) === "") lines.pop();
  return { lines, cursor: { line: lines.length, column: active.cursorX } };
}

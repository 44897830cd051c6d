// Where the commands write: results to stdout (nothing but one JSON object with --json), the rest to stderr.

import Table from "cli-table3";
import { printable } from "../../tensor/printable.ts";

/** Cells of one line need no rule between them. */
const WITHOUT_LINES_BETWEEN_ROWS = { mid: "", "left-mid": "", "mid-mid": "", "right-mid": "" };

export class Output {
  readonly json: boolean;
  #muted = false;

  constructor(json: boolean) {
    this.json = json;
  }

  /** Prints nothing from here on: another process of the group does. */
  mute(): void {
    this.#muted = true;
  }

  /** A line of the report a person reads, without control characters; goes to stderr when stdout is for JSON. */
  print(text = ""): void {
    if (this.#muted) return;
    (this.json ? process.stderr : process.stdout).write(`${printable(text)}\n`);
  }

  /** The command's result: with --json the only thing on stdout. */
  result(value: unknown): void {
    if (this.json && !this.#muted) process.stdout.write(`${JSON.stringify(value)}\n`);
  }

  heading(text: string): void {
    this.print(`\n${text}\n${"=".repeat(text.length)}`);
  }

  /** A table with wrapped cells, fitting the terminal. */
  table(head: readonly string[], rows: readonly (readonly string[])[], wrap = false): void {
    const width = process.stdout.columns ?? 120;
    const column = Math.max(12, Math.floor((width - head.length - 1) / head.length));
    const table = new Table({
      head: [...head],
      style: { head: [], border: [] },
      ...(wrap ? {} : { chars: WITHOUT_LINES_BETWEEN_ROWS }),
      ...(wrap ? { wordWrap: true, colWidths: head.map(() => column) } : {}),
    });
    table.push(...rows.map((row) => row.map(printable)));
    this.print(table.toString());
  }
}

// What a terminal shows: bars in any width, what is printed while they stand, and what is left after a signal.

import { execFile, spawn } from "node:child_process";
import { EventEmitter } from "node:events";
import { mkdtemp, readdir, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { basename, join } from "node:path";
import { fileURLToPath } from "node:url";
import { promisify } from "node:util";
import xterm from "@xterm/headless";
import { describe, expect, it } from "vitest";
import { removeStandingLines } from "../../src/cli/terminal/bottomLine.ts";
import { printable, printableMessage } from "../../src/tensor/printable.ts";
import { barLine, startProgress, type BarState } from "../../src/cli/terminal/progress.ts";
import { resumeCommand } from "../../src/cli/train/runNotes.ts";
import { temporaryFolder } from "../support/folder.ts";
import { isFull } from "../support/full.ts";
import { python, read, screenOf } from "../support/pseudoTerminal.ts";

const state: BarState = {
  ...{ label: "fine-tune", value: 30, total: 40, left: "20s left", detail: "loss 4.5205" },
};

it.each([
  [120, `fine-tune ${"█".repeat(30)}${"░".repeat(10)} 75% | 30/40 | 20s left | loss 4.5205`],
  [80, `fine-tune ${"█".repeat(24)}${"░".repeat(8)} 75% | 30/40 | 20s left | loss 4.5205`],
  [50, "fine-tune 75% | 30/40 | 20s left | loss 4.5205"],
  [40, "fine-tune 75% | 30/40 | 20s left"],
  [20, "fine-tune 75%"],
  [8, "fine-tu"],
])("fits a terminal of %d columns", (width, line) => {
  expect(barLine(state, width)).toBe(line);
});

it("never reaches the last column", () => {
  for (let width = 1; width < 150; width++) {
    expect(barLine(state, width).length).toBeLessThan(width);
  }
});

it("is empty at the beginning and full at the end", () => {
  const bar = (value: number): string => barLine({ ...state, value, left: "", detail: "" }, 80);
  expect(bar(0)).toBe(`fine-tune ${"░".repeat(40)} 0% | 0/40`);
  expect(bar(40)).toBe(`fine-tune ${"█".repeat(40)} 100% | 40/40`);
});

describe("lines that are printed while a bar stands", () => {
  /** A stream that an emulated terminal shows. */
  function terminalStream(columns: number) {
    const terminal = new xterm.Terminal({ cols: columns, rows: 12, allowProposedApi: true });
    const stream = Object.assign(new EventEmitter(), {
      ...{ columns, isTTY: true },
      write: (text: string) => (terminal.write(text.replaceAll("\n", "\r\n")), true),
    });
    const resize = (to: number): void => {
      terminal.resize(to, 12);
      stream.columns = to;
      stream.emit("resize");
    };
    const settled = () => new Promise<void>((resolve) => terminal.write("", resolve));
    return { stream: stream as unknown as NodeJS.WriteStream, terminal, resize, settled };
  }
  const records = [
    "step 5/12: loss 4.5205, grad_norm 1.2345, learning_rate 0.00093333, epoch 0.083333",
    "step 10/12: eval_loss 3.9876, eval_rouge1 0.101165, eval_samples_per_second 19.035, eval_steps 7",
  ];

  it.each([60, 80, 120])("stand above it and whole at %d columns", async (columns) => {
    const { stream, terminal, settled } = terminalStream(columns);
    const progress = startProgress("train", 12, { stream });
    for (const [i, record] of records.entries()) {
      progress.update(5 * (i + 1), "loss 4.5205, lr 0.00093, 3.62 samples/s");
      stream.write(`${record}\n`);
    }
    await settled();
    const { lines } = read(terminal);
    expect(lines.slice(0, 2)).toEqual(records);
    expect(lines[2]).toMatch(/^train .*10\/12/);
    expect(lines).toHaveLength(3);
    progress.stop();
    stream.write("report: report.html\n");
    await settled();
    expect(read(terminal)).toEqual({
      lines: [...records, "report: report.html"],
      cursor: { line: 3, column: 0 },
    });
  });

  it.each([
    [120, 60],
    [80, 40],
    [60, 120],
  ])("keep nothing of a bar when %d columns become %d", async (before, after) => {
    const { stream, terminal, resize, settled } = terminalStream(before);
    const progress = startProgress("train", 12, { stream });
    progress.update(3, "loss 4.5205, lr 0.00093, 3.62 samples/s and some more words");
    stream.write(`${records[0]}\n`);
    await settled();
    resize(after);
    progress.update(12);
    stream.write(`${records[1]}\n`);
    progress.stop();
    await settled();
    expect(read(terminal).lines).toEqual(records);
  });

  it("are not overwritten where they have no end yet, and get their own stream's write back", async () => {
    const { stream, terminal, settled } = terminalStream(80);
    const own = stream.write;
    const progress = startProgress("train", 12, { stream });
    stream.write("half a ");
    progress.update(12);
    stream.write("line\n");
    removeStandingLines();
    await settled();
    expect(read(terminal).lines).toEqual(["half a line"]);
    expect(stream.write).toBe(own);
    expect(stream.listenerCount("resize")).toBe(0);
  });

  it("stand above the newest of several bars", async () => {
    const { stream, terminal, settled } = terminalStream(80);
    const outer = startProgress("train", 12, { stream });
    const inner = startProgress("summaries", 3, { stream });
    await settled();
    expect(read(terminal).lines).toEqual([expect.stringMatching(/^summaries /)]);
    inner.stop();
    await settled();
    expect(read(terminal).lines).toEqual([expect.stringMatching(/^train /)]);
    outer.stop();
    await settled();
    expect(read(terminal).lines).toEqual([]);
  });
});

describe("text for a terminal", () => {
  it("moves no cursor, changes no colour and turns no direction", () => {
    expect(printable("a\u001b]0;t\u0007\u001b[2J\u009b31m\u202eb\u0085\rc\r\nd\te\u007f")).toBe(
      "a␛]0;t␇␛[2J\\x9b31m\\u202eb\\x85␍c\nd\te␡",
    );
    for (let code = 0; code < 0x3000; code++) {
      const text = printable(String.fromCharCode(code));
      expect(text).toMatch(
        /^[^\0-\x08\x0b-\x1f\x7f-\x9f\u061c\u200e\u200f\u202a-\u202e\u2066-\u2069]+$/,
      );
    }
  });

  it("quotes no more of a value than says which it is", () => {
    const message = printableMessage(`x: must be short, got "${'\\"'.repeat(150)}". Cut it.`);
    expect(message).toMatch(/^x: must be short, got ".{200}\.\.\." \(300 characters\)\. Cut it\.$/);
    expect(printableMessage("a ".repeat(5000)).length).toBeLessThan(2010);
  });
});

describe("the command that goes on", () => {
  it.each([
    [["train", "--json"], "train --json --resume-from-checkpoint out/checkpoint-3"],
    [
      ["train", "--resume-from-checkpoint", "--prompt-template", "it's $x"],
      `train --prompt-template 'it'\\''s $x' --resume-from-checkpoint out/checkpoint-3`,
    ],
    [
      ["train", "--resume-from-checkpoint", "out/checkpoint-1", "--json"],
      "train --json --resume-from-checkpoint out/checkpoint-3",
    ],
    [["train", "--resume-from-checkpoint=a"], "train --resume-from-checkpoint out/checkpoint-3"],
  ])("is that of the run: %j", (args, expected) => {
    const argv = ["/usr/bin/node", "/usr/bin/gradloom", ...args];
    expect(resumeCommand(argv, "/here/out/checkpoint-3", "/here")).toBe(`gradloom ${expected}`);
    const clone = ["/usr/bin/node", "/here/dist/cli/main.js", ...args];
    expect(resumeCommand(clone, "/here/out/checkpoint-3", "/here")).toBe(
      `node dist/cli/main.js ${expected}`,
    );
  });
});

describe.skipIf(python === undefined)("gradloom on a pseudo-terminal", () => {
  const folder = temporaryFolder();
  const flags = (out: string): string[] => [
    ...[
      "train",
      "--output-dir",
      out,
      "--device",
      "cpu",
      "--threads",
      "1",
      "--max-train-rows",
      "16",
    ],
    ...["--max-length", "48", "--max-steps", "6", "--logging-steps", "1", "--max-eval-rows", "2"],
    ...["--eval-strategy", "steps", "--eval-steps", "3", "--per-device-train-batch-size", "2"],
    ...["--sample-rows", "1", "--rouge-rows", "2", "--max-new-tokens", "4"],
  ];

  const sizes = [
    [80, 120],
    [60, undefined],
    [120, 60],
  ] as const;

  it.each(isFull ? sizes : sizes.slice(0, 1))(
    "shows a whole run at %s columns, resized to %s",
    async (columns, resizeTo) => {
      const out = folder();
      const screen = await screenOf(flags(out), {
        columns,
        ...(resizeTo === undefined ? {} : { resizeTo, resizeAt: /step 2\/6/ }),
      });
      expect(screen.code, screen.text).toBe(0);
      const { lines } = screen;
      const log = lines.filter((line) => line.startsWith("step "));
      const record =
        /^step \d\/6: loss [\d.]+, grad_norm [\d.]+, learning_rate [\d.e-]+, epoch [\d.]+$/;
      expect(log.filter((line) => record.test(line))).toHaveLength(6);
      expect(
        log.filter((line) => /^step \d\/6: eval_loss [\d.]+, .*, epoch [\d.]+$/.test(line)),
      ).toHaveLength(2);
      expect(log).toHaveLength(9); // and the figures of the run
      const text = lines.join("\n");
      expect(text).toMatch(
        /^training: 16 examples, 2 an update \(1 x 2\), 6 updates, [\d,]+ trainable weights$/m,
      );
      expect(text).toMatch(
        /^6 updates in [\d.]+ s .*: [\d.]+ samples\/s, [\d.]+ prompt tokens\/s, peak memory \d+ MiB$/m,
      );
      expect(text).not.toMatch(/[█░]/);
      expect(lines.at(-1)).toMatch(/^done in [\d.]+ s$/);
      expect(screen.cursor.column).toBe(0);
    },
  );

  it("finishes the update at Ctrl-C, saves, and says the command that goes on", async () => {
    const out = folder();
    let isStruck = false;
    const screen = await screenOf([...flags(out), "--max-steps", "5000"], {
      columns: 100,
      onOutput(text, order) {
        if (!isStruck && /step 4\/5000/.test(text)) order("key 3");
        isStruck ||= /step 4\/5000/.test(text);
      },
    });
    expect(screen.code, screen.text).toBe(130);
    const [saved, goOn, end] = screen.lines.slice(-3);
    expect(saved).toMatch(/^saved: .*checkpoint-\d+$/);
    expect(goOn).toMatch(/^go on with: .* train .* --resume-from-checkpoint .*checkpoint-\d+$/);
    expect(end).toBe("interrupted");
    expect(await readdir(out)).toContain(basename(saved!));
    expect((await readdir(out)).filter((name) => name.startsWith("."))).toEqual([]);
  });

  it("stops at once at a second Ctrl-C", async () => {
    let strikes = 0;
    let began = 0;
    // The first one waits for an update of a thousand batches.
    const longUpdate = [
      ...flags(folder()),
      ...[
        "--gradient-accumulation-steps",
        "1000",
        "--max-train-rows",
        "2000",
        "--max-length",
        "64",
      ],
    ];
    const screen = await screenOf(longUpdate, {
      columns: 100,
      onOutput(text, order) {
        if (strikes === 0 && /training: /.test(text)) {
          strikes++;
          setTimeout(() => order("key 3"), 1500); // the update has begun by then
        } else if (strikes === 1 && /interrupted: finishing/.test(text)) {
          strikes++;
          setTimeout(() => ((began = performance.now()), order("key 3")), 400);
        }
      },
    });
    expect(screen.code, screen.text).toBe(130);
    expect(screen.lines.at(-1)).toBe("stopped");
    expect(performance.now() - began).toBeLessThan(2000);
    // A cursor that is never hidden need not be shown again, which a kill -9 or Ctrl-Z would not do.
    expect(screen.text).not.toContain("\x1b[?25l");
  });

  it("ends by SIGHUP, not by Node's abort, where the terminal goes while the command ends by itself", async () => {
    const url = new URL("../../dist/cli/terminal/interruption.js", import.meta.url);
    // It has no turn to hear of the signal any more.
    const script = `import { listenForSignals } from ${JSON.stringify(url.href)};
      listenForSignals(() => console.log("last"));
      console.log("first");
      Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, 500);`;
    const run = fileURLToPath(new URL("../../scripts/pseudoTerminal.py", import.meta.url));
    const command = [process.execPath, "--input-type=module", "-e", script];
    const child = spawn(python!, [run, "80", "30", ...command]);
    let report = "";
    child.stderr.on("data", (chunk: Buffer) => (report += chunk.toString()));
    child.stdout.once("data", () => child.stdin.write("hangup\n"));
    await new Promise((resolve) => child.on("close", resolve));
    expect(JSON.parse(report.trimEnd().split("\n").at(-1)!)).toMatchObject({ code: 129 });
  });

  it("ends by SIGINT, SIGTERM and SIGHUP at any moment of every command, as scripts/signalTest.mjs finds", async () => {
    const script = fileURLToPath(new URL("../../scripts/signalTest.mjs", import.meta.url));
    // Other tests run beside this one.
    const seconds = ["--seconds", "5"];
    const moments = isFull ? ["--moments", "20"] : ["--moments", "1", "--command", "evaluate"];
    const { stdout } = await promisify(execFile)(process.execPath, [
      script,
      ...moments,
      ...seconds,
    ]);
    expect(JSON.parse(stdout)).toMatchObject({ problems: [] });
  }, 3_600_000);
});

it("trains on when the reader of stdout goes away, and says so", async () => {
  const out = await mkdtemp(join(tmpdir(), "gradloom-head-"));
  try {
    const main = fileURLToPath(new URL("../../dist/cli/main.js", import.meta.url));
    const flags = ["train", "--output-dir", out, "--device", "cpu", "--max-steps", "3"];
    const small = ["--max-train-rows", "8", "--max-length", "32", "--rouge-rows", "0"];
    const child = spawn(process.execPath, [main, ...flags, ...small, "--logging-steps", "1"]);
    child.stdout.once("data", () => child.stdout.destroy());
    let stderr = "";
    child.stderr.on("data", (chunk: Buffer) => (stderr += chunk.toString()));
    const code = await new Promise((resolve) => child.on("close", resolve));
    expect(code, stderr).toBe(0);
    expect(stderr.match(/stdout was closed: the work goes on/g)).toHaveLength(1);
    const written = ["checkpoint-3", "model.safetensors", "README.md", "report.html"];
    expect(await readdir(out)).toEqual(expect.arrayContaining(written));
  } finally {
    await rm(out, { recursive: true });
  }
});

#!/usr/bin/env node
// The `gradloom` command. Exit code 0: done, 1: failed, 2: wrong usage.

import { Command, CommanderError } from "commander";
import { GradloomError } from "../tensor/errors.ts";
import { setWarningHandler } from "../tensor/warnings.ts";
import { devicesCommand } from "./devices.ts";
import { evaluateCommand } from "./evaluate.ts";
import { infoCommand } from "./info.ts";
import { clearBar } from "./progress.ts";
import { reproduceCommand } from "./reproduce.ts";
import { summarizeCommand } from "./summarize.ts";
import { trainCommand } from "./train.ts";

const USAGE_ERROR = 2;
/** Shells report a program that Ctrl-C ended as 128 + SIGINT. */
const INTERRUPTED = 130;

async function main(): Promise<number> {
  const program = new Command("gradloom")
    .description("T5 in TypeScript: load, fine-tune, generate and score, without Python.")
    .exitOverride()
    .showHelpAfterError("(gradloom --help lists the commands)");
  for (const command of [
    reproduceCommand(),
    trainCommand(),
    summarizeCommand(),
    evaluateCommand(),
    infoCommand(),
    devicesCommand(),
  ]) {
    program.addCommand(command.exitOverride());
  }
  try {
    await program.parseAsync();
    return 0;
  } catch (error) {
    return report(error);
  }
}

/** One line on stderr for what the caller can mend; a stack trace only for what we must. */
function report(error: unknown): number {
  if (error instanceof CommanderError) return error.exitCode === 0 ? 0 : USAGE_ERROR;
  if (error instanceof GradloomError) {
    process.stderr.write(`error: ${error.message}\n`);
    return 1;
  }
  if (error instanceof Error && error.name === "AbortError") {
    process.stderr.write("interrupted\n");
    return INTERRUPTED;
  }
  if (isSystemError(error)) {
    process.stderr.write(`error: ${error.message}\n`);
    return 1;
  }
  process.stderr.write(
    `${error instanceof Error ? (error.stack ?? error.message) : String(error)}\n`,
  );
  return 1;
}

/** A full disk, a lost permission: nothing of ours to mend, and the system's own line says what. */
function isSystemError(error: unknown): error is NodeJS.ErrnoException {
  return error instanceof Error && "syscall" in error && "code" in error;
}

// A reader that goes away (`gradloom info | head`) is no failure.
process.stdout.on("error", (error: NodeJS.ErrnoException) => {
  if (error.code === "EPIPE") process.exit(0);
  throw error;
});

setWarningHandler((text) => {
  clearBar();
  process.stderr.write(`warning: ${text}\n`);
});

process.exitCode = await main();

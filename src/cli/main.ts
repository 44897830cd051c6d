#!/usr/bin/env node
// The `gradloom` command. Exit code 0: done, 1: failed, 2: wrong usage, 129, 130, 143: ended by SIGHUP, Ctrl-C, SIGTERM.

import { Command, CommanderError } from "commander";
import { GradloomError } from "../tensor/errors.ts";
import { setWarningHandler } from "../tensor/warnings.ts";
import { devicesCommand } from "./devices.ts";
import { evaluateCommand } from "./evaluate.ts";
import { infoCommand } from "./info.ts";
import { releaseOutputFolders } from "./outputFolder.ts";
import { pushCommand } from "./push.ts";
import { reproduceCommand } from "./reproduce.ts";
import { summarizeCommand } from "./summarize.ts";
import { removeStandingLines } from "./terminal/bottomLine.ts";
import { interruptedCode, leave, listenForSignals } from "./terminal/interruption.ts";
import { guardOutput } from "./terminal/guardOutput.ts";
import { printable, printableMessage } from "./terminal/printable.ts";
import { trainCommand } from "./train.ts";

const USAGE_ERROR = 2;

async function main(): Promise<number> {
  const errors = {
    outputError: (text: string, write: (text: string) => void) => write(printableMessage(text)),
  };
  const program = new Command("gradloom")
    .description("T5 in TypeScript: load, fine-tune, generate and score, without Python.")
    .exitOverride()
    .configureOutput(errors)
    .showHelpAfterError("(gradloom --help lists the commands)");
  for (const command of [
    reproduceCommand(),
    trainCommand(),
    summarizeCommand(),
    evaluateCommand(),
    pushCommand(),
    infoCommand(),
    devicesCommand(),
  ]) {
    program.addCommand(command.exitOverride().configureOutput(errors));
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
  removeStandingLines();
  if (error instanceof CommanderError) return error.exitCode === 0 ? 0 : USAGE_ERROR;
  const interrupted = interruptedCode();
  if (interrupted !== null && isAbort(error)) {
    process.stderr.write("interrupted\n");
    return interrupted;
  }
  if (error instanceof GradloomError || isSystemError(error)) {
    process.stderr.write(`error: ${printableMessage(error.message)}\n`);
    return 1;
  }
  const text = error instanceof Error ? (error.stack ?? error.message) : String(error);
  process.stderr.write(`${printable(text)}\n`);
  return 1;
}

/** Whether a signal of ours ended the work, however it was wrapped on its way. */
function isAbort(error: unknown): boolean {
  return error instanceof Error && (error.name === "AbortError" || isAbort(error.cause));
}

/** A full disk, a lost permission: nothing of ours to mend, and the system's own line says what. */
function isSystemError(error: unknown): error is NodeJS.ErrnoException {
  return error instanceof Error && "syscall" in error && "code" in error;
}

setWarningHandler((text) => void process.stderr.write(`warning: ${printable(text)}\n`));
guardOutput();
listenForSignals();
const exitCode = await main();
removeStandingLines();
await releaseOutputFolders();
process.exitCode = exitCode;
// What a command that failed left open (threads, a device, a reader of stdin) must not keep the process alive.
if (exitCode !== 0) leave(exitCode);

#!/usr/bin/env node
// The `gradloom` command. Exit code 0: done, 1: failed, 2: wrong usage, 129, 130, 143: ended by SIGHUP, Ctrl-C, SIGTERM.

import { Command, CommanderError } from "commander";
import { ArgumentError, GradloomError } from "../tensor/errors.ts";
import { VERSION } from "../tensor/version.ts";
import { setWarningHandler } from "../tensor/warnings.ts";
import { withConfigFile } from "./commandLine/configFile.ts";
import { configText } from "./commandLine/printConfig.ts";
import { canonicalArguments, optionOf } from "./commandLine/spelling.ts";
import { devicesCommand } from "./devices.ts";
import { evaluateCommand } from "./evaluate.ts";
import { applyHubFlags } from "./hub.ts";
import { infoCommand } from "./info.ts";
import { releaseOutputFolders } from "./outputFolder.ts";
import { pushCommand } from "./push.ts";
import { reproduceCommand } from "./reproduce.ts";
import { summarizeCommand } from "./summarize.ts";
import { removeStandingLines } from "./terminal/bottomLine.ts";
import { interruptedCode, leave, listenForSignals } from "./terminal/interruption.ts";
import { guardOutput } from "./terminal/guardOutput.ts";
import { printable, printableMessage } from "../tensor/printable.ts";
import { deleteOwnLocks } from "../train/checkpoint/outputLock.ts";
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
  program.version(VERSION, "-V, --version", "print the version");
  program.hook("preAction", (_, command) => {
    applyHubFlags(command.opts());
    if (command.opts().printConfig !== true) return;
    process.stdout.write(configText(command));
    throw new CommanderError(0, "gradloom.printConfig", "");
  });
  try {
    await program.parseAsync(commandLine(program, process.argv));
    return 0;
  } catch (error) {
    return report(error);
  }
}

/** What was typed, in the spelling that commander knows, with the flags of --config in front. */
function commandLine(program: Command, argv: readonly string[]): string[] {
  const [node = "", script = "", name = "", ...rest] = argv;
  const command = program.commands.find((each) => each.name() === name);
  if (command === undefined) return [...argv];
  const args = canonicalArguments(command, rest);
  if (optionOf(command, "--config") === undefined) return [node, script, name, ...args];
  try {
    return [node, script, name, ...withConfigFile(command, args)];
  } catch (error) {
    if (!(error instanceof ArgumentError)) throw error;
    return command.error(`error: ${error.message}`, { exitCode: USAGE_ERROR });
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
listenForSignals(deleteOwnLocks);
const exitCode = await main();
removeStandingLines();
await releaseOutputFolders();
process.exitCode = exitCode;
// What a command that failed left open (threads, a device, a reader of stdin) must not keep the process alive.
if (exitCode !== 0) leave(exitCode);

// gradloom push: the files of a folder to the Hub.

import { stat } from "node:fs/promises";
import { Command, Option } from "commander";
import { pushFolderToHub } from "../hub/pushFolder.ts";
import type { PushProgress } from "../hub/push.ts";
import { ArgumentError } from "../tensor/errors.ts";
import { jsonOption } from "./options.ts";
import { interruptSignal } from "./terminal/interruption.ts";
import { Output } from "./terminal/output.ts";
import { startProgress, type Progress } from "./terminal/progress.ts";

interface PushFlags {
  readonly private?: boolean;
  readonly revision?: string;
  readonly message: string;
  readonly token?: string;
  readonly json: boolean;
}

export function pushCommand(): Command {
  return new Command("push")
    .description("push a folder, such as one that train wrote, to the Hugging Face Hub")
    .argument("<folder>", "folder of a model or adapter")
    .argument(
      "<repository>",
      "owner/name, or a name alone for your own; made when it does not exist",
    )
    .addOption(new Option("--private", "make the repository private, where it is made"))
    .addOption(new Option("--revision <branch>", "branch to push to, made when it does not exist"))
    .addOption(new Option("--message <text>", "message of the commit").default("Upload model"))
    .addOption(
      new Option(
        "--token <token>",
        "access token that may write (default: HF_TOKEN, which no other process sees)",
      ),
    )
    .addOption(jsonOption())
    .action((folder: string, repository: string, flags: PushFlags) =>
      push(folder, repository, flags),
    );
}

async function push(folder: string, repository: string, flags: PushFlags): Promise<void> {
  const output = new Output(flags.json);
  if (!(await stat(folder).catch(() => null))?.isDirectory()) {
    throw new ArgumentError(
      `push: must be a folder, got ${folder}. Give the folder first, then owner/name.`,
    );
  }
  const bar = pushBar(repository);
  try {
    const result = await pushFolderToHub(folder, repository, {
      ...{ private: flags.private, revision: flags.revision, token: flags.token },
      ...{ commitMessage: flags.message, signal: interruptSignal(), onProgress: bar.onProgress },
    });
    output.print(`pushed: ${result.url} (commit ${result.commit.slice(0, 8)})`);
    output.result(result);
  } finally {
    bar.stop();
  }
}

/** A bar in percent of the file that moves. */
export function pushBar(name: string): {
  readonly onProgress: (progress: PushProgress) => void;
  stop(): void;
} {
  let bar: Progress | null = null;
  return {
    onProgress: ({ file, state, progress }) => {
      bar ??= startProgress(`push to ${name} (%)`, 100);
      bar.update(Math.floor(100 * progress), `${state} ${file}`);
    },
    stop: () => bar?.stop(),
  };
}

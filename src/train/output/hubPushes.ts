// A run on its way to the Hub: the repository, pushes of checkpoints in the background, and the last one (transformers'
// init_hf_repo, _push_from_checkpoint and push_to_hub).

import { files } from "../../tensor/files/files.ts";
import { basename, resolve } from "../../tensor/files/paths.ts";
import { ADAPTER_CONFIG, ADAPTER_WEIGHTS } from "../../model/adapterFileNames.ts";
import { folderFiles } from "../../hub/pushFolder.ts";
import type { PushOptions, PushResult } from "../../hub/push.ts";
import { warn } from "../../tensor/warnings.ts";
import type { TrainingArguments } from "../arguments/arguments.ts";
import { addFilesAtomically } from "../checkpoint/atomicFolder.ts";
import type { TrainerState } from "../trainerState.ts";

/** Files of a checkpoint that make the model of the repository. */
const MODEL_FILES = new Set([
  ...[
    "config.json",
    "generation_config.json",
    "model.safetensors",
    ADAPTER_CONFIG,
    ADAPTER_WEIGHTS,
  ],
  ...["tokenizer.json", "tokenizer_config.json", "special_tokens_map.json", "spiece.model"],
  "training_args.json",
]);

export class HubPushes {
  readonly #args: TrainingArguments;
  #repository: string | null = null;
  #inProgress: Promise<void> | null = null;

  constructor(args: TrainingArguments) {
    this.#args = args;
  }

  /** Makes the repository unless it is there. @returns its id @throws {HubError} */
  async open(options: PushOptions = {}): Promise<string> {
    const { hubModelId, outputDir } = this.#args;
    const { createRepository } = await import("../../hub/push.ts");
    const id = hubModelId ?? basename(resolve(outputDir));
    this.#repository ??= await createRepository(id, { ...this.#options(), ...options });
    return this.#repository;
  }

  /**
   * Pushes a checkpoint as hubStrategy says, while training goes on. What fails is a warning: a run of days does not end
   * because the network did. When the last push is still on its way this one is left out, or waits for it with
   * hubAlwaysPush.
   */
  async pushCheckpoint(
    folder: string,
    state: TrainerState,
    begin: () => Promise<void>,
  ): Promise<void> {
    const { hubStrategy, hubAlwaysPush, outputDir, saveStrategy } = this.#args;
    if (hubStrategy === "end") return;
    if (this.#inProgress !== null && !hubAlwaysPush) return;
    await this.finish();
    await begin();
    const names = (await files.readdir(folder)).filter((name) => MODEL_FILES.has(name));
    await addFilesAtomically(outputDir, async (temporary) => {
      for (const name of names) await files.copyFile(`${folder}/${name}`, `${temporary}/${name}`);
    });
    const progress =
      saveStrategy === "steps"
        ? `step ${state.globalStep}`
        : `epoch ${Math.trunc(state.epoch ?? 0)}`;
    this.#inProgress = this.#push(folder, `Training in progress, ${progress}`)
      .catch((error: unknown) => {
        warn(
          `pushToHub: training goes on, and this checkpoint is not on the Hub: ${String(error)}`,
        );
      })
      .finally(() => {
        this.#inProgress = null;
      });
  }

  /** Waits for the push that is on its way. */
  async finish(): Promise<void> {
    await this.#inProgress;
  }

  /** Pushes outputDir. @throws {HubError} */
  async pushOutput(commitMessage: string, options: PushOptions): Promise<PushResult> {
    await this.finish();
    const name = await this.open(options);
    const { pushFiles } = await import("../../hub/push.ts");
    const files = await folderFiles(this.#args.outputDir);
    return pushFiles(name, files, { ...this.#options(), ...options, commitMessage });
  }

  async #push(checkpoint: string, commitMessage: string): Promise<void> {
    const { hubStrategy } = this.#args;
    await this.#pushNow(this.#args.outputDir, { commitMessage });
    if (hubStrategy !== "checkpoint" && hubStrategy !== "all_checkpoints") return;
    const pathInRepo = hubStrategy === "checkpoint" ? "last-checkpoint" : basename(checkpoint);
    await this.#pushNow(checkpoint, { commitMessage: `${commitMessage}, checkpoint`, pathInRepo });
  }

  async #pushNow(folder: string, options: PushOptions): Promise<void> {
    const { pushFiles } = await import("../../hub/push.ts");
    const name = await this.open();
    await pushFiles(name, await folderFiles(folder), { ...this.#options(), ...options });
  }

  #options(): PushOptions {
    const { hubToken, hubPrivateRepo, hubRevision } = this.#args;
    return {
      ...(hubToken === null ? {} : { token: hubToken }),
      ...(hubPrivateRepo === null ? {} : { private: hubPrivateRepo }),
      ...(hubRevision === null ? {} : { revision: hubRevision }),
    };
  }
}

// gradloom summarize: a summary of each dialogue given as files or on stdin.

import { readFile } from "node:fs/promises";
import { addAbortSignal } from "node:stream";
import { buffer } from "node:stream/consumers";
import { Command } from "commander";
import { DatasetError } from "../tensor/errors.ts";
import { fillTemplate, INFERENCE_TEMPLATE } from "../data/prompt.ts";
import type { T5ForConditionalGeneration } from "../t5/model.ts";
import { configOptions } from "./commandLine/options.ts";
import { EXAMPLE_MODEL } from "./example.ts";
import { MODEL_HELP, revisionOption, tokenizerOption } from "./hub.ts";
import { adapterOption } from "./lora.ts";
import type { ProcessGroup } from "../distributed/processGroup.ts";
import { generationOf, inferenceOptions, type InferenceFlags } from "./inferenceFlags.ts";
import { loadInferenceModel, type ModelFlags } from "./inferenceModel.ts";
import { jsonOption } from "./options.ts";
import { truncationOf } from "./summaries.ts";
import { gatherShares, shareOf, withProcessGroup } from "./processGroup.ts";
import { templateOption } from "./templateOption.ts";
import { interruptSignal } from "./terminal/interruption.ts";
import { Output } from "./terminal/output.ts";
import { startProgress, type Progress } from "./terminal/progress.ts";

interface SummarizeOptions extends ModelFlags, InferenceFlags {
  readonly promptTemplate: string;
  readonly json: boolean;
}

export function summarizeCommand(): Command {
  const command = new Command("summarize")
    .description("summarise dialogues from files, or from stdin")
    .argument("[files...]", "text files with one dialogue each; stdin when left out")
    .option("--model <name>", MODEL_HELP, EXAMPLE_MODEL)
    .addOption(revisionOption())
    .addOption(tokenizerOption())
    .addOption(adapterOption())
    .addOption(
      templateOption("--prompt-template <text>", "prompt with {dialogue} in it").default(
        INFERENCE_TEMPLATE,
      ),
    )
    .addOption(jsonOption())
    .action((files: string[], options: SummarizeOptions) => summarize(files, options));
  for (const option of [...inferenceOptions(), ...configOptions()]) command.addOption(option);
  return command;
}

async function summarize(files: readonly string[], options: SummarizeOptions): Promise<void> {
  const output = new Output(options.json);
  fillTemplate(options.promptTemplate, { dialogue: "" }); // a wrong name is said before the model is loaded
  await withProcessGroup(output, (group) => summarizeIn(group, files, options, output));
}

async function summarizeIn(
  group: ProcessGroup,
  files: readonly string[],
  options: SummarizeOptions,
  output: Output,
): Promise<void> {
  if (group.size > 1 && files.length === 0) {
    throw new DatasetError(
      `summarize: ${group.size} processes must be given files, got stdin, which only one of them has. Name the files.`,
    );
  }
  const signal = interruptSignal();
  const dialogues = await readDialogues(files, signal);
  const { device, tokenizer, model } = await loadInferenceModel(group, options, signal);
  const generation = await generationOf(options);
  const own: { source: string; summary: string }[] = [];
  const share = shareOf(dialogues, 1, group);
  const progress = startProgress("summarise", share.length, {
    ...{ quiet: group.rank > 0, brief: share.length === 1 },
  });
  const show = ({ source, summary }: { source: string; summary: string }): void =>
    output.print(dialogues.length > 1 ? `${source}: ${summary}` : summary);
  const prompts = share.map(({ dialogue }) => fillTemplate(options.promptTemplate, { dialogue }));
  const truncation = truncationOf(options.maxSourceLength);
  const inputIds = prompts.length > 0 ? tokenizer.encode(prompts, truncation).inputIds : [];
  const settings = { ...generation, numReturnSequences: 1, signal };
  const sequences =
    share.length === 1
      ? [
          (
            await model.generate(
              { inputIds },
              { ...settings, ...sign(progress, model, generation) },
            )
          )[0]!,
        ]
      : model.generateMany(
          { inputIds },
          { ...settings, onProgress: (done) => progress.update(done) },
        );
  for await (const ids of sequences) {
    const summary = tokenizer.decode(ids, { skipSpecialTokens: true });
    own.push({ source: share[own.length]!.source, summary });
    if (group.size === 1) show(own.at(-1)!);
  }
  progress.update(own.length);
  progress.stop();
  const summaries = await gatherShares(own, 1, group);
  if (group.size > 1) for (const each of summaries) show(each);
  output.result({ model: options.model, summaries });
  await device.close();
}

/** A long text takes a while, and its tokens are the sign of life; beams are told only at the end. */
function sign(
  progress: Progress,
  model: T5ForConditionalGeneration,
  { numBeams = model.generationConfig.raw.num_beams ?? 1 }: { readonly numBeams?: unknown },
) {
  let tokens = 0;
  const streamer = () => progress.update(0, `${++tokens} tokens`);
  return numBeams === 1 ? { streamer } : {};
}

async function readDialogues(files: readonly string[], signal: AbortSignal) {
  const sources = files.length > 0 ? files : ["stdin"];
  return Promise.all(
    sources.map(async (source) => {
      const bytes = files.length > 0 ? await readDialogue(source) : await readStdin(signal);
      const dialogue = decoded(source, bytes);
      if (dialogue.trim() === "") {
        throw new DatasetError(`summarize: ${source} must hold a dialogue, got no text`);
      }
      return { source, dialogue: dialogue.trimEnd() };
    }),
  );
}

async function readStdin(signal: AbortSignal): Promise<Uint8Array> {
  if (process.stdin.isTTY) {
    const end = process.platform === "win32" ? "Ctrl-Z and Enter" : "Ctrl-D";
    process.stderr.write(`type or paste a dialogue, and end it with ${end} on a line of its own\n`);
  }
  return await buffer(addAbortSignal(signal, process.stdin));
}

function decoded(source: string, bytes: Uint8Array): string {
  try {
    return new TextDecoder("utf-8", { fatal: true }).decode(bytes);
  } catch {
    throw new DatasetError(
      `summarize: ${source} must be UTF-8 text, got other bytes. Convert it, for example with iconv.`,
    );
  }
}

async function readDialogue(file: string): Promise<Uint8Array> {
  try {
    return await readFile(file);
  } catch (error) {
    throw new DatasetError(
      `summarize: ${file} cannot be read (${(error as NodeJS.ErrnoException).code})`,
    );
  }
}

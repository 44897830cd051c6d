// gradloom summarize: a summary of each dialogue given as files or on stdin.

import { readFile } from "node:fs/promises";
import { addAbortSignal } from "node:stream";
import { buffer } from "node:stream/consumers";
import { Command } from "commander";
import { openDevice, type DeviceKind } from "../kernels/openDevice.ts";
import { Tokenizer } from "../model/tokenizer.ts";
import { DatasetError } from "../tensor/errors.ts";
import { fillTemplate, INFERENCE_TEMPLATE } from "../data/prompt.ts";
import { EXAMPLE_MODEL } from "./example.ts";
import { fetchModel, MODEL_HELP, revisionOption } from "./hub.ts";
import { adapterOption, loadForGeneration } from "./lora.ts";
import type { ProcessGroup } from "../distributed/processGroup.ts";
import { deviceOption, jsonOption, wholeNumber } from "./options.ts";
import {
  deviceOptionsOf,
  gatherShares,
  rankZeroFirst,
  shareOf,
  withProcessGroup,
} from "./processGroup.ts";
import { templateOption } from "./templateOption.ts";
import { interruptSignal } from "./terminal/interruption.ts";
import { Output } from "./terminal/output.ts";
import { startProgress, type Progress } from "./terminal/progress.ts";

interface SummarizeOptions {
  readonly model: string;
  readonly revision?: string;
  readonly adapter?: string;
  readonly device: DeviceKind;
  readonly maxNewTokens: number;
  readonly numBeams?: number;
  readonly template: string;
  readonly json: boolean;
}

export function summarizeCommand(): Command {
  return new Command("summarize")
    .description("summarise dialogues from files, or from stdin")
    .argument("[files...]", "text files with one dialogue each; stdin when left out")
    .option("--model <name>", MODEL_HELP, EXAMPLE_MODEL)
    .addOption(revisionOption())
    .addOption(adapterOption())
    .addOption(deviceOption())
    .option("--max-new-tokens <n>", "longest summary in tokens", wholeNumber(1), 200)
    .option("--num-beams <n>", "beams; 1 is greedy (default: the model's)", wholeNumber(1))
    .addOption(
      templateOption("--template <text>", "prompt with {dialogue} in it").default(
        INFERENCE_TEMPLATE,
      ),
    )
    .addOption(jsonOption())
    .action((files: string[], options: SummarizeOptions) => summarize(files, options));
}

async function summarize(files: readonly string[], options: SummarizeOptions): Promise<void> {
  const output = new Output(options.json);
  fillTemplate(options.template, { dialogue: "" }); // a wrong name is said before the model is loaded
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
  const { revision } = options;
  const folder = await rankZeroFirst(group, () => fetchModel(options.model, { revision, signal }));
  const device = await openDevice(options.device, deviceOptionsOf(options.device, undefined));
  const tokenizer = await Tokenizer.fromPretrained(folder);
  const model = await loadForGeneration(folder, { device, adapter: options.adapter });
  const own: { source: string; summary: string }[] = [];
  const show = ({ source, summary }: { source: string; summary: string }): void =>
    output.print(dialogues.length > 1 ? `${source}: ${summary}` : summary);
  const share = shareOf(dialogues, 1, group);
  const progress = startProgress("summarise", share.length, { quiet: group.rank > 0 });
  for (const { source, dialogue } of share) {
    const prompt = fillTemplate(options.template, { dialogue });
    const { inputIds, attentionMask } = tokenizer.encode(prompt);
    const { maxNewTokens, numBeams } = options;
    const ids = await model.generate(
      { inputIds, attentionMask },
      {
        ...{ maxNewTokens, numBeams, numReturnSequences: 1, signal },
        ...sign(progress, own.length, numBeams ?? model.generationConfig.raw.num_beams ?? 1),
      },
    );
    const summary = tokenizer.decode(ids[0]!, { skipSpecialTokens: true });
    own.push({ source, summary });
    progress.update(own.length);
    if (group.size === 1) show(own.at(-1)!);
  }
  progress.stop();
  const summaries = await gatherShares(own, 1, group);
  if (group.size > 1) for (const each of summaries) show(each);
  output.result({ model: options.model, summaries });
  await device.close();
}

/** A long text takes a while, and its tokens are the sign of life; beams are told only at the end. */
function sign(progress: Progress, done: number, numBeams: unknown) {
  let tokens = 0;
  const streamer = () => progress.update(done, `${++tokens} tokens`);
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

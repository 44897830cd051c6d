// gradloom summarize: a summary of each dialogue given as files or on stdin.

import { readFile } from "node:fs/promises";
import { text } from "node:stream/consumers";
import { Command } from "commander";
import { openDevice, type DeviceKind } from "../kernels/openDevice.ts";
import { Tokenizer } from "../model/tokenizer.ts";
import { DatasetError } from "../tensor/errors.ts";
import { fillTemplate, INFERENCE_TEMPLATE } from "../data/prompt.ts";
import { EXAMPLE_MODEL } from "./example.ts";
import { fetchModel, MODEL_HELP, revisionOption } from "./hub.ts";
import { adapterOption, loadForGeneration } from "./lora.ts";
import { deviceOption, interruptSignal, jsonOption, wholeNumber } from "./options.ts";
import type { ProcessGroup } from "../distributed/processGroup.ts";
import { Output } from "./output.ts";
import {
  deviceOptionsOf,
  gatherShares,
  rankZeroFirst,
  shareOf,
  withProcessGroup,
} from "./processGroup.ts";

interface SummarizeOptions {
  readonly model: string;
  readonly revision?: string;
  readonly adapter?: string;
  readonly device: DeviceKind;
  readonly maxNewTokens: number;
  readonly numBeams: number;
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
    .option("--num-beams <n>", "beams; 1 is greedy", wholeNumber(1), 1)
    .option("--template <text>", "prompt with {dialogue} in it", INFERENCE_TEMPLATE)
    .addOption(jsonOption())
    .action((files: string[], options: SummarizeOptions) => summarize(files, options));
}

async function summarize(files: readonly string[], options: SummarizeOptions): Promise<void> {
  const output = new Output(options.json);
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
  const dialogues = await readDialogues(files);
  const signal = interruptSignal();
  const { revision } = options;
  const folder = await rankZeroFirst(group, () => fetchModel(options.model, { revision, signal }));
  const device = await openDevice(options.device, deviceOptionsOf(options.device, undefined));
  const tokenizer = await Tokenizer.fromPretrained(folder);
  const model = await loadForGeneration(folder, { device, adapter: options.adapter });
  const own: { source: string; summary: string }[] = [];
  const show = ({ source, summary }: { source: string; summary: string }): void =>
    output.print(dialogues.length > 1 ? `${source}: ${summary}` : summary);
  for (const { source, dialogue } of shareOf(dialogues, 1, group)) {
    const prompt = fillTemplate(options.template, { dialogue });
    const { inputIds, attentionMask } = tokenizer.encode(prompt);
    const { maxNewTokens, numBeams } = options;
    const ids = await model.generate(
      { inputIds, attentionMask },
      { maxNewTokens, numBeams, signal },
    );
    const summary = tokenizer.decode(ids[0]!, { skipSpecialTokens: true });
    own.push({ source, summary });
    if (group.size === 1) show(own.at(-1)!);
  }
  const summaries = await gatherShares(own, 1, group);
  if (group.size > 1) for (const each of summaries) show(each);
  output.result({ model: options.model, summaries });
  await device.close();
}

async function readDialogues(files: readonly string[]) {
  const sources = files.length > 0 ? files : ["stdin"];
  return Promise.all(
    sources.map(async (source) => {
      const dialogue = files.length > 0 ? await readDialogue(source) : await text(process.stdin);
      if (dialogue.trim() === "") {
        throw new DatasetError(`summarize: ${source} must hold a dialogue, got no text`);
      }
      return { source, dialogue: dialogue.trimEnd() };
    }),
  );
}

async function readDialogue(file: string): Promise<string> {
  try {
    return await readFile(file, "utf8");
  } catch (error) {
    throw new DatasetError(
      `summarize: ${file} cannot be read (${(error as NodeJS.ErrnoException).code})`,
    );
  }
}

// gradloom info: configuration, parameter count and memory estimate, without weights.

import { Command } from "commander";
import { T5Config } from "../t5/config.ts";
import { int8Bytes } from "../t5/int8.ts";
import { countLoraParameters } from "../t5/lora/targets.ts";
import { EXAMPLE_MODEL } from "./example.ts";
import { fetchModel, MODEL_HELP, revisionOption } from "./hub.ts";
import { loraConfigOf, loraOptions, type LoraFlags } from "./lora.ts";
import { jsonOption } from "./options.ts";
import { interruptSignal } from "./terminal/interruption.ts";
import { Output } from "./terminal/output.ts";

interface InfoOptions extends LoraFlags {
  readonly model: string;
  readonly revision?: string;
  readonly json: boolean;
}

const GIB = 2 ** 30;
const MIB = 2 ** 20;

export function infoCommand(): Command {
  const command = new Command("info")
    .description(
      "configuration, parameter count and memory estimate of a model, from its config.json",
    )
    .option("--model <name>", MODEL_HELP, EXAMPLE_MODEL)
    .addOption(revisionOption())
    .addOption(jsonOption())
    .action((options: InfoOptions) => info(options));
  for (const option of loraOptions()) command.addOption(option);
  return command;
}

async function info({ model, revision, json, ...flags }: InfoOptions): Promise<void> {
  const output = new Output(json);
  const signal = interruptSignal();
  const folder = await fetchModel(model, { revision, signal }, ["config"]);
  const config = await T5Config.fromPretrained(folder);
  const lora = loraConfigOf(flags);
  const base = config.numParameters();
  const adapter = lora && countLoraParameters(config, lora);
  const parameters = base + (adapter ?? 0);
  const trainable = adapter ?? base;
  const memory = estimateMemory(parameters, trainable, int8Bytes(config) + 4 * (adapter ?? 0));
  const share =
    trainable === parameters
      ? ""
      : ` of ${grouped(parameters)} (${percent(trainable / parameters)})`;
  const activation = `${config.isGated ? "gated " : ""}${config.activation}`;
  output.print(`model                  ${model}`);
  output.print(`trainable parameters   ${grouped(trainable)}${share}`);
  output.print(
    `layers                 ${config.numLayers} encoder, ${config.numDecoderLayers} decoder`,
  );
  output.print(
    `width                  ${config.dModel}, ${config.numHeads} heads of ${config.dKv}`,
  );
  output.print(`feed-forward           ${config.dFf}, ${activation}`);
  output.print(`vocabulary             ${grouped(config.vocabSize)}`);
  output.print(
    `output projection      ${config.tieWordEmbeddings ? "tied to the embedding" : "its own"}`,
  );
  output.print(
    `weights                ${size(memory.weightsF32)} in f32, ${size(memory.weightsBf16)} in bf16, ${size(memory.weightsInt8)} in int8`,
  );
  if (config.raw.quantization_config) output.print("saved in               int8");
  output.print(`training with AdamW    ${size(memory.trainingF32)} in f32 besides activations`);
  output.result({
    ...{ model, parameters, trainableParameters: trainable, memoryBytes: memory },
    ...(lora ? { lora } : {}),
    config: config.toJSON(),
  });
}

/** Bytes for weights, and for weights with gradients and two AdamW moments of the trainable ones, in f32. */
function estimateMemory(parameters: number, trainable: number, int8: number) {
  return {
    weightsF32: 4 * parameters,
    weightsBf16: 2 * parameters,
    weightsInt8: int8,
    trainingF32: 4 * parameters + 3 * 4 * trainable,
  };
}

function grouped(count: number): string {
  return count.toLocaleString("en-US");
}

function percent(share: number): string {
  return `${(100 * share).toFixed(2)}%`;
}

function size(bytes: number): string {
  return bytes >= GIB ? `${(bytes / GIB).toFixed(2)} GiB` : `${(bytes / MIB).toFixed(1)} MiB`;
}

// gradloom info: configuration, parameter count and memory estimate, without weights.

import { Command } from "commander";
import { T5Config } from "../t5/config.ts";
import { EXAMPLE_MODEL } from "./example.ts";
import { fetchModel, MODEL_HELP, revisionOption } from "./hub.ts";
import { jsonOption } from "./options.ts";
import { Output } from "./output.ts";

interface InfoOptions {
  readonly model: string;
  readonly revision?: string;
  readonly json: boolean;
}

const GIB = 2 ** 30;
const MIB = 2 ** 20;

export function infoCommand(): Command {
  return new Command("info")
    .description(
      "configuration, parameter count and memory estimate of a model, from its config.json",
    )
    .option("--model <name>", MODEL_HELP, EXAMPLE_MODEL)
    .addOption(revisionOption())
    .addOption(jsonOption())
    .action((options: InfoOptions) => info(options));
}

async function info({ model, revision, json }: InfoOptions): Promise<void> {
  const output = new Output(json);
  const config = await T5Config.fromPretrained(await fetchModel(model, { revision }, ["config"]));
  const parameters = config.numParameters();
  const memory = estimateMemory(parameters);
  const activation = `${config.isGated ? "gated " : ""}${config.activation}`;
  output.print(`model                  ${model}`);
  output.print(`trainable parameters   ${parameters.toLocaleString("en-US")}`);
  output.print(
    `layers                 ${config.numLayers} encoder, ${config.numDecoderLayers} decoder`,
  );
  output.print(
    `width                  ${config.dModel}, ${config.numHeads} heads of ${config.dKv}`,
  );
  output.print(`feed-forward           ${config.dFf}, ${activation}`);
  output.print(`vocabulary             ${config.vocabSize.toLocaleString("en-US")}`);
  output.print(
    `output projection      ${config.tieWordEmbeddings ? "tied to the embedding" : "its own"}`,
  );
  output.print(
    `weights                ${size(memory.weightsF32)} in f32, ${size(memory.weightsBf16)} in bf16`,
  );
  output.print(`training with AdamW    ${size(memory.trainingF32)} in f32 besides activations`);
  output.result({ model, parameters, memoryBytes: memory, config: config.toJSON() });
}

/** Bytes for weights, and for weights + gradients + two AdamW moments in f32. */
function estimateMemory(parameters: number) {
  return {
    weightsF32: 4 * parameters,
    weightsBf16: 2 * parameters,
    trainingF32: 4 * 4 * parameters,
  };
}

function size(bytes: number): string {
  return bytes >= GIB ? `${(bytes / GIB).toFixed(2)} GiB` : `${(bytes / MIB).toFixed(1)} MiB`;
}

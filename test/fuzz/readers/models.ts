// Files of models: weights, configurations, adapters, tokenizers. In memory, as pages have them.

import { readFileSync } from "node:fs";
import { join } from "node:path";
import { Tokenizer } from "../../../src/model/tokenizer.ts";
import { openTorchFile } from "../../../src/model/torchFile/torchFile.ts";
import { openWeightFiles } from "../../../src/model/weightFiles.ts";
import { T5Config } from "../../../src/t5/config.ts";
import { addLora, removeLora } from "../../../src/t5/lora/adapter.ts";
import { LoraConfig } from "../../../src/t5/lora/config.ts";
import { loadLora, loraFiles } from "../../../src/t5/lora/files.ts";
import { countLoraParameters } from "../../../src/t5/lora/targets.ts";
import { T5ForConditionalGeneration } from "../../../src/t5/model.ts";
import { toBlobs } from "../../../src/model/savedFiles.ts";
import { openDevice } from "../../../src/kernels/openDevice.ts";
import { readSafetensors } from "../../../src/tensor/safetensors.ts";
import { pickle, storedZip, torchFile } from "../../support/torchArchive.ts";
import { spieceModel } from "../../support/spieceModel.ts";
import { Violation, type FuzzedReader } from "../harness.ts";
import { damaged, damagedBytes, damagedInPlace, damagedJson, type Draw } from "../mutate.ts";

const EXAMPLE = join(import.meta.dirname, "../../../examples/model");
const example = (name: string) => readFileSync(join(EXAMPLE, name));

const ENTRIES = {
  a: { dtype: "F32", shape: [2, 3], data_offsets: [0, 24] },
  "b.c": { dtype: "BF16", shape: [4], data_offsets: [24, 32] },
  e: { dtype: "I64", shape: [], data_offsets: [32, 40] },
  z: { dtype: "U8", shape: [0, 5], data_offsets: [40, 40] },
};

function safetensorsFile(header: string | object, data: Uint8Array, draw?: Draw): Buffer {
  const text = Buffer.from(typeof header === "string" ? header : JSON.stringify(header));
  const head = Buffer.alloc(8);
  let length = BigInt(text.length);
  if (draw?.chance(0.1)) length += BigInt(draw.below(9));
  if (draw?.chance(0.03)) length = draw.pick([0n, 2n ** 63n, 2n ** 64n - 1n, 100_000_001n]);
  head.writeBigUInt64LE(length);
  return Buffer.concat([head, text, data]);
}

/** A safetensors file with something wrong in it, or with nothing. */
export function damagedSafetensors(draw: Draw): Buffer {
  const header = { __metadata__: { format: "pt" }, ...ENTRIES };
  const data = Buffer.alloc(40, 7);
  if (draw.chance(0.35)) return damagedBytes(safetensorsFile(header, data), draw, 3);
  const rest = draw.chance(0.9) ? data : Buffer.alloc(draw.below(80), 7);
  return safetensorsFile(damagedJson(header, draw, 2), rest, draw);
}

/** A reader that only reads. */
function reading(
  name: string,
  errors: readonly string[],
  run: (draw: Draw) => Promise<void> | void,
): FuzzedReader {
  return {
    name,
    errors,
    setUp: () => Promise.resolve({ run: async (draw) => run(draw) }),
  };
}

const blob = (bytes: Uint8Array | string) => new Blob([new Uint8Array(Buffer.from(bytes))]);

const SHARDS = new Map(
  [["a", "b.c"], ["e"]].map((names, i) => {
    let end = 0;
    const entries = names.map((name) => {
      const { dtype, shape, data_offsets } = ENTRIES[name as keyof typeof ENTRIES];
      const length = data_offsets[1]! - data_offsets[0]!;
      return [name, { dtype, shape, data_offsets: [end, (end += length)] }] as const;
    });
    const file = safetensorsFile(Object.fromEntries(entries), Buffer.alloc(end));
    return [`model-0000${i + 1}-of-00002.safetensors`, blob(file)] as const;
  }),
);
const INDEX = {
  metadata: { total_size: 40 },
  weight_map: {
    a: "model-00001-of-00002.safetensors",
    "b.c": "model-00001-of-00002.safetensors",
    e: "model-00002-of-00002.safetensors",
  },
};

async function readIndex(draw: Draw): Promise<void> {
  const index = damaged(Buffer.from(JSON.stringify(INDEX)), draw, 0.75);
  const files = await openWeightFiles(
    new Map([
      ["config.json", blob("{}")],
      ["model.safetensors.index.json", blob(index)],
      ...SHARDS,
    ]),
  );
  try {
    for (const name of files.names.keys()) await files.read(name);
  } finally {
    await files.close();
  }
}

const CONFIG = {
  ...(JSON.parse(example("config.json").toString()) as object),
  ...{ vocab_size: 32, d_model: 8, d_kv: 4, d_ff: 8, num_heads: 2, num_layers: 1 },
  ...{ num_decoder_layers: 1, dropout_rate: 0 },
};

function readConfig(draw: Draw): Promise<void> {
  const bytes = damaged(Buffer.from(JSON.stringify(CONFIG)), draw, 0.8);
  return T5Config.fromPretrained(new Map([["config.json", blob(bytes)]])).then((config) => {
    for (const key of ["vocabSize", "dModel", "dKv", "dFf", "numLayers", "numHeads"] as const) {
      if (!(Number.isSafeInteger(config[key]) && config[key] > 0))
        throw new Violation(`${key} is ${config[key]}`);
    }
    if (!(config.dropoutRate >= 0 && config.dropoutRate < 1))
      throw new Violation(`dropoutRate is ${config.dropoutRate}`);
    T5Config.fromJSON(JSON.parse(JSON.stringify(config.toJSON())) as Record<string, unknown>);
    config.numParameters();
    countLoraParameters(config, new LoraConfig({ r: 2 }));
  });
}

const GENERATION = {
  ...{ max_length: 8, min_length: 2, num_beams: 2, do_sample: true, temperature: 0.7, top_k: 5 },
  ...{ top_p: 0.9, repetition_penalty: 1.1, no_repeat_ngram_size: 2, length_penalty: 1 },
  ...{ early_stopping: true, num_return_sequences: 1, decoder_start_token_id: 0 },
  ...{ eos_token_id: 1, pad_token_id: 0 },
};

/** A model whose generation_config.json is damaged, and what it generates. */
const generation: FuzzedReader = {
  name: "generation_config.json",
  errors: ["ConfigError", "ArgumentError", "GradloomError"], // the last one of a temperature that overflows
  async setUp() {
    const device = await openDevice("cpu", { threads: 1 });
    const config = T5Config.fromJSON(CONFIG);
    const model = T5ForConditionalGeneration.fromConfig(config, { device, seed: 1 });
    const files = await model.toFiles();
    model.dispose();
    return {
      async run(draw) {
        const bytes = damaged(Buffer.from(JSON.stringify(GENERATION)), draw, 0.85);
        const damagedModel = new Map([...files, ["generation_config.json", blob(bytes)] as const]);
        const loaded = await T5ForConditionalGeneration.fromPretrained(damagedModel, { device });
        try {
          const inputIds = [
            [2, 3, 4, 1],
            [5, 6, 7, 1],
          ];
          const rows = await loaded.generate({ inputIds }, { maxNewTokens: 3 });
          if (!rows.flat().every((id) => Number.isInteger(id) && id >= 0))
            throw new Violation(`generated ${JSON.stringify(rows)}`);
        } finally {
          loaded.dispose();
        }
      },
      tearDown: () => Promise.resolve(device.close()),
    };
  },
};

/** An adapter for a model, which must be as before when it is refused. */
const adapter: FuzzedReader = {
  name: "adapter_config.json",
  errors: ["ConfigError", "ArgumentError", "CheckpointError", "SafetensorsError"],
  async setUp() {
    const device = await openDevice("cpu", { threads: 1 });
    const config = T5Config.fromJSON(CONFIG);
    const model = T5ForConditionalGeneration.fromConfig(config, { device, seed: 1 });
    const rankPattern = { "encoder.*q": 3 };
    addLora(model, new LoraConfig({ r: 2, rankPattern, alphaPattern: { v: 4 } }));
    const files = await toBlobs(loraFiles(model));
    removeLora(model);
    const [name, weights] = [...files].find(([each]) => each.endsWith(".safetensors"))!;
    const tensors = new Uint8Array(await weights.arrayBuffer());
    const said = Buffer.from(await files.get("adapter_config.json")!.arrayBuffer());
    const run = async (draw: Draw) => {
      const isWeights = draw.chance(0.2);
      const changed: readonly [string, Blob] = isWeights
        ? [name, blob(damagedInPlace(tensors.subarray(0, 400), draw))]
        : ["adapter_config.json", blob(damaged(said, draw, 0.85))];
      try {
        await loadLora(model, new Map([...files, changed]));
        removeLora(model);
      } finally {
        if (model.lora !== null) {
          removeLora(model);

          throw new Violation("an adapter is left behind");
        }
      }
    };
    return { run, tearDown: () => Promise.resolve(device.close()) };
  },
};

const TEXTS = [
  "Summarize: #Person1#: Shall we meet at six?",
  "",
  " ",
  "They <pad></s> <extra_id_0> meet.",
  "日本 é \0 \ud800 ",
  "x".repeat(100),
  "a\nb\tc  d",
];

function use(tokenizer: Tokenizer): void {
  const { inputIds, attentionMask } = tokenizer.encode(TEXTS, { padding: "longest" });
  for (const [i, row] of inputIds.entries()) {
    if (row.length !== attentionMask[i]!.length) throw new Violation("mask and ids differ");
    const wrong = row.find((id) => !Number.isInteger(id) || id < 0 || id >= tokenizer.vocabSize);
    if (wrong !== undefined) throw new Violation(`id ${wrong} of ${tokenizer.vocabSize}`);
    if (typeof tokenizer.decode(row) !== "string") throw new Violation("no text");
  }
  tokenizer.decode([0, 1, 2, 5, 99_999_999], { skipSpecialTokens: true });
  if (!(tokenizer.modelMaxLength > 0)) throw new Violation(`length ${tokenizer.modelMaxLength}`);
}

const TOKENIZER_FILES = ["tokenizer.json", "tokenizer_config.json", "special_tokens_map.json"];

function tokenizerFile(file: string): FuzzedReader {
  return reading(file, ["TokenizerError"], async (draw) => {
    const files = TOKENIZER_FILES.map((name): [string, Blob] => {
      const whole = example(name);
      return [name, blob(name === file ? damaged(whole, draw, 0.8) : whole)];
    });
    use(await Tokenizer.fromPretrained(new Map(files)));
  });
}

const SPIECE = spieceModel({ trainer: { 3: 1, 40: 2 }, normalizer: { 3: 1 } });

async function readSpiece(draw: Draw): Promise<void> {
  const bytes = draw.chance(0.5) ? damagedInPlace(SPIECE, draw) : damagedBytes(SPIECE, draw);
  use(await Tokenizer.fromPretrained(new Map([["spiece.model", blob(bytes)]])));
}

const TORCH = torchFile([
  ["a", { dtype: "F32", shape: [2, 3], data: new Float32Array(6) }],
  ["b.c", { dtype: "BF16", shape: [4], data: new Uint16Array(4) }],
]);

async function readTorch(draw: Draw): Promise<void> {
  const bytes = draw.chance(0.6) ? damagedInPlace(TORCH, draw) : damagedBytes(TORCH, draw);
  const file = await openTorchFile(new Uint8Array(bytes));
  for (const name of file.entries.keys()) await file.read(name);
}

const PICKLE = pickle({ a: { dtype: "Float", key: "0", size: 4, shape: [4], strides: [1] } });

/** The pickle alone is damaged, in an archive that is whole. */
async function readPickle(draw: Draw): Promise<void> {
  const bytes = damagedBytes(PICKLE, draw, 2);
  const file = await openTorchFile(
    storedZip({ "archive/data.pkl": bytes, "archive/data/0": new Uint8Array(16) }),
  );
  for (const name of file.entries.keys()) await file.read(name);
}

export const models: readonly FuzzedReader[] = [
  reading("safetensors", ["SafetensorsError"], async (draw) => {
    const { tensors } = await readSafetensors(damagedSafetensors(draw));
    for (const { data } of tensors.values())
      if (!(data.length >= 0)) throw new Violation("no data");
  }),
  reading("model.safetensors.index.json", ["CheckpointError", "SafetensorsError"], readIndex),
  reading("config.json", ["ConfigError"], readConfig),
  generation,
  adapter,
  ...TOKENIZER_FILES.map(tokenizerFile),
  reading("spiece.model", ["TokenizerError"], readSpiece),
  reading("torch.save, archive", ["CheckpointError"], readTorch),
  reading("torch.save, pickle", ["CheckpointError"], readPickle),
];

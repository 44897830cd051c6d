// The commands on folders as the world lays them out: models and data sets, whole ways through.

import { mkdir, readdir, rm, writeFile } from "node:fs/promises";
import { dirname, join } from "node:path";
import { gzipSync } from "node:zlib";
import { RecordBatchStreamWriter, tableFromArrays } from "apache-arrow";
import { parquetWriteBuffer } from "hyparquet-writer";
import { describe, expect, it } from "vitest";
import { LoraConfig } from "../../src/t5/lora/config.ts";
import { addLora } from "../../src/t5/lora/adapter.ts";
import { saveLora } from "../../src/t5/lora/files.ts";
import { T5Config, type ModelType } from "../../src/t5/config.ts";
import { readSafetensors, writeSafetensors } from "../../src/tensor/safetensors.ts";
import { gradloom } from "../support/command.ts";
import { temporaryFolder } from "../support/folder.ts";
import { isFull } from "../support/full.ts";
import { spieceModel } from "../support/spieceModel.ts";
import { tinyT5 } from "../support/tinyT5.ts";
import { torchFile } from "../support/torchArchive.ts";

const folder = temporaryFolder();
const LETTERS = [..."▁abcdefghijklmnopqrstuvwxyz.,:'"];
const SPECIAL = ["<pad>", "</s>", "<unk>"];
const spiece = spieceModel({
  pieces: [
    ...SPECIAL.map((text) => ({ text, type: text === "<unk>" ? 2 : 3 })),
    ...LETTERS.map((text) => ({ text, score: -3 })),
  ],
});
const tokenizerJson = JSON.stringify({
  version: "1.0",
  added_tokens: SPECIAL.map((content, id) => ({
    ...{ id, content, special: true, normalized: false },
    ...{ single_word: false, lstrip: false, rstrip: false },
  })),
  normalizer: { type: "NFKC" },
  pre_tokenizer: { type: "Metaspace", replacement: "▁", prepend_scheme: "always" },
  post_processor: {
    type: "TemplateProcessing",
    single: [{ Sequence: { id: "A" } }, { SpecialToken: { id: "</s>" } }],
  },
  decoder: { type: "Metaspace", replacement: "▁" },
  model: {
    ...{ type: "Unigram", unk_id: 2, byte_fallback: false },
    vocab: [...SPECIAL.map((text) => [text, 0]), ...LETTERS.map((text) => [text, -3])],
  },
});

type Files = Readonly<Record<string, string | Uint8Array>>;

async function write(files: Files, place = folder()): Promise<string> {
  for (const [name, content] of Object.entries(files)) {
    await mkdir(dirname(join(place, name)), { recursive: true });
    await writeFile(join(place, name), content);
  }
  return place;
}

/** A model that was saved, in a folder with other files of weights and this tokenizer. */
async function modelFolder(
  type: ModelType,
  tokenizer: Files,
  weights: (tensors: Awaited<ReturnType<typeof readSafetensors>>["tensors"]) => Promise<Files>,
): Promise<string> {
  const config = T5Config.fromJSON({
    ...{ model_type: type, vocab_size: 160, d_model: 16, d_kv: 8, d_ff: 24, num_heads: 2 },
    ...{ num_layers: 1, feed_forward_proj: type === "t5" ? "relu" : "gated-gelu" },
  });
  const model = tinyT5({ config });
  const place = folder();
  await model.savePretrained(place);
  model.dispose();
  const { tensors } = await readSafetensors(join(place, "model.safetensors"));
  const files = await weights(tensors);
  await rm(join(place, "model.safetensors"));
  return write({ ...files, ...tokenizer }, place);
}

/** Two shards and their index. */
async function shards(
  tensors: ReadonlyMap<string, unknown>,
  [index, one, two]: readonly [string, string, string],
  file: (part: never) => Promise<Uint8Array>,
): Promise<Files> {
  const entries = [...tensors];
  const parts = { [one]: entries.slice(0, 4), [two]: entries.slice(4) };
  const weightMap = Object.entries(parts).flatMap(([name, part]) =>
    part.map(([key]) => [key, name]),
  );
  const written = Object.entries(parts).map(
    async ([name, part]) => [name, await file(new Map(part) as never)] as const,
  );
  return {
    [index]: JSON.stringify({ weight_map: Object.fromEntries(weightMap) as object }),
    ...Object.fromEntries(await Promise.all(written)),
  };
}

async function safetensors(part: Parameters<typeof writeSafetensors>[1]): Promise<Uint8Array> {
  const place = join(folder(), "x");
  await mkdir(dirname(place), { recursive: true });
  await writeSafetensors(place, part, { format: "pt" });
  return (await import("node:fs/promises")).readFile(place);
}

const rows = Array.from({ length: 4 }, (_, i) => ({
  dialogue: `#person1#: shall we meet at ${"abcd"[i]!}?`,
  summary: `they meet at ${"abcd"[i]!}.`,
}));
const csv = `dialogue,summary\n${rows.map((row) => `"${row.dialogue}","${row.summary}"\n`).join("")}`;
const jsonl = rows.map((row) => `${JSON.stringify(row)}\n`).join("");
const columns = ["dialogue", "summary"] as const;
const parquet = Buffer.from(
  parquetWriteBuffer({
    columnData: columns.map((name) => ({ name, data: rows.map((row) => row[name]) })),
  }),
);
const arrow = await RecordBatchStreamWriter.writeAll(
  tableFromArrays(Object.fromEntries(columns.map((name) => [name, rows.map((row) => row[name])]))),
).toUint8Array(true);
const state = JSON.stringify({ _data_files: [{ filename: "data-00000-of-00001.arrow" }] });
const CARD = `---
configs:
- config_name: old
  data_files: none.csv
- config_name: new
  data_files:
  - {split: train, path: "in/*.tsv"}
  - {split: validation, path: out/b.tsv}
  - {split: test, path: "out/[c]*.tsv"}
  sep: ";"
---
`;

const data = (): Record<string, [files: Files, ...flags: string[]]> => ({
  "words in names": [
    { "my_train.csv": csv, "dev-set.csv": csv, "latest.csv": csv, "x.eval.csv": csv },
  ],
  shards: [
    {
      "data/train-00000-of-00001.parquet": parquet,
      "data/validation-00000-of-00001.parquet": parquet,
      "data/test-00000-of-00001.parquet": parquet,
    },
  ],
  "a configuration": [
    {
      "README.md": CARD,
      "in/a.tsv": csv.replaceAll('","', '";"').replace(",", ";"),
      "out/b.tsv": csv.replaceAll('","', '";"').replace(",", ";"),
      "out/c.tsv": csv.replaceAll('","', '";"').replace(",", ";"),
    },
    ...["--dataset-config", "new"],
  ],
  save_to_disk: [
    {
      "dataset_dict.json": '{"splits": ["train", "validation", "test"]}',
      ...Object.fromEntries(
        ["train", "validation", "test"].flatMap((split) => [
          [`${split}/state.json`, state],
          [`${split}/data-00000-of-00001.arrow`, arrow],
        ]),
      ),
    },
  ],
  "packed lists": [
    {
      "a/train/x.json": JSON.stringify(rows),
      "a/val/x.json": JSON.stringify({ data: rows }),
      "a/test/x.jsonl.gz": gzipSync(jsonl),
    },
  ],
});

const models: Record<string, () => Promise<string>> = {
  "T5 without tokenizer_config.json": () =>
    modelFolder("t5", { "tokenizer.json": tokenizerJson }, async (tensors) => ({
      "model.safetensors": await safetensors(tensors),
    })),
  "T5 of torch.save with spiece.model alone": () =>
    modelFolder("t5", { "spiece.model": spiece }, (tensors) =>
      Promise.resolve({ "pytorch_model.bin": torchFile(tensors) }),
    ),
  "mT5 in shards": () =>
    modelFolder("mt5", { "spiece.model": spiece }, (tensors) =>
      shards(
        tensors,
        ["model.safetensors.index.json", "a.safetensors", "b.safetensors"],
        safetensors,
      ),
    ),
  "UMT5 in shards of torch.save": () =>
    modelFolder(
      "umt5",
      { "tokenizer.json": tokenizerJson, "tokenizer_config.json": "{}" },
      (tensors) =>
        shards(tensors, ["pytorch_model.bin.index.json", "a.bin", "b.bin"], (part) =>
          Promise.resolve(torchFile(part)),
        ),
    ),
};

async function succeeds(args: readonly string[], input = ""): Promise<string> {
  const { code, stdout, stderr } = await gradloom([...args, "--device", "cpu"], input);
  expect(
    [code, stderr.replace(/^(?!gradloom|.*rror).*\n/gm, "")],
    `${args.join(" ")}\n${stderr}`,
  ).toEqual([0, ""]);
  return stdout;
}

/** Every command on a model and a data set. @returns the trained model */
async function allCommands(model: string, [files, ...flags]: [Files, ...string[]]): Promise<void> {
  const dataset = ["--dataset", await write(files), ...flags];
  const info = await gradloom(["info", "--model", model, "--json"]);
  expect(JSON.parse(info.stdout)).toHaveProperty("parameters");
  const short = ["--max-new-tokens", "2", "--model", model];
  const summary = await succeeds(["summarize", ...short, "--json"], "a: b");
  expect((JSON.parse(summary) as { summaries: unknown[] }).summaries).toHaveLength(1);
  const scores = await succeeds(["evaluate", ...short, ...dataset, "--rows", "2", "--json"]);
  expect(JSON.parse(scores)).toHaveProperty("rows", 2);
  const out = folder();
  await succeeds([
    ...["train", "--model", model, ...dataset, "--output-dir", out, "--max-steps", "1"],
    ...["--rouge-rows", "1", "--max-new-tokens", "2", "--sample-rows", "1", "--no-cache"],
    ...["--eval-strategy", "steps", "--eval-steps", "1", "--per-device-train-batch-size", "2"],
  ]);
  expect(await readdir(out)).toContain("report.html");
}

describe("every command", () => {
  const layouts = Object.values(data());
  const cases = Object.keys(models).map((name, i) => [name, layouts[i]!] as const);
  it.each(isFull ? cases : cases.slice(1, 2))(
    "takes %s",
    { timeout: 120_000 },
    async (name, files) => {
      await allCommands(await models[name]!(), files);
    },
  );

  it("takes an adapter of torch.save beside its base model", { timeout: 120_000 }, async () => {
    const base = await models["T5 without tokenizer_config.json"]!();
    const adapter = folder();
    const { T5ForConditionalGeneration } = await import("../../src/t5/model.ts");
    const { cpu } = await import("../support/device.ts");
    const model = await T5ForConditionalGeneration.fromPretrained(base, { device: cpu });
    addLora(model, new LoraConfig({ r: 2 }));
    await saveLora(model, adapter);
    model.dispose();
    const { tensors } = await readSafetensors(join(adapter, "adapter_model.safetensors"));
    await write({ "adapter_model.bin": torchFile(tensors) }, adapter);
    await rm(join(adapter, "adapter_model.safetensors"));
    const { "packed lists": packed } = data();
    const flags = ["--model", base, "--adapter", adapter, "--max-new-tokens", "2", "--json"];
    await succeeds(["summarize", ...flags], "a: b");
    await succeeds(["evaluate", ...flags, "--dataset", await write(packed![0]), "--rows", "1"]);
  });
});

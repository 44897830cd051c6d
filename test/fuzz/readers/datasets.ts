// Files of datasets: whole and streamed, which must agree.

import { mkdirSync, writeFileSync } from "node:fs";
import { gzipSync } from "node:zlib";
import { RecordBatchFileWriter, RecordBatchStreamWriter, tableFromArrays } from "apache-arrow";
import { parquetWriteBuffer } from "hyparquet-writer";
import { loadDataset, streamDataset } from "../../../src/data/loadDataset.ts";
import type { Row } from "../../../src/data/dataset.ts";
import { storedZip } from "../../support/torchArchive.ts";
import { Violation, type FuzzedReader } from "../harness.ts";
import { damagedBytes, damagedInPlace, damagedJson, type Draw } from "../mutate.ts";

const CSV = Buffer.from(
  'id,dialogue,summary,topic\n1,"#Person1#: Hi, ""Bob""!\r\n#Person2#: Hello.",They greet.,hi\n2,plain text,Short.,\n3,"multi\nline",NA-free,x\n',
);
const ROWS = [
  { id: 1, dialogue: "#Person1#: Hi", summary: "They greet." },
  { id: 2, dialogue: "b\u2028c", summary: "s", n: [1, { a: null }] },
];
const CARD = `---
language: en
configs:
- config_name: default
  data_files:
  - split: train
    path: "train.*"
- config_name: other
  data_files: "other/*.csv"
  sep: ";"
dataset_info:
  features:
  - name: dialogue
    dtype: string
---
# A dataset
`;

/** Files of every compression that the writer has, with and without dictionaries. */
function parquetFiles(): Buffer[] {
  const columnData = [
    { name: "id", data: [1n, 2n, 3n], type: "INT64" as const },
    { name: "dialogue", data: ["#Person1#: Hi", "b", "c".repeat(200)], type: "STRING" as const },
    { name: "summary", data: ["They greet.", "s", "s"], type: "STRING" as const },
    { name: "topic", data: ["x", null, "x"], type: "STRING" as const, nullable: true },
    { name: "scores", data: [[1, 2], [], [3]], type: "JSON" as const },
  ];
  return (["SNAPPY", "UNCOMPRESSED"] as const).map((codec) =>
    Buffer.from(parquetWriteBuffer({ columnData, codec, statistics: codec === "SNAPPY" })),
  );
}

type Damage = (draw: Draw) => Buffer | string;

export const datasets: readonly FuzzedReader[] = [
  dataset("CSV", "train.csv", (draw) => damagedBytes(CSV, draw)),
  dataset("JSON", "train.json", (draw) => json(draw, (rows) => `[${rows.join(",\n")}]`)),
  dataset("JSON Lines", "train.jsonl", (draw) => json(draw, (rows) => `${rows.join("\n")}\n`)),
  dataset("Parquet", "train.parquet", parquet),
  dataset("Arrow", "train.arrow", arrow),
  dataset("packed CSV", "train.csv.gz", (draw) => damagedBytes(gzipSync(CSV), draw)),
  dataset("zip", "train.csv.zip", (draw) => {
    const whole = storedZip({ "train.csv": CSV, "more.csv": CSV });
    return draw.chance(0.6) ? damagedInPlace(whole, draw) : damagedBytes(whole, draw);
  }),
  dataset("dataset card", "README.md", (draw) => damagedBytes(Buffer.from(CARD), draw, 6), {
    "train.csv": CSV,
  }),
];

let files: readonly Buffer[] | undefined;

function parquet(draw: Draw): Buffer {
  files ??= parquetFiles();
  const file = draw.pick(files);
  return draw.chance(0.8) ? damagedInPlace(file, draw) : damagedBytes(file, draw);
}

let tables: readonly Uint8Array[] | undefined;

/** A file or a stream, with a text column that is a dictionary. */
function arrow(draw: Draw): Buffer {
  tables ??= [RecordBatchFileWriter, RecordBatchStreamWriter].map((writer) =>
    writer.writeAll(tableFromArrays(COLUMNS)).toUint8Array(true),
  );
  const table = draw.pick(tables);
  return draw.chance(0.8) ? damagedInPlace(table, draw) : damagedBytes(table, draw);
}

const COLUMNS = {
  id: Int32Array.of(1, 2, 3),
  dialogue: ["#Person1#: Hi", "b", "c".repeat(200)],
  summary: ["They greet.", "s", "s"],
};

function json(draw: Draw, write: (rows: readonly string[]) => string): Buffer | string {
  if (draw.chance(0.4))
    return damagedBytes(Buffer.from(write(ROWS.map((row) => JSON.stringify(row)))), draw);
  return write(
    ROWS.map((row) => (draw.chance(0.6) ? damagedJson(row, draw) : JSON.stringify(row))),
  );
}

function dataset(
  name: string,
  file: string,
  damage: Damage,
  others: Readonly<Record<string, Buffer>> = {},
): FuzzedReader {
  return {
    name,
    errors: ["DatasetError"],
    setUp(folder) {
      mkdirSync(folder, { recursive: true });
      for (const [other, bytes] of Object.entries(others))
        writeFileSync(`${folder}/${other}`, bytes);
      return Promise.resolve({
        async run(draw) {
          writeFileSync(`${folder}/${file}`, damage(draw));
          const whole = await settled(async () => (await loadDataset(folder)).train?.rows ?? []);
          // The same reader behind it: not in every case, for the time.
          const streamed = draw.chance(0.7)
            ? whole
            : await settled(async () => {
                const rows: Row[] = [];
                for await (const row of await streamDataset(folder, "train")) rows.push(row);
                return rows;
              });
          check(whole.value, streamed);
          if (whole.error !== undefined) throw whole.error;
        },
      });
    },
  };
}

interface Settled {
  readonly value?: readonly Row[];
  readonly error?: Error;
}

async function settled(read: () => Promise<readonly Row[]>): Promise<Settled> {
  try {
    return { value: await read() };
  } catch (error) {
    return { error: error as Error };
  }
}

function check(whole: readonly Row[] | undefined, streamed: Settled): void {
  if ((whole === undefined) !== (streamed.value === undefined)) {
    const reason = streamed.error?.message ?? "";
    throw new Violation(`loadDataset and streamDataset disagree: ${reason}`);
  }
  if (JSON.stringify(whole) !== JSON.stringify(streamed.value))
    throw new Violation("loadDataset and streamDataset give other rows");
  for (const row of whole ?? []) {
    for (const cell of Object.values(row)) {
      if (cell !== null && typeof cell !== "string")
        throw new Violation(`a cell is ${typeof cell}`);
    }
    if (!row["dialogue"] || !row["summary"]) throw new Violation("a needed cell is missing");
  }
}

// What a Parquet file says of itself is checked before hyparquet acts on it.

import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { parquetWriteBuffer } from "hyparquet-writer";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { loadDataset } from "../../src/data/loadDataset.ts";
import { checkRuns, checkValues } from "../../src/data/parquet/encodings.ts";
import { Cursor, readStruct, writeStruct } from "../../src/data/parquet/thrift.ts";
import { DatasetError } from "../../src/tensor/errors.ts";
import { isFull } from "../support/full.ts";
import { expectTables, type PrintedTables } from "../support/printedTables.ts";
import { pythonWith, runPython } from "../support/python.ts";

let folder: string;
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), "gradloom-parquet-"));
});
afterAll(() => rm(folder, { recursive: true }));

/** A file whose text columns hold the same text in each row. */
function file(rows = 3): Buffer {
  const column = (name: string) => ({
    name,
    data: new Array<string>(rows).fill(`some ${name}`),
    type: "STRING" as const,
  });
  const columnData = [column("dialogue"), column("summary")];
  return Buffer.from(parquetWriteBuffer({ columnData, codec: "UNCOMPRESSED", statistics: false }));
}

async function read(bytes: Uint8Array) {
  await writeFile(join(folder, "train.parquet"), bytes);
  return (await loadDataset(folder)).train!.rows;
}

/** The file with the header of its first page written anew. */
function withHeader(change: (header: Record<number, number>) => object): Buffer {
  const bytes = file();
  const cursor = new Cursor(bytes, 4);
  const { numbers } = readStruct(cursor);
  const header = change(Object.fromEntries(numbers));
  const written = writeStruct(header as Parameters<typeof writeStruct>[0]);
  // Places in the footer stay right: the header is padded with a field that nobody reads.
  const padding = cursor.offset - 4 - written.length;
  expect(padding).toBeGreaterThanOrEqual(0);
  const end = written.slice(0, -1);
  const pad = padding < 2 ? [] : [0x98, padding - 2, ...new Array<number>(padding - 2).fill(0)];
  Buffer.from([...end, ...pad, 0]).copy(bytes, 4);
  return bytes;
}

describe("a damaged Parquet file", () => {
  it("is refused for a page without sizes, which hyparquet reads again and again", async () => {
    const bytes = withHeader(({ 1: type, 2: size }) => ({ 1: type, 2: size }));
    await expect(read(bytes)).rejects.toThrow(/got a page without sizes in row group 1\./);
  });

  it("is refused for a page that says it has more values than bytes", async () => {
    const bytes = withHeader(({ 1: type, 2: size, 3: packed }) => ({
      ...{ 1: type, 2: size, 3: packed },
      [type === 2 ? 7 : 5]: { 1: 63, 2: 0 },
    }));
    await expect(read(bytes)).rejects.toThrow(
      /got a (value that is cut off|page of impossible sizes)/,
    );
    await expect(read(bytes)).rejects.toThrow(DatasetError);
  });

  it("is refused without its end, and for a footer longer than itself", async () => {
    const whole = file();
    await expect(read(whole.subarray(0, -1))).rejects.toThrow(/got no PAR1 at its end/);
    await expect(read(whole.subarray(0, 6))).rejects.toThrow(/got 6 bytes in its footer/);
    const long = Buffer.from(whole);
    long.writeUInt32LE(2 ** 31, long.length - 8);
    await expect(read(long)).rejects.toThrow(/got a footer of 2147483648 bytes in a file of/);
  });

  it("is a whole one where nothing was done to it", async () => {
    expect(await read(file())).toEqual(
      new Array(3).fill({ dialogue: "some dialogue", summary: "some summary" }),
    );
  });
});

const python = isFull ? pythonWith("pyarrow") : undefined;

describe.skipIf(python === undefined)("files of pyarrow", () => {
  it("read as pyarrow reads them, in every version, compression and encoding", async () => {
    const script = `
import json, os, pyarrow as pa, pyarrow.parquet as pq
n = 700
words = lambda i, k: " ".join(["alpha", "beta", "é", "日本"][(i * 7 + j * j) % 4] for j in range(k))
table = pa.table({
  "dialogue": [words(i, 1 + i % 30) for i in range(n)],
  "summary": [words(i, 3) for i in range(n)],
  "some": [None if i % 7 == 0 else words(i, 2) for i in range(n)],
  "none": pa.array([None] * n, pa.string()),
  "same": ["same"] * n,
  "numbers": pa.array([None if i % 5 == 0 else i * i - 500 for i in range(n)], pa.int32()),
  "flags": [None if i % 11 == 0 else i % 3 == 0 for i in range(n)],
  "lists": [[words(i, 1) for _ in range(i % 3)] for i in range(n)],
  "turns": [[{"role": "user", "content": words(i, 2)}, {"role": "x", "content": None}] for i in range(n)],
})
deltas = {"dialogue": "DELTA_BYTE_ARRAY", "summary": "DELTA_LENGTH_BYTE_ARRAY", "some": "DELTA_BYTE_ARRAY", "numbers": "DELTA_BINARY_PACKED", "flags": "RLE"}
names = []
for version in ["1.0", "2.0"]:
  for compression in ["none", "snappy", "gzip", "brotli", "zstd", "lz4"]:
    for kind, options in {"dictionary": {}, "plain": {"use_dictionary": False}, "deltas": {"use_dictionary": False, "column_encoding": deltas}}.items():
      names.append(f"{version}-{compression}-{kind}")
      folder = os.environ["FOLDER"] + "/" + names[-1]
      os.makedirs(folder)
      pq.write_table(table, folder + "/train.parquet", data_page_version=version, compression=compression, data_page_size=4096, row_group_size=300, dictionary_pagesize_limit=3000 if len(names) % 2 else 2**20, **options)
print(json.dumps({"names": names, "rows": table.to_pylist()}))`;
    const printed = (await runPython(python!, script, { FOLDER: folder })) as PrintedTables;
    expect(printed.names).toHaveLength(36);
    await expectTables(folder, printed);
  });
});

describe("runs of values", () => {
  const runs = (bytes: number[], bits: number, count: number) => () =>
    checkRuns(new Cursor(Uint8Array.from(bytes)), bits, count);

  it("may not be longer than what is left: hyparquet writes them one by one", () => {
    expect(runs([6, 1], 1, 3)).not.toThrow();
    expect(runs([8, 1], 1, 3)).toThrow("a run of 4 values where 3 are left");
    expect(runs([0xfe, 0xff, 0xff, 0xff, 0x07, 1], 1, 3)).toThrow("a run of 1073741823 values");
    expect(runs([0xff, 0xff, 0xff, 0xff, 0x0f], 0, 3)).toThrow("a run without an end");
  });

  it("may be packed in eights that are filled up, if their bytes are there", () => {
    expect(runs([3, 0xff], 1, 3)).not.toThrow();
    expect(runs([3], 1, 3)).toThrow("cut off");
    expect(runs([0xc9, 0x01, ...new Array<number>(100).fill(0)], 1, 3)).toThrow("packed values");
  });
});

describe("texts that begin as the one before", () => {
  /** Blocks of 128 deltas in one part, all deltas equal. */
  const deltas = (count: number, first: number, step: number) => [
    ...[0x80, 0x01, 1, count, first * 2],
    ...new Array<number[]>(Math.ceil((count - 1) / 128)).fill([step * 2, 0]).flat(),
  ];
  const check = (prefix: readonly number[], suffix: readonly number[], count: number, texts = 0) =>
    checkValues(
      new Cursor(Uint8Array.from([...prefix, ...suffix, ...new Array<number>(texts).fill(65)])),
      7,
      { type: "BYTE_ARRAY", typeLength: undefined, count, hasDictionary: false, mostBytes: 1000 },
    );

  it("may begin with no more than it has, and not add up to more than a page", () => {
    expect(() => check(deltas(2, 0, 1), deltas(2, 1, 0), 2, 2)).not.toThrow();
    expect(() => check(deltas(2, 0, 2), deltas(2, 1, 0), 2, 2)).toThrow("impossible lengths");
    // 100 texts, each one letter longer than the one before: 100 bytes here, 5,050 in memory.
    expect(() => check(deltas(100, 0, 1), deltas(100, 1, 0), 100, 100)).toThrow(
      "texts of more than 1000 bytes",
    );
  });
});

describe("Thrift's compact protocol", () => {
  it("comes back from what was written", () => {
    const bytes = Uint8Array.from(writeStruct({ 1: 3, 2: 2 ** 30, 8: { 1: 7, 7: false } }));
    const cursor = new Cursor(bytes);
    const { numbers, structs } = readStruct(cursor);
    expect([...numbers]).toEqual([
      [1, 3],
      [2, 2 ** 30],
    ]);
    expect([...structs.get(8)!.numbers]).toEqual([
      [1, 7],
      [7, 0],
    ]);
    expect(cursor.left).toBe(0);
  });

  it("has no list longer than the bytes, no integer without an end and no struct in 20 structs", () => {
    const read = (bytes: number[]) => () => readStruct(new Cursor(Uint8Array.from(bytes)));
    expect(read([0x19, 0xf1, 0xff, 0xff, 0xff, 0xff, 0x07, 0])).toThrow("a list longer than");
    expect(read([0x16, ...new Array<number>(20).fill(0x80), 1, 0])).toThrow("more than 64 bits");
    expect(read(new Array<number>(20).fill(0x1c))).toThrow("structs more than 16 deep");
    expect(read([0x15])).toThrow("cut off");
  });
});

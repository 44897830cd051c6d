// Arrow's files and streams: those of Arrow's own library, and damage that apache-arrow loops over or reads past.

import { writeFile, mkdir } from "node:fs/promises";
import { join } from "node:path";
import { RecordBatchFileWriter, RecordBatchStreamWriter, tableFromArrays } from "apache-arrow";
import { describe, expect, it } from "vitest";
import { loadDataset } from "../../src/data/loadDataset.ts";
import { isFull } from "../support/full.ts";
import { expectTables, type PrintedTables } from "../support/printedTables.ts";
import { pythonWith, runPython } from "../support/python.ts";
import { temporaryFolder } from "../support/folder.ts";

const folder = temporaryFolder();
const ROWS = [
  { dialogue: "one", summary: "same" },
  { dialogue: "two", summary: "same" },
];
const table = tableFromArrays({
  dialogue: ROWS.map((row) => row.dialogue),
  summary: ROWS.map((row) => row.summary),
});
const stream = await RecordBatchStreamWriter.writeAll(table).toUint8Array(true);
const file = await RecordBatchFileWriter.writeAll(table).toUint8Array(true);

async function read(bytes: Uint8Array) {
  const place = folder();
  await mkdir(place);
  await writeFile(join(place, "train.arrow"), bytes);
  return (await loadDataset(place)).train!.rows;
}

/** A copy with an integer of 32 bits in place of the one at `at`. */
function changed(bytes: Uint8Array, at: number, value: number): Uint8Array {
  const copy = bytes.slice();
  new DataView(copy.buffer).setInt32(at, value, true);
  return copy;
}

describe("damage is refused", () => {
  it.each([
    ["a length below 0", changed(stream, 4, -8), "a message of -8 bytes"],
    ["a length beyond the end", changed(stream, 4, 2 ** 30), "a message that is cut off"],
    ["an offset out of the message", changed(stream, 8, 2 ** 31 - 1), "an offset that leads out"],
    ["an end in the middle", stream.subarray(0, 300), "a message that is cut off"],
    ["no end mark", file.subarray(0, -8), "damaged bytes|a footer of|cut off|no ARROW1"],
    ["a footer of another length", changed(file, file.length - 10, 7), "a footer|an offset"],
  ])("%s", async (_, bytes, got) => {
    const message = new RegExp(`must be an Arrow file or stream that can be read, got (${got})`);
    await expect(read(bytes)).rejects.toThrow(message);
  });

  it("whatever byte of a file or stream is turned, within the time of a read", async () => {
    for (const whole of [stream, file]) {
      const step = isFull ? 1 : 127;
      for (let at = 0; at < whole.length; at += step) {
        const bytes = whole.slice();
        bytes[at]! ^= 0x80;
        await read(bytes).catch((error: Error) => {
          expect(error.name).toBe("DatasetError");
          expect(error.message).not.toMatch(/undefined|not a function|destructure/);
        });
      }
    }
  });
});

const python = isFull ? pythonWith("pyarrow") : undefined;

describe.skipIf(python === undefined)("files and streams of pyarrow", () => {
  it("read as pyarrow reads them, whatever the types of columns", async () => {
    const script = `
import json, os, pyarrow as pa, pyarrow.ipc as ipc
n = 700
words = lambda i, k: " ".join(["alpha", "beta", "é", "日本"][(i * 7 + j * j) % 4] for j in range(k))
some = [None if i % 7 == 0 else words(i, 2) for i in range(n)]
table = pa.table({
  "dialogue": [words(i, 1 + i % 30) for i in range(n)],
  "summary": pa.array([words(i, 3) for i in range(n)], pa.large_string()),
  "some": some,
  "view": pa.array([None if x is None else x * (1 + i % 4) for i, x in enumerate(some)], pa.string_view()),
  "dictionary": pa.array(some).dictionary_encode(),
  "none": pa.array([None] * n, pa.string()),
  "nothing": pa.nulls(n),
  "numbers": pa.array([None if i % 5 == 0 else i * i - 500 for i in range(n)], pa.int32()),
  "halves": pa.array([i / 2 for i in range(n)], pa.float64()),
  "flags": [None if i % 11 == 0 else i % 3 == 0 for i in range(n)],
  "lists": [[words(i, 1) for _ in range(i % 3)] for i in range(n)],
  "pairs": pa.array([[i, i + 1] for i in range(n)], pa.list_(pa.int16(), 2)),
  "turns": [[{"role": "user", "content": words(i, 2)}, {"role": "x", "content": None}] for i in range(n)],
})
names = []
for kind, new in {"file": ipc.new_file, "stream": ipc.new_stream}.items():
  for size in [n, 130]:
    names.append(f"{kind}-{size}")
    folder = os.environ["FOLDER"] + "/" + names[-1]
    os.makedirs(folder)
    with new(folder + "/train.arrow", table.schema) as writer:
      writer.write_table(table, max_chunksize=size)
print(json.dumps({"names": names, "rows": table.to_pylist()}))`;
    const place = folder();
    const printed = (await runPython(python!, script, { FOLDER: place })) as PrintedTables;
    expect(printed.names).toHaveLength(4);
    await expectTables(place, printed);
  });
});

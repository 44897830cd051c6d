// The formats and packings in which the same rows may stand, each through the whole way from a folder.

import { execFile } from "node:child_process";
import { mkdir, writeFile } from "node:fs/promises";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import { promisify } from "node:util";
import { gzipSync } from "node:zlib";
import { RecordBatchFileWriter, RecordBatchStreamWriter, tableFromArrays } from "apache-arrow";
import { describe, expect, it } from "vitest";
import { loadDataset } from "../../src/data/loadDataset.ts";
import { temporaryFolder } from "../support/folder.ts";

const folder = temporaryFolder();
const ROWS = [
  { dialogue: "one, two\tthree", summary: 'say "hi"' },
  { dialogue: "vier", summary: "fünf" },
];

async function write(files: Readonly<Record<string, string | Uint8Array>>): Promise<string> {
  const place = folder();
  for (const [name, content] of Object.entries(files)) {
    await mkdir(dirname(join(place, name)), { recursive: true });
    await writeFile(join(place, name), content);
  }
  return place;
}

const separated = (delimiter: string): string =>
  [{ dialogue: "dialogue", summary: "summary" }, ...ROWS]
    .map((row) => Object.values(row).map((cell) => `"${cell.replaceAll('"', '""')}"`))
    .map((cells) => `${cells.join(delimiter)}\n`)
    .join("");
const lines = ROWS.map((row) => `${JSON.stringify(row)}\n`).join("");
const table = tableFromArrays({
  dialogue: ROWS.map((row) => row.dialogue),
  summary: ROWS.map((row) => row.summary),
});
const arrowFile = await RecordBatchFileWriter.writeAll(table).toUint8Array(true);
const arrowStream = await RecordBatchStreamWriter.writeAll(table).toUint8Array(true);

// Made with Python's zipfile, xz and zstd; base64.
const PACKED = {
  csv: "UEsDBBQAAAAIAAAAIVx7DJudPwAAAEIAAAAFAAAAYS5jc3ZTSslMzMlPL01V0lEqLs3NTSyqVOJSys9L1VEoKc/nLMkoSgVLJVYqKCllZCopAWXLMlOLgGJph/fkpSlxAQBQSwECFAMUAAAACAAAACFcewybnT8AAABCAAAABQAAAAAAAAAAAAAAgAEAAAAAYS5jc3ZQSwUGAAAAAAEAAQAzAAAAYgAAAAAA",
  nested:
    "UEsDBBQAAAAIAAAAIVwfKKpnBAAAAAIAAAAOAAAAX19NQUNPU1gveC5jc3bLywcAUEsDBBQAAAAIAAAAIVz3mJdpRwAAAFwAAAAMAAAAZGVlcC9hLmpzb25sq1ZKyUzMyU8vTVWyUsrPS9VRKCnPjykpyShKTVXSUSouzc1NLKoEyhUnVirEKGVkxigp1XJVI+sqy0wtQlGadnhPXhpQFQBQSwECFAMUAAAACAAAACFcHyiqZwQAAAACAAAADgAAAAAAAAAAAAAAgAEAAAAAX19NQUNPU1gveC5jc3ZQSwECFAMUAAAACAAAACFc95iXaUcAAABcAAAADAAAAAAAAAAAAAAAgAEwAAAAZGVlcC9hLmpzb25sUEsFBgAAAAACAAIAdgAAAKEAAAAAAA==",
  text: "UEsDBBQAAAAIAAAAIVzHp4s7BgAAAAQAAAAFAAAAYS50eHQrSa0oAQBQSwECFAMUAAAACAAAACFcx6eLOwYAAAAEAAAABQAAAAAAAAAAAAAAgAEAAAAAYS50eHRQSwUGAAAAAAEAAQAzAAAAKQAAAAAA",
  none: "UEsDBBQAAAAIAAAAIVzHp4s7BgAAAAQAAAAIAAAAbm90ZXMubWQrSa0oAQBQSwECFAMUAAAACAAAACFcx6eLOwYAAAAEAAAACAAAAAAAAAAAAAAAgAEAAAAAbm90ZXMubWRQSwUGAAAAAAEAAQA2AAAALAAAAAAA",
  xz: "/Td6WFoAAATm1rRGAgAhARYAAAB0L+Wj4ABbAEldAD2IiIbTpgCX3fBnitX+uSNMvXfv1JBWOzqd1+CGYRjVUiv0OIuSkTTC4MowFqW2i+xWWc1yXTlnwd1/9PWNAKA7G8mh1c3yCgAAAAAAR6Dq5lcaBfMAAWVcFjfRWh+2830BAAAAAARZWg==",
  zstd: "KLUv/QRYZQIAJAR7ImRpYWxvZ3VlIjoib25lLCB0d29cdHRocmVlIiwic3VtbWFyeSI6InNheSBcImhpXCIifQp2aWVyZsO8bmYifQoCAE4dxPKhoFl6oyM=",
};
const packed = (name: keyof typeof PACKED): Buffer => Buffer.from(PACKED[name], "base64");

/** Two frames, the second of which is 10 bytes that ask for 1 GiB of memory. */
const manyFrames = Buffer.concat([
  packed("zstd"),
  Buffer.of(0x28, 0xb5, 0x2f, 0xfd, 0, 20 << 3, 1, 0, 0),
]);

describe("a split", () => {
  it.each([
    ["train.csv", separated(",")],
    ["train.tsv", separated("\t")],
    ["train.jsonl", lines],
    ["train.ndjson", lines],
    ["train.json", lines],
    ["train.json", JSON.stringify(ROWS)],
    ["train.json", JSON.stringify(ROWS, null, 2)],
    ["train.json", JSON.stringify({ version: 1, data: ROWS })],
    ["train.json", ROWS.map((row) => JSON.stringify(row, null, 1)).join("\n")],
    ["train.arrow", arrowFile],
    ["train.arrow", arrowStream],
    ["train.csv.gz", gzipSync(separated(","))],
    ["train.tsv.gz", gzipSync(separated("\t"))],
    ["train.jsonl.gz", gzipSync(lines)],
    ["train.csv", gzipSync(separated(","))],
    ["train.jsonl.xz", packed("xz")],
    ["train.jsonl.zst", packed("zstd")],
    ["train.zip", packed("csv")],
    ["train.zip", packed("nested")],
  ])("is read from %s", async (name, content) => {
    const { train, ...others } = await loadDataset(await write({ [name]: content }));
    expect(train!.rows).toEqual(ROWS);
    expect(Object.keys(others)).toEqual([]);
  });

  it("is read from a file that is named by itself, whatever its name", async () => {
    const place = await write({ "a/b/latest.test.csv": separated(","), "a/b/train.csv": "no" });
    const { train, ...others } = await loadDataset(join(place, "a/b/latest.test.csv"));
    expect([train!.rows, Object.keys(others)]).toEqual([ROWS, []]);
  });

  it("is read from a folder of save_to_disk, in the order that it lists", async () => {
    const state = (...names: string[]): string =>
      JSON.stringify({ _data_files: names.map((filename) => ({ filename })), _split: "train" });
    const place = await write({
      "dataset_dict.json": '{"splits": ["train", "test"]}',
      "train/state.json": state("data-00000-of-00001.arrow"),
      "train/data-00000-of-00001.arrow": arrowStream,
      "train/cache-1234.arrow": "what datasets keeps beside it",
      "test/state.json": state("b.arrow", "a.arrow"),
      "test/a.arrow": arrowStream,
      "test/b.arrow": arrowStream,
    });
    const dict = await loadDataset(place);
    expect(dict.train!.rows).toEqual(ROWS);
    expect(dict.test!.rows).toEqual([...ROWS, ...ROWS]);
    const one = await loadDataset(join(place, "train"));
    expect(one.train!.rows).toEqual(ROWS);
  });

  it("is read by Node itself, which finds other names in a package than bundlers and tests do", async () => {
    const files = {
      ...{ "train.jsonl.xz": packed("xz"), "train.jsonl.zst": packed("zstd") },
      ...{
        "train.jsonl.gz": gzipSync(lines),
        "train.arrow": arrowStream,
        "train.zip": packed("csv"),
      },
    };
    const places = await Promise.all(
      Object.entries(files).map(([name, content]) => write({ [name]: content })),
    );
    const path = (relative: string) => fileURLToPath(new URL(relative, import.meta.url));
    const script = `
const { loadDataset } = await import(${JSON.stringify(path("../../src/data/loadDataset.ts"))});
const all = [];
for (const place of ${JSON.stringify(places)}) all.push((await loadDataset(place)).train.rows);
console.log(JSON.stringify(all));`;
    const { stdout } = await promisify(execFile)(process.execPath, [
      ...["--import", path("../../scripts/example/runTypeScript.mjs")],
      ...["--input-type=module", "-e", script],
    ]);
    expect(JSON.parse(stdout)).toEqual(places.map(() => ROWS));
  });

  it.each([
    ["train.csv.bz2", Buffer.from("BZh91AY&SY0000"), /must be plain or packed with .*got bzip2/],
    ["train.csv", gzipSync(separated(",")).subarray(0, 40), /must be a whole gzip file, got/],
    [
      "train.jsonl.zst",
      manyFrames,
      /a whole zstd file, got a frame that asks for 1073741824 bytes/,
    ],
    ["train.zip", packed("text"), /a\.txt\).*must/],
    ["train.zip", packed("none"), /the archive must hold .csv.*got none/],
    ["train.arrow", "no arrow", /train\.arrow: must be an Arrow file or stream that can be read/],
    ["train.tar", "x", /train\.tar.*must/],
  ])("is refused by name from %s", async (name, content, message) => {
    await expect(loadDataset(await write({ [name]: content }))).rejects.toThrow(message);
  });
});

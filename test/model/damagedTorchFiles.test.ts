// Hostile and damaged files of torch.save: each ends in an error that names it or in tensors that lie within the file, soon, in
// little memory, and without running anything. `npm run test:full` damages 20,000 files.

import { readFileSync } from "node:fs";
import { describe, expect, it } from "vitest";
import { openTorchFile } from "../../src/model/torchFile/torchFile.ts";
import { openZipArchive } from "../../src/model/torchFile/zipArchive.ts";
import { openByteSource } from "../../src/tensor/byteSource.ts";
import { CheckpointError } from "../../src/tensor/errors.ts";
import { MORE_RUNS } from "../support/full.ts";
import { golden } from "../support/golden.ts";
import { bounded, fuzz } from "../support/damage.ts";
import { op, pickle, program, storedZip, torchArchive, uint32 } from "../support/torchArchive.ts";

/** The message that opening and reading every tensor ends with; null when all could be read. */
async function outcome(bytes: Uint8Array): Promise<string | null> {
  try {
    const file = await openTorchFile(bytes);
    for (const name of file.entries.keys()) await file.read(name);
    return null;
  } catch (error) {
    if (!(error instanceof CheckpointError)) throw error;
    expect(error.message).toMatch(/^Uint8Array: .+, got .+\. .+$/);
    expect(error.message.length).toBeLessThan(700);
    return error.message;
  }
}

const system = op.global("os", "system") + op.tuple(op.text("touch /tmp/gradloom-was-here")) + "R";
const ordered = op.global("collections", "OrderedDict");
const rebuild = op.global("torch._utils", "_rebuild_tensor_v2");
const storage = `${op.tuple(
  op.text("storage"),
  op.global("torch", "FloatStorage"),
  op.text("0"),
  op.text("cpu"),
  "K\x02",
)}Q`;
const times = (text: string, count: number) => text.repeat(count);

describe("hostile pickles", () => {
  it.each([
    ["os.system", system, 'got "os.system", which was not run'],
    ["posix.system", op.global("posix", "system"), 'got "posix.system"'],
    ["builtins.eval", op.global("__builtin__", "eval"), 'got "__builtin__.eval"'],
    ["torch.load", op.global("torch", "load"), 'got "torch.load"'],
    [
      "a name with a dot in its module",
      op.global("torch._utils.os", "x"),
      'got "torch._utils.os.x"',
    ],
    ["a name that JavaScript knows", op.global("constructor", "__proto__"), "must name only what"],
    [
      "a storage called",
      op.global("torch", "FloatStorage") + ")R",
      "must call only what makes tensors",
    ],
    ["a dictionary called", "})R", "got a dictionary of 0 values"],
    ["OrderedDict of a list", `${ordered}(]tR`, "must call only what makes tensors"],
    ["a state for a dictionary", `}}(${op.text("__class__")}Nub`, "must attach only _metadata"],
    ["INST", "(ios\nsystem\n", "got INST at byte 3"],
    ["STACK_GLOBAL", op.text("os") + op.text("system") + "\x93", "got STACK_GLOBAL"],
    ["NEWOBJ", `${ordered})\x81`, "got NEWOBJ"],
    ["EXT1", "\x82\x01", "got EXT1"],
    ["no opcode", "\xff", "got byte 0xff"],
    ["a second PROTO", "\x80\x02}", "must begin with PROTO and have no other"],
    ["a text of 4 GB", `X${uint32(0xffffffff)}`, "got 4294967295 bytes wanted"],
    ["a name without end", `c${times("a", 1000)}`, "must end within 256 bytes"],
    ["an integer of 255 bytes", `\x8a\xff${times("\x7f", 255)}`, "must be below 2^53"],
    ["a text that is no UTF-8", `X${uint32(1)}\xff`, "must be UTF-8"],
    ["a key that is a number", "}K\x01Ns", "keys of dictionaries must be texts"],
    ["half a pair", `}(${op.text("a")}u`, "must fill a dictionary with pairs"],
    ["a recall of nothing", "h\x07", "must store 7 before it recalls it"],
    ["an empty stack", "R", "the stack of the pickle must hold 2 values"],
    ["a stack below its MARK", "}(\x85", "the stack of the pickle must hold 1 values"],
    ["no MARK", "t", "a MARK must stand before"],
    ["a storage that is none", "NQ", "a storage must be given as its class"],
    ["nothing", "N", "must hold a dictionary of tensors, got None"],
    [
      "a dictionary in itself",
      `}q\x00(${op.text("a")}h\x00u`,
      '"a" must be a tensor, got a dictionary',
    ],
  ])("%s", async (_title, body, message) => {
    expect(await outcome(torchArchive(program(body)))).toContain(message);
  });

  const most = 2 ** 22 - 16;
  it.each([
    ["deep nesting", `)${times("\x85", most)}`, "must make at most 250000 objects"],
    ["dictionaries without end", times("}", most), "must make at most 250000 objects"],
    ["ordered dictionaries", `${ordered}q\x00${times("h\x00)R", most / 4 - 20)}`, "at most 250000"],
    ["marks", times("(", most), "stack of the pickle must hold 1 values"],
    [
      "a memo of millions",
      `N${Array.from({ length: most / 5 - 1 }, (_, i) => `r${uint32(i)}`).join("")}`,
      "got None",
    ],
    // Each dictionary holds the one before twice: 2^1000 texts, had anyone to write them out.
    [
      "doubling",
      `}q\x00${Array.from({ length: 1000 }, () => `}(${op.text("a")}h\x00${op.text("b")}h\x00uq\x00`).join("")}`,
      '"a" must be a tensor',
    ],
    [
      "a tensor of 65 axes",
      `${rebuild}(${storage}K\x00(${times("K\x01", 65)}tq\x00h\x00tR`,
      "at most 64 axes",
    ],
    [
      "a million axes, a thousand times",
      `${rebuild}q\x00(${storage}K\x00(${times("K\x01", 1e6)}tq\x01h\x01tq\x02${times("h\x00h\x02R", 1000)}`,
      "at most 64 axes",
    ],
    ["texts without end", times(op.text("ab"), Math.floor(most / 7)), "must hold a dictionary"],
    ["more than is read", times("N", 2 ** 22), "must have at most 4194304 bytes"],
  ])("%s", async (_title, body, message) => {
    expect(await bounded(() => outcome(torchArchive(program(body))))).toContain(message);
  });
});

describe("hostile files of the older form", () => {
  const magic = readFileSync(golden("torch-files", "legacy.bin")).subarray(0, 15);
  const version = program(`M${"\xe9\x03"}`);
  const machine = program(`}(${op.text("little_endian")}\x88u`);
  const parts = (...pickles: Uint8Array[]) => new Uint8Array(Buffer.concat([magic, ...pickles]));
  const one = op.tuple(
    op.text("storage"),
    op.global("torch", "FloatStorage"),
    op.text("0"),
    op.text("cpu"),
    "K\x01",
  );
  const tensor = `${rebuild}(${one}QK\x00))tR`;
  const state = program(`}${op.text("w")}${tensor}s`);
  const data = new Uint8Array([1, 0, 0, 0, 0, 0, 0, 0, 0, 0, 128, 63]);
  const keys = (...list: string[]) => program(`](${list.map(op.text).join("")}e`);

  it("are read when they are whole", async () => {
    expect(
      await bounded(() => outcome(parts(version, machine, state, keys("0"), data))),
    ).toBeNull();
  });

  it.each([
    ["code", parts(program(system)), 'got "os.system", which was not run'],
    ["code for the machine", parts(version, program(system)), 'got "os.system"'],
    ["code for the dictionary", parts(version, machine, program(system)), 'got "os.system"'],
    ["another version", parts(program("K\x07")), "must be of version 1001, got 7"],
    ["no endianness", parts(version, program("}")), "must say whether it is little-endian"],
    ["no keys", parts(version, machine, state, program("N")), "must list the keys of its storages"],
    ["a key of nothing", parts(version, machine, state, keys("1"), data), 'for a tensor, got "1"'],
    [
      "a key twice",
      parts(version, machine, state, keys("0", "0"), data),
      'there once, for a tensor, got "0"',
    ],
    [
      "a key too few",
      parts(version, machine, state, keys(), data),
      'must hold storage "0", got no such',
    ],
    ["no elements", parts(version, machine, state, keys("0")), "got its end before it"],
    [
      "elements cut",
      parts(version, machine, state, keys("0"), data.subarray(0, 11)),
      "must hold its 1 elements up to byte",
    ],
    [
      "more elements",
      parts(version, machine, state, keys("0"), Uint8Array.of(2, ...data.subarray(1))),
      "got 2 in a file of",
    ],
  ])("%s", async (_title, bytes, message) => {
    expect(await bounded(() => outcome(bytes))).toContain(message);
  });
});

describe("hostile archives", () => {
  const sparse = (bytes: Uint8Array, change: (view: DataView) => void) => {
    const copy = new Uint8Array(bytes);
    change(new DataView(copy.buffer));
    return copy;
  };
  const plain = torchArchive(program("}"));
  const wide = storedZip({ "a/data.pkl": program("}") }, { zip64: true });

  it.each([
    [
      "a directory of 4 GB",
      sparse(plain, (v) => v.setUint32(plain.length - 10, 0xfffffffe, true)),
      "must have at most 4194304 bytes",
    ],
    [
      "a directory behind the file",
      sparse(plain, (v) => v.setUint32(plain.length - 6, 0xfffffff0, true)),
      "must have bytes 4294967280 to",
    ],
    [
      "more entries than there are",
      sparse(plain, (v) => v.setUint16(plain.length - 12, 9, true)),
      "must have an entry at its byte",
    ],
    [
      "a zip64 record behind the file",
      sparse(wide, (v) => v.setBigUint64(wide.length - 34, 2n ** 60n, true)),
      "must be below 2^53",
    ],
    [
      "no zip64 locator",
      sparse(wide, (v) => v.setUint32(wide.length - 42, 0, true)),
      "must hold a zip64 locator",
    ],
    [
      "2^52 entries",
      sparse(wide, (v) => v.setBigUint64(wide.length - 66, 2n ** 52n, true)),
      "must have an entry at its byte",
    ],
    ["no entries", storedZip({}), 'must hold "/data.pkl"'],
    ["other files", storedZip({ "word/document.xml": new Uint8Array(9) }), "got 1 other entries"],
  ])("%s", async (_title, bytes, message) => {
    expect(await bounded(() => outcome(bytes))).toContain(message);
  });

  it("a storage that ends behind the file", async () => {
    const tensor = { dtype: "Float", key: "0", size: 100, shape: [100], strides: [1] };
    const archive = torchArchive(pickle({ w: tensor }), { "0": new Uint8Array(8) });
    const entry = Buffer.from(archive).lastIndexOf("PK\x01\x02");
    const longer = sparse(archive, (view) => {
      view.setUint32(entry + 20, 400, true);
      view.setUint32(entry + 24, 400, true);
    });
    expect(await bounded(() => outcome(longer))).toContain('"archive/data/0" must end within the');
  });

  it("an entry twice", async () => {
    const twice = storedZip({ "a/data.pkl": program("}"), "a/data.pkX": program("}") });
    const text = Buffer.from(twice).toString("latin1").replaceAll("pkX", "pkl");
    expect(await bounded(() => outcome(Buffer.from(text, "latin1")))).toContain(
      'must hold "a/data.pkl" once',
    );
  });
});

describe("damaged files", () => {
  it.each(["zip.bin", "legacy.bin"])(
    "%s, with bytes changed, cut out, added and repeated",
    async (name) => {
      const whole = readFileSync(golden("torch-files", name));
      const counts = await fuzz(whole, { runs: 500 * MORE_RUNS, seed: 14, read: outcome });
      // A changed byte of an element or a name is a tensor like others.
      expect(counts.refused).toBeGreaterThan(counts.read / 2);
      expect(counts.read).toBeGreaterThan(0);
    },
  );

  it("the pickle of zip.bin in a sound archive, with opcodes and names put in besides", async () => {
    const { pickled, storages } = await partsOf(readFileSync(golden("torch-files", "zip.bin")));
    const opcodes = [
      "R",
      "b",
      "Q",
      "(",
      "t",
      "u",
      "s",
      "e",
      ".",
      "0",
      "2",
      "i",
      "o",
      "\x81",
      "\x93",
    ];
    const pieces = [...opcodes, system, ordered, `${ordered})R`, "h\x00", "}", ")", "]", "\x85"];
    const counts = await fuzz(pickled, {
      runs: 1000 * MORE_RUNS,
      seed: 15,
      pieces: pieces.map((piece) => Buffer.from(piece, "latin1")),
      read: (data) => outcome(torchArchive(data, storages)),
    });
    expect(counts.refused).toBeGreaterThan(counts.read);
    expect(counts.read).toBeGreaterThan(0);
  });
});

/** The pickle and the storages of an archive. */
async function partsOf(bytes: Uint8Array) {
  const archive = await openZipArchive(await openByteSource(bytes));
  const contents = async (name: string) => {
    const { begin, end } = await archive.locate(name);
    return bytes.subarray(begin, end);
  };
  const storages: Record<string, Uint8Array> = {};
  for (const name of archive.names) {
    const [, folder, key] = name.split("/");
    if (folder === "data") storages[key!] = await contents(name);
  }
  return { pickled: await contents("zip/data.pkl"), storages };
}

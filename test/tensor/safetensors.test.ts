import { mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { open } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import fc from "fast-check";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { GradloomError, SafetensorsError } from "../../src/tensor/errors.ts";
import {
  openSafetensors,
  readSafetensors,
  safetensorsChunks,
  writeSafetensors,
  type SafetensorsDtype,
  type SafetensorsInput,
} from "../../src/tensor/safetensors.ts";
import { arrayTypeOf, dtypeOrder, sizeInBits } from "../../src/tensor/safetensorsDtype.ts";
import { hasShared, needsShared, shared } from "../support/shared.ts";

let folder: string;
beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), "gradloom-safetensors-"));
});
afterAll(() => rmSync(folder, { recursive: true }));

/** A file from the JSON of its header, unpadded as old writers left it, and its data. */
function fileOf(header: unknown, data: Uint8Array | number[] = []): Uint8Array {
  const json = typeof header === "string" ? header : JSON.stringify(header);
  const text = new TextEncoder().encode(json);
  const bytes = new Uint8Array(8 + text.length + data.length);
  new DataView(bytes.buffer).setBigUint64(0, BigInt(text.length), true);
  bytes.set(text, 8);
  bytes.set(data, 8 + text.length);
  return bytes;
}

async function written(
  tensors: Parameters<typeof safetensorsChunks>[0],
  metadata?: Record<string, string>,
): Promise<Uint8Array> {
  const chunks: Uint8Array[] = [];
  for await (const chunk of safetensorsChunks(tensors, metadata)) chunks.push(chunk.slice());
  return new Uint8Array(Buffer.concat(chunks));
}

const f32 = (shape: number[], ...values: number[]): SafetensorsInput => ({
  dtype: "F32",
  shape,
  data: Float32Array.from(values),
});

const deep = (lists: number): string => "[".repeat(lists) + "]".repeat(lists);

describe("writing", () => {
  it("gives the bytes of the reference implementation", async () => {
    const bytes = await written(
      {
        b: { dtype: "BF16", shape: [2], data: Uint16Array.of(0x3f80, 0xc000) },
        a: { dtype: "BF16", shape: [1, 1], data: Uint16Array.of(0x4000) },
        mask: { dtype: "BOOL", shape: [3], data: Uint8Array.of(1, 0, 1) },
        w: f32([1], 1),
      },
      { format: "pt" },
    );
    const header =
      '{"__metadata__":{"format":"pt"},"w":{"dtype":"F32","shape":[1],"data_offsets":[0,4]},' +
      '"a":{"dtype":"BF16","shape":[1,1],"data_offsets":[4,6]},' +
      '"b":{"dtype":"BF16","shape":[2],"data_offsets":[6,10]},' +
      '"mask":{"dtype":"BOOL","shape":[3],"data_offsets":[10,13]}}';
    expect(header.length).toBe(255);
    expect(Buffer.from(bytes).toString("latin1")).toBe(
      `\0\x01\0\0\0\0\0\0${header} \0\0\x80\x3f\0\x40\x80\x3f\0\xc0\x01\0\x01`,
    );
  });

  it("sorts names as UTF-8 does and leaves out empty metadata", async () => {
    // U+FF5E is below U+1F600 in UTF-8 and above it in UTF-16.
    const bytes = await written({ "\u{1f600}": f32([0]), "\uff5e": f32([0]), z: f32([0]) }, {});
    const json = new TextDecoder().decode(bytes.subarray(8));
    expect(Object.keys(JSON.parse(json) as object)).toEqual(["z", "\uff5e", "\u{1f600}"]);
  });

  it("takes data from functions when their turn comes", async () => {
    const order: string[] = [];
    const lazy = (name: string) => ({
      dtype: "U8" as const,
      shape: [1],
      data: async () => (order.push(name), Uint8Array.of(order.length)),
    });
    const { tensors } = await readSafetensors(await written({ y: lazy("y"), x: lazy("x") }));
    expect(order).toEqual(["x", "y"]);
    expect(tensors.get("y")!.data).toEqual(Uint8Array.of(2));
  });

  it("writes views of larger arrays", async () => {
    const data = Float32Array.of(1, 2, 3, 4).subarray(1, 3);
    const { tensors } = await readSafetensors(
      await written({ x: { dtype: "F32", shape: [2], data } }),
    );
    expect(tensors.get("x")!.data).toEqual(Float32Array.of(2, 3));
  });

  const bad = (input: object): Promise<Uint8Array> => written({ x: input as SafetensorsInput });
  it.each([
    [{ dtype: "f32", shape: [1], data: Float32Array.of(1) }, 'got "f32"'],
    [{ dtype: "F32", shape: [-1], data: Float32Array.of(1) }, "got [-1]"],
    [
      { dtype: "F32", shape: [2, 2], data: Float32Array.of(1, 2, 3) },
      'writeSafetensors: tensor "x": data must hold the 16 bytes of F32 [2, 2], got 12',
    ],
    [{ dtype: "F32", shape: [2], data: Float64Array.of(1) }, "be a Float32Array, got Float64Array"],
    [{ dtype: "F32", shape: [1], data: [1] }, "must be a Float32Array, got Array"],
    [{ dtype: "F4", shape: [3], data: Uint8Array.of(1, 2) }, "shape must fill whole bytes"],
    [{ dtype: "U8", shape: [2], data: () => Uint8Array.of(1) }, "the 2 bytes of U8 [2], got 1"],
  ])("refuses %j", async (input, message) => {
    await expect(bad(input)).rejects.toThrow(SafetensorsError);
    await expect(bad(input)).rejects.toThrow(message);
  });

  it("refuses the reserved name and metadata that is not text", async () => {
    await expect(written({ __metadata__: f32([1], 1) })).rejects.toThrow("reserved");
    const metadata = { step: 3 } as unknown as Record<string, string>;
    await expect(written({}, metadata)).rejects.toThrow('metadata "step" must be a text');
  });

  it("leaves the old file alone and no temporary one when a write fails", async () => {
    const place = mkdtempSync(join(folder, "atomic-"));
    const path = join(place, "model.safetensors");
    await writeSafetensors(path, { x: f32([1], 1) });
    const before = readFileSync(path);
    const failing = (): never => {
      throw new Error("device lost");
    };
    await expect(
      writeSafetensors(path, { a: f32([1], 1), x: { dtype: "F32", shape: [1], data: failing } }),
    ).rejects.toThrow("device lost");
    expect(readFileSync(path)).toEqual(before);
    expect(readdirSync(place)).toEqual(["model.safetensors"]);
  });

  it("says what is wrong with the place", async () => {
    const path = join(folder, "nowhere", "x.safetensors");
    await expect(writeSafetensors(path, {})).rejects.toThrow(GradloomError);
    await expect(writeSafetensors(path, {})).rejects.toThrow(
      `write: ${path} cannot be written: its folder does not exist. Create it first.`,
    );
  });
});

const tensorNames = fc.oneof(
  fc.string({ unit: "grapheme", maxLength: 8 }),
  fc.constantFrom("__proto__", "constructor", "toString", "0", "10", '"', "\n"),
);
const tensorInputs = fc
  .record({
    dtype: fc.constantFrom(...(dtypeOrder as SafetensorsDtype[])),
    shape: fc.array(fc.integer({ min: 0, max: 5 }), { maxLength: 3 }),
    seed: fc.uint8Array({ minLength: 1, maxLength: 16 }),
  })
  .filter(({ dtype, shape }) => sizeInBits(dtype, shape)! % 8n === 0n)
  .map(({ dtype, shape, seed }): SafetensorsInput => {
    const bytes = new Uint8Array(Number(sizeInBits(dtype, shape)! / 8n));
    bytes.forEach((_, i) => (bytes[i] = seed[i % seed.length]! + i));
    return { dtype, shape, data: new (arrayTypeOf(dtype))(bytes.buffer) };
  });

describe("reading", () => {
  it("gives back what was written, from bytes, Blob and file", async () => {
    const path = join(folder, "roundtrip.safetensors");
    await fc.assert(
      fc.asyncProperty(
        fc.array(fc.tuple(tensorNames, tensorInputs), { maxLength: 6 }),
        fc.array(fc.tuple(fc.string(), fc.string()), { maxLength: 3 }),
        async (list, texts) => {
          const tensors = new Map(list);
          const metadata = Object.fromEntries(texts);
          await writeSafetensors(path, tensors, metadata);
          const bytes = new Uint8Array(readFileSync(path));
          for (const source of [bytes, new Blob([bytes]), path]) {
            const read = await readSafetensors(source);
            expect(new Map([...read.tensors].sort())).toEqual(new Map([...tensors].sort()));
            expect(read.metadata).toEqual(metadata);
          }
        },
      ),
      { numRuns: 60 },
    );
  });

  it("takes every dtype to its array, at offsets of any alignment", async () => {
    const data = Uint8Array.from({ length: 1 + 2 + 4 + 8 + 8 }, (_, i) => i);
    const file = fileOf(
      {
        a: { dtype: "U8", shape: [], data_offsets: [0, 1] },
        half: { dtype: "F16", shape: [1], data_offsets: [1, 3] },
        single: { dtype: "F32", shape: [1, 1], data_offsets: [3, 7] },
        long: { dtype: "I64", shape: [1], data_offsets: [7, 15] },
        pair: { dtype: "C64", shape: [1], data_offsets: [15, 23] },
      },
      data,
    );
    // Shifted by one byte, so that not even the file's start is aligned.
    const shifted = new Uint8Array(file.length + 1).subarray(1);
    shifted.set(file);
    for (const source of [file, shifted]) {
      const { tensors } = await readSafetensors(source);
      expect(tensors.get("a")).toEqual({ dtype: "U8", shape: [], data: Uint8Array.of(0) });
      expect(tensors.get("half")!.data).toEqual(Uint16Array.of(0x0201));
      expect(new Uint32Array(tensors.get("single")!.data.buffer)).toEqual(
        Uint32Array.of(0x06050403),
      );
      expect(tensors.get("long")!.data).toEqual(BigInt64Array.of(0x0e0d0c0b0a090807n));
      expect(tensors.get("pair")!.data).toHaveLength(2);
    }
  });

  it("orders tensors by their bytes, whatever the header's order", async () => {
    const { tensors } = await readSafetensors(
      fileOf(
        {
          10: { dtype: "U8", shape: [1], data_offsets: [1, 2] },
          b: { dtype: "U8", shape: [1], data_offsets: [0, 1] },
        },
        [7, 8],
      ),
    );
    expect([...tensors].map(([name, { data }]) => [name, data[0]])).toEqual([
      ["b", 7],
      ["10", 8],
    ]);
  });

  it("hands out data of its own, not a view of the source", async () => {
    const file = fileOf({ x: { dtype: "U8", shape: [1], data_offsets: [0, 1] } }, [7]);
    const { tensors } = await readSafetensors(file);
    file.fill(0);
    expect(tensors.get("x")!.data).toEqual(Uint8Array.of(7));
  });

  it("accepts no tensors, and padding after the header", async () => {
    expect(await readSafetensors(fileOf("{}"))).toEqual({ tensors: new Map(), metadata: {} });
    expect((await readSafetensors(fileOf('{"__metadata__":{"a":"b"}}   '))).metadata).toEqual({
      a: "b",
    });
  });

  it("takes metadata of null for none, as the reference implementation does", async () => {
    const file = fileOf(
      '{"__metadata__":null,"x":{"dtype":"U8","shape":[1],"data_offsets":[0,1]}}',
      [7],
    );
    const { tensors, metadata } = await readSafetensors(file);
    expect(tensors.get("x")!.data).toEqual(Uint8Array.of(7));
    expect(metadata).toEqual({});
  });

  it("accepts fields of others as deep as the reference implementation does", async () => {
    const field = `{"x":{"dtype":"U8","shape":[0],"data_offsets":[0,0],"y":${deep(125)}}}`;
    expect([...(await readSafetensors(fileOf(field))).tensors.keys()]).toEqual(["x"]);
  });

  it("treats __proto__ as a name like others", async () => {
    const entry = '{"dtype":"U8","shape":[1],"data_offsets":[0,1]}';
    const file = fileOf(`{"__proto__":${entry},"__metadata__":{"__proto__":"x"}}`, [7]);
    const { tensors, metadata } = await readSafetensors(file);
    expect([...tensors.keys()]).toEqual(["__proto__"]);
    expect(Object.entries(metadata)).toEqual([["__proto__", "x"]]);
    expect(({} as Record<string, unknown>).dtype).toBeUndefined();
  });

  it("reads ranges beyond 2 GiB", async () => {
    // A sparse file: 3 GiB of nothing, then the tensor that matters.
    const begin = 3 * 2 ** 30;
    const path = join(folder, "large.safetensors");
    const header = fileOf({
      big: { dtype: "U8", shape: [begin], data_offsets: [0, begin] },
      small: { dtype: "F32", shape: [2], data_offsets: [begin, begin + 8] },
    });
    const handle = await open(path, "w");
    await handle.write(header);
    await handle.write(
      new Uint8Array(Float32Array.of(1.5, -2).buffer),
      0,
      8,
      header.length + begin,
    );
    await handle.close();
    const file = await openSafetensors(path);
    expect((await file.read("small")).data).toEqual(Float32Array.of(1.5, -2));
    await file.close();
  });

  it("opens without reading tensors, reads them by name, and closes", async () => {
    const file = await openSafetensors(await written({ x: f32([2], 1, 2) }, { step: "3" }));
    expect([...file.entries]).toEqual([["x", { dtype: "F32", shape: [2], begin: 0, end: 8 }]]);
    expect(file.metadata).toEqual({ step: "3" });
    expect(await file.read("x")).toEqual(f32([2], 1, 2));
    await expect(file.read("y")).rejects.toThrow('has no tensor "y" among its 1');
    await file.close();
    await file.close();
    await expect(file.read("x")).rejects.toThrow(SafetensorsError);
  });

  it("notices a file that shrinks while it is read", async () => {
    const path = join(folder, "shrinks.safetensors");
    await writeSafetensors(path, { x: f32([2], 1, 2) });
    const file = await openSafetensors(path);
    writeFileSync(path, readFileSync(path).subarray(0, -4));
    await expect(file.read("x")).rejects.toThrow("must keep its");
    await file.close();
  });
});

describe("refusing", () => {
  const entry = (over: object = {}): object => ({
    dtype: "U8",
    shape: [2],
    data_offsets: [0, 2],
    ...over,
  });
  const lengthOnly = (length: bigint, size = 20): Uint8Array => {
    const bytes = new Uint8Array(size);
    new DataView(bytes.buffer).setBigUint64(0, length, true);
    return bytes;
  };

  it.each<[string, Uint8Array, string]>([
    ["a file too short for a length", new Uint8Array(7), "must hold at least 8 bytes, got 7"],
    ["a header longer than the file", lengthOnly(13n), "must be at most 12 bytes, got 13"],
    ["a length past 2^63", lengthOnly(2n ** 64n - 1n), "got 18446744073709551615"],
    ["an empty header", lengthOnly(0n, 8), 'the header must begin with "{"'],
    ["a header that is no object", fileOf("[]"), 'the header must begin with "{", got "[]"'],
    ["a header that starts with a space", fileOf(" {}"), 'the header must begin with "{"'],
    ["broken JSON", fileOf('{"x":'), "the header must be JSON, got Unexpected end"],
    ["bytes that are not UTF-8", fileOf("{}").map((b) => (b === 0x7d ? 0xff : b)), "be UTF-8 text"],
    [
      "lists deeper than Rust's safetensors reads",
      fileOf(`{"x":{"dtype":"U8","shape":[0],"data_offsets":[0,0],"y":${deep(126)}}}`),
      "the header must be JSON, got values more than 127 deep",
    ],
    [
      "a tensor's name that is no text",
      fileOf('{"\\ud800":{"dtype":"U8","shape":[],"data_offsets":[0,1]}}', [1]),
      "texts of the header must be Unicode, got half of a surrogate pair",
    ],
    [
      "a field of others that is no text",
      fileOf('{"x":{"dtype":"U8","shape":[0],"data_offsets":[0,0],"y":["b\\udc00"]}}'),
      "texts of the header must be Unicode, got half of a surrogate pair",
    ],
    [
      "the same tensor twice",
      fileOf('{"x":{"dtype":"U8","shape":[],"data_offsets":[0,1]},"\\u0078":{}}', [1]),
      'every key of the header must be unique, got "x" twice',
    ],
    [
      "the same field twice",
      fileOf('{"x":{"dtype":"U8","dtype":"I8","shape":[1],"data_offsets":[0,1]}}', [1]),
      'got "dtype" twice',
    ],
    ["an entry that is no object", fileOf({ x: [1] }), 'tensor "x": must be an object'],
    [
      "an unknown dtype",
      fileOf({ x: entry({ dtype: "F33" }) }, [1, 2]),
      'tensor "x": dtype must be one of BOOL, F4',
    ],
    ["a dtype of Object.prototype", fileOf({ x: entry({ dtype: "toString" }) }, [1, 2]), "dtype"],
    ["no dtype", fileOf({ x: entry({ dtype: undefined }) }, [1, 2]), "U64, got nothing"],
    [
      "a negative dimension",
      fileOf({ x: entry({ shape: [-1, -2] }) }, [1, 2]),
      'tensor "x": shape must be a list of whole numbers below 2^53, got [-1,-2]',
    ],
    ["a broken dimension", fileOf({ x: entry({ shape: [1.5] }) }, [1, 2]), "got [1.5]"],
    ["a shape that is no list", fileOf({ x: entry({ shape: 2 }) }, [1, 2]), "got 2"],
    [
      "a size that overflows",
      fileOf({ x: entry({ shape: [2 ** 33, 2 ** 31, 0] }) }, [1, 2]),
      'tensor "x": shape must describe fewer than 2^64 bits of U8',
    ],
    [
      "half a byte",
      fileOf({ x: entry({ dtype: "F4", shape: [3] }) }, [1, 2]),
      'tensor "x": shape must fill whole bytes of F4, got [3]',
    ],
    [
      "a wrong size for the dtype",
      fileOf({ x: entry({ dtype: "F32" }) }, [1, 2]),
      'tensor "x": data_offsets must span the 8 bytes of F32 [2], got [0,2]',
    ],
    [
      "offsets that run backwards",
      fileOf({ x: entry({ data_offsets: [2, 0] }) }, [1, 2]),
      'tensor "x": data_offsets must be [begin, end] with 0 <= begin <= end, got [2,0]',
    ],
    ["one offset", fileOf({ x: entry({ data_offsets: [0] }) }, [1, 2]), "got [0]"],
    ["no offsets", fileOf({ x: { dtype: "U8", shape: [2] } }, [1, 2]), "got nothing"],
    [
      "data that is cut short",
      fileOf({ x: entry() }, [1]),
      'tensor "x": data_offsets must end within the 1 bytes of data, got [0, 2]. The file is cut short',
    ],
    [
      "overlapping tensors",
      fileOf({ x: entry(), y: entry({ data_offsets: [1, 3] }) }, [1, 2, 3]),
      'tensor "y" overlaps tensor "x": data_offsets must begin at 2, got [1, 3]',
    ],
    [
      "a hole",
      fileOf({ x: entry(), y: entry({ data_offsets: [3, 5] }) }, [1, 2, 3, 4, 5]),
      'tensor "y" leaves unused bytes after tensor "x": data_offsets must begin at 2',
    ],
    [
      "a hole at the start",
      fileOf({ x: entry({ data_offsets: [1, 3] }) }, [1, 2, 3]),
      'tensor "x" leaves unused bytes after the header: data_offsets must begin at 0',
    ],
    [
      "trailing bytes",
      fileOf({ x: entry() }, [1, 2, 3]),
      'the file must end with tensor "x", got 1 bytes more',
    ],
    ["metadata that is no object", fileOf({ __metadata__: ["a"] }), "__metadata__ must be an obj"],
    [
      "metadata that is no text",
      fileOf({ __metadata__: { step: 3 } }),
      '__metadata__: "step" must be a text, got "3"',
    ],
  ])("%s", async (_title, file, message) => {
    const error = await readSafetensors(file).catch((caught: unknown) => caught as Error);
    expect(error).toBeInstanceOf(SafetensorsError);
    const text = (error as Error).message;
    expect(text).toContain(message);
    expect(text).toMatch(/^safetensors: Uint8Array: .*$/); // one line
  });

  it("limits the header to 100 MB", async () => {
    const path = join(folder, "header.safetensors");
    const handle = await open(path, "w");
    await handle.write(lengthOnly(100_000_001n, 8));
    await handle.truncate(200_000_000);
    await handle.close();
    await expect(readSafetensors(path)).rejects.toThrow("at most 100000000 bytes, got 100000001");
  });

  it("knows what is often mistaken for safetensors", async () => {
    const text = (content: string): Uint8Array => new TextEncoder().encode(content.padEnd(130));
    const lfs = text("version https://git-lfs.github.com/spec/v1\noid sha256:");
    await expect(readSafetensors(lfs)).rejects.toThrow("is a Git LFS pointer: run git lfs pull");
    await expect(readSafetensors(text("<!doctype html>"))).rejects.toThrow("is a web page");
    await expect(readSafetensors(text("PK\x03\x04"))).rejects.toThrow("PyTorch or zip archive");
  });

  it("names the file, whether missing, a folder or wrong", async () => {
    const missing = join(folder, "missing.safetensors");
    await expect(readSafetensors(missing)).rejects.toThrow(
      `safetensors: ${missing}: there is no such file. Check the path.`,
    );
    await expect(readSafetensors(folder)).rejects.toThrow("must be a file, got a folder");
    const named = new File([Buffer.from(fileOf("[]"))], "model.safetensors");
    await expect(readSafetensors(named)).rejects.toThrow("safetensors: model.safetensors: ");
    await expect(readSafetensors(3 as unknown as string)).rejects.toThrow("got number");
  });
});

describe.skipIf(!hasShared)(needsShared("files of the reference implementation"), () => {
  const files = hasShared
    ? ["golden", "models"].flatMap((top) =>
        (readdirSync(shared(top), { recursive: true }) as string[])
          .filter((name) => name.endsWith(".safetensors"))
          .map((name) => join(top, name)),
      )
    : [];

  it.each(files)("%s reads, and is written again byte for byte", async (name) => {
    const bytes = new Uint8Array(readFileSync(shared(name)));
    const { tensors, metadata } = await readSafetensors(bytes);
    expect(tensors.size).toBeGreaterThan(0);
    expect(Buffer.compare(await written(tensors, metadata as Record<string, string>), bytes)).toBe(
      0,
    );
  });

  it("holds what PyTorch put in", async () => {
    const { tensors } = await readSafetensors(shared("golden", "t5-gated", "io.safetensors"));
    expect(tensors.get("labels")!.dtype).toBe("I64");
    expect(tensors.get("labels")!.data).toBeInstanceOf(BigInt64Array);
    expect([...(tensors.get("labels")!.data as BigInt64Array)]).toContain(-100n);
    expect(tensors.get("logits")!.shape.at(-1)).toBe(128);
  });
});

// Files of torch.save against the same tensors as safetensors, both written by PyTorch (test/golden/makeTorchFiles.py).

import { readFile } from "node:fs/promises";
import { describe, expect, it } from "vitest";
import { openTorchFile } from "../../src/model/torchFile/torchFile.ts";
import { PICKLE_NAMES } from "../../src/model/torchFile/stateDict.ts";
import { T5ForConditionalGeneration } from "../../src/t5/model.ts";
import { CheckpointError } from "../../src/tensor/errors.ts";
import { readSafetensors } from "../../src/tensor/safetensors.ts";
import { pickle, storedZip, torchArchive } from "../support/torchArchive.ts";
import { cpu } from "../support/device.ts";
import { golden } from "../support/golden.ts";
import { readSource, sourceFiles } from "../support/sources.ts";
import { weightsOf } from "../support/tinyT5.ts";

const EXPECTED = golden("torch-files", "expected.safetensors");
const ZIP = golden("torch-files", "zip.bin");

/** The message of the CheckpointError that opening it ends with. */
async function refusal(place: string | Uint8Array): Promise<string> {
  const error = await openTorchFile(place).then(
    () => "opened",
    (caught: unknown) => caught,
  );
  expect(error).toBeInstanceOf(CheckpointError);
  const { message } = error as Error;
  expect(message).not.toContain("\n");
  return message;
}

describe("openTorchFile", () => {
  it.each(["zip.bin", "legacy.bin"])("reads each tensor of %s bit for bit", async (name) => {
    const { tensors } = await readSafetensors(EXPECTED);
    const file = await openTorchFile(golden("torch-files", name));
    expect(new Set(file.entries.keys())).toEqual(new Set(tensors.keys()));
    for (const [key, expected] of tensors) {
      const { dtype, shape } = file.entries.get(key)!;
      expect({ dtype, shape }).toEqual({ dtype: expected.dtype, shape: expected.shape });
      expect(await file.read(key), key).toEqual(expected);
    }
    await file.close();
    await expect(file.read("f32")).rejects.toThrow("must be open to be read, got closed");
  });

  it("reads the state_dict of a T5 as its safetensors have it, tied names included", async () => {
    const { tensors } = await readSafetensors(golden("t5-odd", "model.safetensors"));
    const file = await openTorchFile(golden("t5-odd-bin", "pytorch_model.bin"));
    for (const [name, expected] of tensors) expect(await file.read(name), name).toEqual(expected);
    const surplus = [...file.entries.keys()].filter((name) => !tensors.has(name));
    expect(surplus).toEqual(["encoder.embed_tokens.weight", "decoder.embed_tokens.weight"]);
    for (const name of surplus) expect(await file.read(name)).toEqual(tensors.get("shared.weight"));
    await expect(file.read("z")).rejects.toThrow('has no tensor "z" among its');
    await file.close();
  });

  it("gives a T5 whose every weight is that of its safetensors, bit for bit", async () => {
    const load = (name: string) =>
      T5ForConditionalGeneration.fromPretrained(golden(name), { device: cpu });
    const [expected, model] = [await load("t5-odd"), await load("t5-odd-bin")];
    const values = await weightsOf(expected);
    expect(await weightsOf(model)).toEqual(values);
    expect(values.size).toBeGreaterThan(20);
    for (const loaded of [expected, model]) loaded.dispose();
  });

  it("reads bytes and Blobs", async () => {
    const bytes = new Uint8Array(await readFile(ZIP));
    for (const place of [bytes, new Blob([bytes])]) {
      const file = await openTorchFile(place);
      expect((await file.read("i32")).data).toEqual(Int32Array.of(-(2 ** 31), 7));
      await file.close();
    }
  });

  it("reads archives of zip64, of any prefix, and with directories", async () => {
    const storage = new Uint8Array(Float32Array.of(1, 2, 3, 4, 5, 6).buffer);
    const data = pickle({
      w: { dtype: "Float", key: "0", size: 6, shape: [3, 2], strides: [1, 3] },
    });
    for (const root of ["archive", "any name"]) {
      const entries = {
        [`${root}/`]: new Uint8Array(),
        [`${root}/data.pkl`]: data,
        [`${root}/data/0`]: storage,
      };
      for (const zip64 of [false, true]) {
        const file = await openTorchFile(storedZip(entries, { zip64 }));
        expect((await file.read("w")).data).toEqual(Float32Array.of(1, 4, 2, 5, 3, 6));
      }
    }
  });

  it("turns big-endian elements around", async () => {
    const tensor = { dtype: "Short", key: "0", size: 2, shape: [2], strides: [1] };
    const storage = Uint8Array.of(0x01, 0x02, 0xff, 0xfe);
    const read = async (byteorder: string) => {
      const file = await openTorchFile(
        torchArchive(pickle({ w: tensor }), { "0": storage }, { byteorder }),
      );
      return [...(await file.read("w")).data];
    };
    expect(await read("big")).toEqual([0x0102, -2]);
    expect(await read("little")).toEqual([0x0201, -257]);
    await expect(read("middle")).rejects.toThrow('byteorder must be little or big, got "middle"');
  });
});

describe("what openTorchFile refuses", () => {
  it("and reads stands in the guide: every opcode and name, and no other", () => {
    const guide = readSource("docs/guide/hugging-face-semantics.md");
    const row = (name: string) => guide.split("\n").find((line) => line.startsWith(`| ${name} `))!;
    const [, , opcodes] = row("opcodes").split("|");
    const machine = readSource("src/model/torchFile/unpickler.ts");
    const cases = [...machine.matchAll(/(?:case|name ===) "([A-Z_\d]+)"/g)].map(
      ([, name]) => name!,
    );
    expect(new Set(opcodes!.trim().split(/ +/))).toEqual(new Set(cases));
    const [, , names] = row("names").split("|");
    const listed = [...names!.matchAll(/`([^`]+)`/g)].map(([, name]) => name);
    expect(listed).toEqual(PICKLE_NAMES);
  });

  it("cannot be run: its code loads nothing, and makes no code of texts", () => {
    for (const file of sourceFiles("src/model/torchFile")) {
      const source = readSource(file);
      expect(source, file).not.toMatch(
        /\b(eval|Function|import|require|spawn|exec)\s*\(|from "node:/,
      );
      const targets = [...source.matchAll(/ from "([^"]+)"/g)].map(([, target]) => target!);
      for (const target of targets)
        expect(target, file).toMatch(/^(\.\.\/\.\.\/tensor|\.)\/\w+\.ts$/);
    }
  });

  it.each([
    [
      "nested.bin",
      '"state_dict" must be a tensor, got a dictionary. Save it alone: torch.save(torch.load(file)["state_dict"]',
    ],
    ["expanded.bin", "a tensor [1000] with strides [0] must not repeat elements"],
    [
      "module.bin",
      'must name only what tensors need, got "torch.nn.modules.linear.Linear", which was not run',
    ],
    ["protocol4.bin", "must be of protocol 2, as torch.save writes it, got protocol 4"],
    ["sparse.bin", 'got "torch._utils._rebuild_sparse_tensor"'],
    ["torchscript.bin", "got a program of TorchScript"],
  ])("%s", async (name, message) => {
    const path = golden("torch-files", name);
    expect(await refusal(path)).toContain(`${path}: `);
    expect(await refusal(path)).toContain(message);
  });

  it("names files that are none", async () => {
    const text = (content: string) => new TextEncoder().encode(content);
    expect(await refusal("/nowhere.bin")).toBe(
      "torch file: /nowhere.bin: there is no such file. Check the path.",
    );
    expect(await refusal(text("version https://git-lfs.github.com/spec/v1"))).toContain(
      "git lfs pull",
    );
    expect(await refusal(text("<html>"))).toContain("is a web page");
    expect(await refusal(text(""))).toContain('begins with "". The file is damaged');
    expect(await refusal(text("PK"))).toContain("save_pretrained");
  });

  it("reads no storage that is not as its tensor says", async () => {
    const tensor = { dtype: "Float", key: "0", size: 2, shape: [2], strides: [1] };
    const cases: [Parameters<typeof pickle>[0], number, string][] = [
      [{ w: tensor }, 12, 'storage "0" must have the 8 bytes of 2 elements F32, got 12'],
      [{ w: { ...tensor, key: "1" } }, 8, 'must hold "archive/data/1", got no such entry'],
      [
        { w: { ...tensor, shape: [3] } },
        8,
        'must lie within the 2 elements of storage "0", got its end at 3',
      ],
      [{ w: { ...tensor, offset: 1 } }, 8, "got its end at 3"],
      [{ w: { ...tensor, strides: [2] } }, 8, "got its end at 3"],
      [{ w: { ...tensor, strides: [1, 1] } }, 8, "a shape and as many strides"],
      [{ w: { ...tensor, shape: [-1] } }, 8, "a shape and as many strides"],
      [
        { w: tensor, v: { ...tensor, dtype: "Int" } },
        8,
        'storage "0" must be one thing, got 2 F32 and 2 I32',
      ],
      [{ w: { ...tensor, dtype: "ComplexFloat" } }, 8, 'got "torch.ComplexFloatStorage"'],
    ];
    for (const [tensors, bytes, message] of cases) {
      const archive = torchArchive(pickle(tensors), { "0": new Uint8Array(bytes) });
      expect(await refusal(archive)).toContain(message);
    }
  });

  it("reads no compressed entry", async () => {
    const archive = torchArchive(pickle({}), {}, { method: 8 });
    expect(await refusal(archive)).toContain(
      '"archive/data.pkl" must be stored as it is, got it compressed',
    );
  });
});

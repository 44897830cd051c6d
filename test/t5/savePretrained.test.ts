import { readFile } from "node:fs/promises";
import { expect, it } from "vitest";
import { T5Config } from "../../src/t5/config.ts";
import { temporaryFolder } from "../support/folder.ts";
import { tinyConfig, tinyT5 } from "../support/tinyT5.ts";

const folder = temporaryFolder();

it("writes 1.0 where transformers 5 refuses 1, and nothing else of the kind", async () => {
  const model = tinyT5({ config: tinyConfig.withOverrides({ layer_norm_epsilon: 1, d_kv: 1 }) });
  await model.savePretrained(folder("model"));
  model.dispose();
  const text = await readFile(folder("model/config.json"), "utf8");
  expect(text).toContain('  "initializer_factor": 1.0,\n');
  expect(text).toContain('  "layer_norm_epsilon": 1.0,\n');
  expect(text).toContain('  "d_kv": 1,\n');
  expect(text.endsWith("\n}\n")).toBe(true);
  expect(JSON.parse(text)).toMatchObject({ initializer_factor: 1, layer_norm_epsilon: 1 });
});

it("gives the dtype of the weights one value, under both of its names where the file had both", async () => {
  const kept = { torch_dtype: "bfloat16" };
  for (const [name, fields] of [
    ["two", kept],
    ["one", {}],
  ] as const) {
    const model = tinyT5({ config: T5Config.fromJSON({ ...tinyConfig.toJSON(), ...fields }) });
    await model.savePretrained(folder(name));
    model.dispose();
    const { dtype, torch_dtype } = JSON.parse(
      await readFile(folder(`${name}/config.json`), "utf8"),
    ) as Record<string, unknown>;
    expect([dtype, torch_dtype]).toEqual(["float32", name === "two" ? "float32" : undefined]);
  }
});

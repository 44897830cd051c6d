import { readFile } from "node:fs/promises";
import { expect, it } from "vitest";
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

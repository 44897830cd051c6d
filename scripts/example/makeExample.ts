// Writes examples/data and the tokenizer in examples/model:
//   node --import ./scripts/example/runTypeScript.mjs scripts/example/makeExample.ts

import { mkdir, writeFile } from "node:fs/promises";
import { fileURLToPath } from "node:url";
import { buildTokenizer } from "./buildTokenizer.ts";
import { generateSplits, toCsv } from "./generateDialogues.ts";

const examples = new URL("../../examples/", import.meta.url);

const files = new Map<string, string>();
for (const [split, rows] of Object.entries(generateSplits())) {
  files.set(`data/${split}.csv`, toCsv(rows));
}
for (const [name, text] of Object.entries(buildTokenizer())) files.set(`model/${name}`, text);

for (const [name, text] of files) {
  const path = fileURLToPath(new URL(name, examples));
  await mkdir(fileURLToPath(new URL(".", new URL(name, examples))), { recursive: true });
  await writeFile(path, text);
  console.log(`${path}: ${Buffer.byteLength(text)} bytes`);
}

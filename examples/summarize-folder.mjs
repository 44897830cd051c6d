// Summarises each .txt file of a folder into a file beside it: meeting.txt into meeting.summary.txt.
//
//   node examples/summarize-folder.mjs FOLDER [MODEL]

import { readdir, readFile, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { openDevice, summarize, T5ForConditionalGeneration, Tokenizer } from "gradloom";

const [folder, modelName = fileURLToPath(new URL("model", import.meta.url))] =
  process.argv.slice(2);
if (folder === undefined) throw new Error("usage: node summarize-folder.mjs FOLDER [MODEL]");

const names = (await readdir(folder))
  .filter((name) => name.endsWith(".txt") && !name.endsWith(".summary.txt"))
  .sort();
const texts = await Promise.all(names.map((name) => readFile(join(folder, name), "utf8")));

const device = await openDevice("auto");
const model = await T5ForConditionalGeneration.fromPretrained(modelName, { device });
const tokenizer = await Tokenizer.fromPretrained(modelName);
const summaries = await summarize(model, tokenizer, texts, {
  maxNewTokens: 80,
  numBeams: 4,
  batchSize: 4,
  onProgress: (done, total) => console.error(`${done} of ${total}`),
});
for (const [i, name] of names.entries()) {
  await writeFile(join(folder, name.replace(/\.txt$/, ".summary.txt")), `${summaries[i]}\n`);
  console.log(`${name}: ${summaries[i]}`);
}
await device.close();

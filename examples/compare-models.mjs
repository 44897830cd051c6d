// Compares two models, or a model with an adapter and without, on the test rows of a data set: ROUGE, and texts side by side.
//
//   node examples/compare-models.mjs [MODEL] [OTHER] [DATA] [ROWS]
//
// OTHER may be an adapter of MODEL, such as the one that fine-tune-lora.mjs writes. Without arguments the example model is
// compared with itself in bf16.

import { fileURLToPath } from "node:url";
import { loadDataset, openDevice, rouge, summarize } from "gradloom";
import { T5ForConditionalGeneration, Tokenizer } from "gradloom";

const example = (name) => fileURLToPath(new URL(name, import.meta.url));
const [modelName = example("model"), other, dataName = example("data"), rows = "10"] =
  process.argv.slice(2);

const device = await openDevice("auto");
const tokenizer = await Tokenizer.fromPretrained(modelName);
const { test } = await loadDataset(dataName, { splits: ["test"] });
const chosen = test.rows.slice(0, Number(rows));
const texts = chosen.map((row) => row.dialogue);
const references = chosen.map((row) => row.summary);

const summaries = [];
for (const [title, name, options] of [
  ["first", modelName, {}],
  ["second", other ?? modelName, other === undefined ? { dtype: "bf16" } : {}],
]) {
  const model = await T5ForConditionalGeneration.fromPretrained(name, { device, ...options });
  const written = await summarize(model, tokenizer, texts, { maxNewTokens: 60 });
  const scores = Object.entries(rouge(written, references));
  console.log(title, scores.map(([type, score]) => `${type} ${score.toFixed(4)}`).join(", "));
  summaries.push(written);
  model.dispose();
}
for (const [i, text] of texts.slice(0, 3).entries()) {
  console.log(`\n${text}\n  human:  ${references[i]}`);
  console.log(`  first:  ${summaries[0][i]}\n  second: ${summaries[1][i]}`);
}
await device.close();

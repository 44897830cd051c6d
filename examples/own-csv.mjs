// Trains on a CSV file of one's own, whatever its columns are called, and scores what was held back with ROUGE.
//
//   node examples/own-csv.mjs FILE SOURCE_COLUMN TARGET_COLUMN [STEPS] [MODEL]
//
// Without arguments: 200 rows of the example data, whose topic is to be guessed from the dialogue.

import { fileURLToPath } from "node:url";
import * as gl from "gradloom";

const example = (name) => fileURLToPath(new URL(name, import.meta.url));
const [
  file = example("data/train.csv"),
  source = "dialogue",
  target = "topic",
  steps = "40",
  modelName = example("model"),
] = process.argv.slice(2);

const { train } = await gl.loadDataset(file, { sourceColumn: source, targetColumn: target });
const rows = train.rows.slice(0, 200);
const [trainRows, testRows] = [rows.slice(0, -20), rows.slice(-20)];

const device = await gl.openDevice("auto");
const model = await gl.T5ForConditionalGeneration.fromPretrained(modelName, { device });
const tokenizer = await gl.Tokenizer.fromPretrained(modelName);

// A prompt of its own: {column} stands for the text of a column. Inference below reads the same one.
const columns = { template: `Topic of this text?\n\n{${source}}\n\nTopic: `, targetColumn: target };
const trainDataset = await gl.preprocess({ rows: trainRows }, tokenizer, columns);
const args = {
  outputDir: "gradloom-output/own-csv",
  maxSteps: Number(steps),
  perDeviceTrainBatchSize: 8,
  learningRate: 1e-3,
  loggingSteps: 10,
  saveStrategy: "no",
};
const trainer = new gl.Trainer({ model, tokenizer, args, trainDataset });
await trainer.train();
await trainer.saveModel(args.outputDir);

const prompts = testRows.map((row) => gl.buildPrompt(row, columns));
const ids = await model.generate(tokenizer.encode(prompts, { padding: "longest" }), {
  maxNewTokens: 12,
});
const predictions = tokenizer.batchDecode(ids, { skipSpecialTokens: true });
const references = testRows.map((row) => row[target]);
const { rouge1 } = gl.rouge(predictions, references);
console.log(`rouge1 ${rouge1.toFixed(3)} on ${testRows.length} rows that were held back`);
for (const i of [0, 1, 2]) console.log(`${references[i]}: ${predictions[i]}`);
await device.close();

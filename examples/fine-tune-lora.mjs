// Fine-tunes a LoRA adapter on dialogues, saves it, and streams a summary.
//
//   node examples/fine-tune-lora.mjs [STEPS] [MODEL] [DATA]
//
// MODEL and DATA are folders or Hub ids, such as google/flan-t5-small and knkarthick/dialogsum.

import { fileURLToPath } from "node:url";
import * as gl from "gradloom";

const example = (name) => fileURLToPath(new URL(name, import.meta.url));
const [steps = "60", modelName = example("model"), dataName = example("data")] =
  process.argv.slice(2);

const device = await gl.openDevice("auto");
const model = await gl.T5ForConditionalGeneration.fromPretrained(modelName, { device });
const tokenizer = await gl.Tokenizer.fromPretrained(modelName);
const { train, test } = await gl.loadDataset(dataName);

gl.addLora(model, new gl.LoraConfig({ r: 16, loraAlpha: 32, loraDropout: 0.05 }));
const args = {
  outputDir: "gradloom-output/lora",
  maxSteps: Number(steps),
  perDeviceTrainBatchSize: 8,
  learningRate: 5e-3,
  loggingSteps: 10,
  saveStrategy: "no",
};
const trainDataset = await gl.preprocess(train, tokenizer);
await new gl.Trainer({ model, tokenizer, args, trainDataset }).train();
await gl.saveLora(model, args.outputDir);

const [{ dialogue, summary }] = test.rows;
console.log(`${dialogue}\n\nby a human: ${summary}\nby the model: `);
await model.generate(tokenizer.encode(gl.buildPrompt(dialogue)), {
  maxNewTokens: 60,
  streamer: new gl.TextStreamer(tokenizer, { skipPrompt: true, skipSpecialTokens: true }),
});
await device.close();

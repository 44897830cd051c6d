// The worker: loads the model of /model once, then streams a summary of each text that it is sent.

import {
  buildPrompt,
  openDevice,
  T5ForConditionalGeneration,
  TextStreamer,
  Tokenizer,
} from "gradloom";

const names = ["config.json", "model.safetensors", "tokenizer.json", "tokenizer_config.json"];

async function load() {
  const files = new Map();
  for (const name of names) files.set(name, await (await fetch(`/model/${name}`)).blob());
  const device = await openDevice("auto"); // webgpu where there is a GPU, else cpu
  const tokenizer = await Tokenizer.fromPretrained(files);
  const model = await T5ForConditionalGeneration.fromPretrained(files, { device });
  return { model, tokenizer };
}

const loaded = load();
loaded.then(
  () => postMessage({ type: "ready" }),
  (error) => postMessage({ type: "error", message: String(error) }),
);

addEventListener("message", async ({ data }) => {
  const { model, tokenizer } = await loaded;
  const callback = (text) => postMessage({ type: "text", text });
  const options = { skipPrompt: true, skipSpecialTokens: true, callback };
  const streamer = new TextStreamer(tokenizer, options);
  await model.generate(tokenizer.encode(buildPrompt(data)), { maxNewTokens: 60, streamer });
  postMessage({ type: "done" });
});

// gradloom's worker in the browser's bench.

import { openDevice, T5ForConditionalGeneration } from "gradloom";
import { answer, fetchFiles } from "./answer.mjs";

answer(async ({ threads, dtype, model: address }) => {
  const device = await openDevice("cpu", { threads });
  const names = ["config.json", "generation_config.json", "model.safetensors"];
  const files = await fetchFiles(address, names);
  const model = await T5ForConditionalGeneration.fromPretrained(files, { device, dtype });
  return async (ids, maxNewTokens, onToken) => {
    const options = { maxNewTokens, numBeams: 1, streamer: onToken };
    const [row] = await model.generate({ inputIds: [ids] }, options);
    return row.slice(1);
  };
});

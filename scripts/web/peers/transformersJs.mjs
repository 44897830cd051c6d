// transformers.js in the browser's bench, on the wasm device of onnxruntime-web.

import { AutoModelForSeq2SeqLM, BaseStreamer, env, Tensor } from "@huggingface/transformers";
import { answer } from "./answer.mjs";

/** The decoder's start token comes to a streamer as well. */
class Watch extends BaseStreamer {
  #onToken;
  #calls = 0;

  constructor(onToken) {
    super();
    this.#onToken = onToken;
  }

  put() {
    if (this.#calls++ > 0) this.#onToken();
  }

  end() {}
}

answer(async ({ threads, dtype }) => {
  Object.assign(env, { allowRemoteModels: false, allowLocalModels: true, localModelPath: "/" });
  Object.assign(env, { useBrowserCache: false, useWasmCache: false });
  Object.assign(env.backends.onnx.wasm, {
    numThreads: threads,
    wasmPaths: `${location.origin}/ort/`,
  });
  const model = await AutoModelForSeq2SeqLM.from_pretrained("model", { dtype, device: "wasm" });
  return async (ids, tokens, onToken) => {
    const shape = [1, ids.length];
    const out = await model.generate({
      inputs: new Tensor("int64", BigInt64Array.from(ids, BigInt), shape),
      attention_mask: new Tensor("int64", new BigInt64Array(ids.length).fill(1n), shape),
      ...{ max_new_tokens: tokens, do_sample: false },
      streamer: new Watch(onToken),
    });
    return out.tolist()[0].slice(1).map(Number);
  };
});

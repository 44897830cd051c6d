// Where the model looked while it wrote: the cross-attention of one head.

import { buildPrompt, noGrad, Scope, slice, type Tokenizer } from "gradloom";
import type { AttentionMap, AttentionRequest } from "../protocol/attention.ts";
import { theModel } from "./session.ts";

/** @throws {Error} for a layer or head that the model does not have */
export async function attention(request: AttentionRequest): Promise<AttentionMap> {
  const { model, tokenizer, facts } = theModel();
  const { dialogue, summaryIds, layer, head } = request;
  if (layer >= facts.layers || head >= facts.heads) {
    throw new Error(`The model has ${facts.layers} layers of ${facts.heads} heads.`);
  }
  const inputs = tokenizer.encode(buildPrompt(dialogue), { truncation: true, maxLength: 512 });
  const memory = new Scope();
  try {
    const weights = memory.run(() =>
      noGrad(() => {
        // What is fed while token t + 1 is chosen are the tokens up to t.
        const decoderInputIds = [summaryIds.slice(0, -1)];
        const out = model.forward({ ...inputs, decoderInputIds, outputAttentions: true });
        return slice(out.crossAttentions![layer]!, 1, head, head + 1);
      }),
    );
    return {
      sources: pieces(tokenizer, inputs.inputIds[0]!),
      targets: pieces(tokenizer, summaryIds.slice(1)),
      weights: Float32Array.from(await weights.data()),
    };
  } finally {
    memory.dispose();
  }
}

/** The text of each token, blanks included. */
function pieces(tokenizer: Tokenizer, ids: readonly number[]): string[] {
  const texts: string[] = [];
  let before = "";
  for (let end = 1; end <= ids.length; end++) {
    // Alone, a token loses the blank before it: what it adds to the text says more.
    const text = tokenizer.decode(ids.slice(0, end));
    texts.push(
      text.startsWith(before) ? text.slice(before.length) : tokenizer.decode([ids[end - 1]!]),
    );
    before = text;
  }
  return texts;
}

// The model, tokenizer and device that `evaluate` and `summarize` write with.

import type { ProcessGroup } from "../distributed/processGroup.ts";
import { openCommandDevice } from "./commandDevice.ts";
import { Tokenizer } from "../model/tokenizer.ts";
import type { Device } from "../tensor/device.ts";
import type { T5ForConditionalGeneration } from "../t5/model.ts";
import { fetchModel, fetchTokenizer } from "./hub.ts";
import type { InferenceFlags } from "./inferenceFlags.ts";
import { loadForGeneration } from "./lora.ts";
import { rankZeroFirst } from "./processGroup.ts";

/** Which model, of which revision, with which tokenizer and adapter. */
export interface ModelFlags {
  readonly model: string;
  readonly revision?: string;
  readonly tokenizerName?: string;
  readonly adapter?: string;
}

export interface InferenceModel {
  readonly device: Device;
  readonly tokenizer: Tokenizer;
  readonly model: T5ForConditionalGeneration;
}

/** Fetches and loads what the flags name; of several processes rank 0 downloads. Collective. */
export async function loadInferenceModel(
  group: ProcessGroup,
  flags: ModelFlags & InferenceFlags,
  signal: AbortSignal,
): Promise<InferenceModel> {
  const { revision, adapter, dtype } = flags;
  const folder = await rankZeroFirst(group, () => fetchModel(flags.model, { revision, signal }));
  const device = await openCommandDevice(flags.device, flags.threads);
  const tokenizerFolder = await rankZeroFirst(group, () =>
    fetchTokenizer(folder, flags.tokenizerName, signal),
  );
  const tokenizer = await Tokenizer.fromPretrained(tokenizerFolder);
  const model = await loadForGeneration(folder, { device, adapter, dtype });
  return { device, tokenizer, model };
}

// peft's names for the files of an adapter.

export const ADAPTER_CONFIG = "adapter_config.json";
export const ADAPTER_WEIGHTS = "adapter_model.safetensors";
/** Read where there are no safetensors; never written. */
export const ADAPTER_WEIGHTS_TORCH = "adapter_model.bin";

/** Which weights peft reads of these files; safetensors also where there are none, for messages. */
export function adapterWeights(files: readonly string[]): string {
  const isTorch = !files.includes(ADAPTER_WEIGHTS) && files.includes(ADAPTER_WEIGHTS_TORCH);
  return isTorch ? ADAPTER_WEIGHTS_TORCH : ADAPTER_WEIGHTS;
}

// What a folder or a repository holds instead of the files that are read (weights under other names, a model in one of
// its folders), and what to do about it.

/** Names with slashes; `what` completes "got ...". */
interface Kind {
  readonly pattern: RegExp;
  /** A sentence or two, from the first match of the pattern. */
  cure(match: RegExpExecArray): string;
}

const VARIANT_CURE = (variant: string): string =>
  `These are weights of the variant ${variant}: in a copy of the folder, leave "${`.${variant}`}" out of their names.`;
const CONVERT =
  'Convert them once with Python: from transformers import T5ForConditionalGeneration; T5ForConditionalGeneration.from_pretrained("NAME"';

/** The first kind of which there is a file says what to do. */
const KINDS: readonly Kind[] = [
  {
    pattern:
      /^(?:model|pytorch_model)\.(?!safetensors\b|bin\b)([\w-]+?)(?:-\d+-of-\d+)?\.(?:safetensors|bin)$/,
    cure: ([, variant]) => VARIANT_CURE(variant!),
  },
  {
    pattern: /^(?:model\.safetensors|pytorch_model\.bin)\.index\.([\w-]+)\.json$/,
    cure: ([, variant]) => VARIANT_CURE(variant!),
  },
  {
    pattern: /^(?:model|pytorch_model)-\d+-of-\d+\.(?:safetensors|bin)$/,
    cure: ([shard]) =>
      `${shard} is one of several shards: their index, ${shard.endsWith("bin") ? "pytorch_model.bin" : "model.safetensors"}.index.json, must lie beside them. Download it too.`,
  },
  {
    pattern: /^(.+)\/(?:model|pytorch_model)\b[^/]*\.(?:safetensors|bin)$/,
    cure: ([, folder]) =>
      `They lie in its folder ${folder}: pass that one, with config.json in it (of a repository, in a copy on this disk).`,
  },
  {
    pattern: /^flax_model[^/]*\.msgpack$/,
    cure: () =>
      `Flax weights are not read. ${CONVERT}, from_flax=True).save_pretrained("FOLDER"), with transformers 4 and flax.`,
  },
  {
    pattern: /^tf_model[^/]*\.h5$/,
    cure: () =>
      `TensorFlow weights are not read. ${CONVERT}, from_tf=True).save_pretrained("FOLDER"), with transformers 4 and tensorflow.`,
  },
  {
    pattern: /^adapter_model\.(?:safetensors|bin)$/,
    cure: () => "This is an adapter: load its base model, then the adapter.",
  },
  {
    pattern: /\.(?:gguf|onnx|tflite|mlmodel|ot)$/,
    cure: () => "They were made for another runtime: look for the model that they were made from.",
  },
  {
    pattern: /^([^/]+)\.(safetensors|bin|pt|pth|ckpt)$/,
    cure: ([name, , extension]) =>
      `If ${name} is the whole model with Hugging Face's names, rename it to ${extension === "safetensors" ? "model.safetensors" : "pytorch_model.bin"}.`,
  },
];

/** Files that hold weights of some kind, for the message: without their README. */
const WEIGHTS =
  /\.(?:safetensors|bin|pt|pth|ckpt|h5|msgpack|gguf|onnx|tflite|mlmodel|ot)$|\.index\.[\w-]+\.json$/;
/** Names that a message lists. */
const SHOWN = 6;

/**
 * @param names of all files, with slashes
 * @param otherwise the cure where no folder holds a model
 * @returns what to do about a config.json that is not there
 */
export function configCure(names: readonly string[], otherwise: string): string {
  const folders = names.flatMap((name) => /^(.+)\/config\.json$/.exec(name)?.[1] ?? []).sort();
  if (folders.length === 0) return otherwise;
  const more = folders.length > SHOWN ? ` and ${folders.length - SHOWN} more` : "";
  return `There is one in ${folders.slice(0, SHOWN).join(", ")}${more}: pass that folder (of a repository, in a copy on this disk).`;
}

/**
 * @param names of all files, with slashes
 * @returns the weights among them, to follow "got", and a cure; null when there is none of any kind
 */
export function otherWeights(
  names: readonly string[],
): { readonly got: string; readonly cure: string } | null {
  const found = names.filter((name) => WEIGHTS.test(name)).sort();
  const more = found.length > SHOWN ? ` and ${found.length - SHOWN} more` : "";
  for (const { pattern, cure } of KINDS) {
    const match = found.map((name) => pattern.exec(name)).find((each) => each !== null);
    if (match) return { got: found.slice(0, SHOWN).join(", ") + more, cure: cure(match) };
  }
  return null;
}

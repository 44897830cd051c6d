// Weights in 8 bits (q8) in files: how ours are named, and the refusal of what other libraries have quantised.
//
// The tensor X.weight is two in the file: X.weight_q8, I8 of its shape, and X.weight_scale, F32 with one number for every 32 of
// a row. Nobody else has these names, so that a reader that does not know them misses X.weight instead of taking whole numbers
// for weights; and the file's metadata has no format "pt", without which transformers refuses it.

import { CheckpointError, ConfigError } from "../tensor/errors.ts";
import { dequantizeQ8, joinQ8, Q8_BLOCK, splitQ8 } from "../tensor/q8.ts";
import type { SafetensorsInput } from "../tensor/safetensorsWriter.ts";
import { formatShape, sameShape, type Shape } from "../tensor/shape.ts";
import type { Tensor } from "../tensor/tensor.ts";
import type { StoredShape, StoredTensor, WeightFiles } from "./tensorFile.ts";

/** quant_method of config.json, and `format` of the file's metadata. */
export const QUANT_METHOD = "gradloom_q8";
const NUMBERS = "_q8";
const SCALES = "_scale";

/** What config.json says of a model with q8 weights, as transformers' quantisers say it. */
export const QUANTIZATION_CONFIG = {
  quant_method: QUANT_METHOD,
  bits: 8,
  block_size: Q8_BLOCK,
} as const;

/** The two tensors of a file that hold a q8 tensor. */
export function q8Inputs(name: string, x: Tensor): [string, SafetensorsInput][] {
  // Read for each: the writer has all scales before the first numbers.
  const parts = async () =>
    splitQ8((await x.device.readStored(x.storage, "q8", x.size)) as Uint32Array);
  const values = async () => (await parts()).values;
  const scales = async () => (await parts()).scales;
  return [
    [name + NUMBERS, { dtype: "I8", shape: x.shape, data: values }],
    [name + SCALES, { dtype: "F32", shape: scalesShape(x.shape), data: scales }],
  ];
}

/** Weight files in which each pair of tensors is one, of dtype Q8. @throws {CheckpointError} for half a pair, or one that does not fit */
export function withQ8(files: WeightFiles): WeightFiles {
  const names = new Map<string, StoredShape>();
  const paired = new Set<string>();
  for (const [name, { dtype, shape }] of files.names) {
    if (!name.endsWith(`.weight${NUMBERS}`)) continue;
    const plain = name.slice(0, -NUMBERS.length);
    const scales = files.names.get(plain + SCALES);
    const fits =
      dtype === "I8" && scales?.dtype === "F32" && sameShape(scales.shape, scalesShape(shape));
    if (!fits) {
      throw new CheckpointError(
        `${files.source}: ${name} must be I8 with a row's length a multiple of ${Q8_BLOCK}, beside ${plain + SCALES}, F32 ${formatShape(scalesShape(shape))}, ` +
          `got ${dtype} ${formatShape(shape)} and ${scales ? `${scales.dtype} ${formatShape(scales.shape)}` : "no such tensor"}. Save the model again.`,
      );
    }
    paired.add(name).add(plain + SCALES);
    names.set(plain, { dtype: "Q8", shape });
  }
  if (paired.size === 0) return files;
  for (const [name, stored] of files.names) if (!paired.has(name)) names.set(name, stored);
  return {
    source: files.source,
    names,
    read: async (name) =>
      names.get(name)?.dtype === "Q8" ? readQ8(files, name) : files.read(name),
    ...(files.readPart && { readPart: files.readPart }),
    close: () => files.close(),
  };
}

async function readQ8(files: WeightFiles, name: string): Promise<StoredTensor> {
  const numbers = await files.read(name + NUMBERS);
  const scales = await files.read(name + SCALES);
  const parts = { values: numbers.data as Int8Array, scales: scales.data as Float32Array };
  return { dtype: "Q8", shape: numbers.shape, data: joinQ8(parts) };
}

/** The numbers of a tensor of dtype Q8. */
export function q8Numbers({ data }: StoredTensor): Float32Array {
  return dequantizeQ8(data as Uint32Array);
}

function scalesShape(shape: Shape): Shape {
  const last = shape.at(-1) ?? 0;
  return [...shape.slice(0, -1), last / Q8_BLOCK];
}

/**
 * Refuses what config.json says of a quantisation that is not ours.
 * @param value of `quantization_config`
 * @throws {ConfigError}
 */
export function checkQuantizationConfig(source: string, value: unknown): void {
  if (value === undefined || value === null) return;
  const config = typeof value === "object" ? (value as Record<string, unknown>) : {};
  const { quant_method: method = config["load_in_8bit"] === true ? "bitsandbytes" : undefined } =
    config;
  const isOurs = Object.entries(QUANTIZATION_CONFIG).every(([key, ours]) => config[key] === ours);
  if (isOurs) return;
  const got =
    method === QUANT_METHOD
      ? JSON.stringify(value)
      : `quant_method ${JSON.stringify(method) ?? "none"}`;
  throw new ConfigError(
    `${source}: quantization_config must be ${JSON.stringify(QUANTIZATION_CONFIG)}, got ${got}. ` +
      'Weights that other libraries quantised are not read: load the model that they were made from, with dtype "int8" for 8 bits.',
  );
}

/** Tensors beside a quantised weight, by the library that makes them. */
const FOREIGN: readonly (readonly [pattern: RegExp, library: string])[] = [
  [/\.(?:SCB|weight_format)$/, "bitsandbytes in 8 bits"],
  [
    /\.weight\.(?:absmax|quant_map|nested_absmax|nested_quant_map|quant_state\.\w+)$/,
    "bitsandbytes in 4 bits",
  ],
  [/\.(?:qweight|qzeros|g_idx)$/, "GPTQ or AWQ"],
  [/\.(?:weight_packed|weight_zero_point|weight_global_scale)$/, "compressed-tensors"],
  [/\.(?:weight\._data|weight\._scale|weight_qtype)$/, "quanto"],
  [/\.(?:W_q|W_q_meta)$/, "HQQ"],
];

/** @throws {CheckpointError} for files of weights that another library quantised, naming one of its tensors */
export function refuseForeign({ source, names }: WeightFiles): void {
  for (const name of names.keys()) {
    const found = FOREIGN.find(([pattern]) => pattern.test(name));
    if (found === undefined) continue;
    throw new CheckpointError(
      `${source}: weights must be floats, got ${name}, as ${found[1]} has it. ` +
        'Load the model that it was made from, with dtype "int8" for 8 bits.',
    );
  }
}

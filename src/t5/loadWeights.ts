// Checkpoint to weights: dtypes, and what to do with tensors that are missing, of another shape, or unknown
// (docs/guide/hugging-face-semantics.md 1.1 to 1.3).

import type { Device } from "../tensor/device.ts";
import { byteLength, type Dtype, type StorageArray, mapInto, toStorage } from "../tensor/dtype.ts";
import { CheckpointError } from "../tensor/errors.ts";
import { bfloat16ToFloat32, float16ToFloat32 } from "../tensor/half.ts";
import { formatShape, sameShape, sizeOf } from "../tensor/shape.ts";
import { Q8_BLOCK, q8Words } from "../tensor/q8.ts";
import { Tensor } from "../tensor/tensor.ts";
import { warn } from "../tensor/warnings.ts";
import { q8Numbers } from "../model/quantized.ts";
import type { StoredWeights } from "../model/weightDtype.ts";
import type { StoredShape, WeightFiles, StoredTensor } from "../model/weightFiles.ts";
import type { T5Config } from "./config.ts";
import { findEmbeddings } from "./embeddingNames.ts";
import { isMatrix, isQuantized } from "./int8.ts";
import { checkVariant, unusedTensors, warnOfUnused } from "./unusedTensors.ts";
import { buildWeights, type T5Weights, type TensorSource } from "./weights.ts";

export interface LoadedWeights {
  readonly weights: T5Weights;
  /** By HF name, tied weights once. */
  readonly parameters: Map<string, Tensor>;
  /** Tensors of the file that the model does not have; transformers ignores them too. */
  readonly unused: readonly string[];
}

/**
 * Reads every weight, one tensor in memory at a time besides the model itself. A model with weights in q8 is frozen.
 * @param dtype null for f32, or as a file with q8 weights has them
 * @throws {CheckpointError} naming the tensor that is missing, has another shape, or another dtype
 */
export async function loadWeights(
  checkpoint: WeightFiles,
  config: T5Config,
  device: Device,
  dtype: StoredWeights | null,
): Promise<LoadedWeights> {
  checkVariant(checkpoint, config);
  const chooseDtype = dtypeChooser(checkpoint, dtype);
  const { names, own, tied } = await findEmbeddings(checkpoint, config);
  const parameters = new Map<string, Tensor>();
  const pending: { x: Tensor; fileName: string; target: Dtype }[] = [];
  try {
    const reserve: TensorSource = (name, shape) => {
      const fileName = names.get(name) ?? name;
      const target = chooseDtype(name, checkStored(checkpoint, fileName, name, shape));
      const x = new Tensor(
        device.allocate(byteLength(target, sizeOf(shape))),
        shape,
        target,
        device,
      );
      parameters.set(name, x);
      pending.push({ x, fileName, target });
      return x;
    };
    const weights = buildWeights(config, tied, reserve, own);
    const isFrozen = pending.some(({ target }) => target === "q8");
    for (const { x, fileName } of pending) {
      x.requiresGrad = !isFrozen;
      await place(checkpoint, fileName, x);
    }
    const read = new Set(pending.map(({ fileName }) => fileName));
    const unused = unusedTensors(checkpoint, (name) => read.has(name));
    warnOfUnused(checkpoint, unused);
    return { weights, parameters, unused };
  } catch (error) {
    for (const x of parameters.values()) x.dispose();
    throw error;
  }
}

/** Elements that are quantised at a time: 4 MiB of f32. */
const PART = 2 ** 20;

/** Writes a tensor of the files. A table that is to be quantised is read in parts, where the files and the device let it. */
async function place(checkpoint: WeightFiles, fileName: string, x: Tensor): Promise<void> {
  const { device, storage, dtype, size } = x;
  const stored = checkpoint.names.get(fileName)!;
  const inParts = dtype === "q8" && stored.dtype !== "Q8" && checkpoint.readPart !== undefined;
  const pinned = inParts ? device.pin(storage, dtype, size) : null;
  if (pinned === null) {
    return device.write(storage, dtype, convert(await checkpoint.read(fileName), dtype, fileName));
  }
  try {
    for (let first = 0; first < size; first += PART) {
      const data = await checkpoint.readPart!(fileName, first, Math.min(first + PART, size));
      const part = { ...stored, data } as StoredTensor;
      pinned.array.set(convert(part, dtype, fileName), q8Words(first));
    }
  } finally {
    pinned.release();
  }
}

/** The dtype of a weight, by its name and what the file holds. */
type ChooseDtype = (name: string, stored: StoredShape) => Dtype;

function dtypeChooser({ names, source }: WeightFiles, dtype: StoredWeights | null): ChooseDtype {
  if (dtype === "q8") {
    warnOfShortRows(source, names);
    return (name, stored) => (isQuantized(name, stored.shape) ? "q8" : asStored(stored));
  }
  if (dtype === null) {
    const isSaved = [...names.values()].some((stored) => stored.dtype === "Q8");
    return isSaved ? (_, stored) => asStored(stored) : () => "f32";
  }
  // transformers keeps `wo` in f32 when it loads in float16: its outputs overflow (docs/guide/hugging-face-semantics.md 1.5).
  return (name) => (dtype === "f16" && name.endsWith(".wo.weight") ? "f32" : dtype);
}

/** Says which matrices int8 leaves alone, for a row is no whole number of blocks. */
function warnOfShortRows(source: string, names: WeightFiles["names"]): void {
  const left = [...names].filter(
    ([name, { shape }]) => isMatrix(name) && !isQuantized(name, shape),
  );
  if (left.length === 0) return;
  const [name, { shape }] = left[0]!;
  warn(
    `${source}: int8 leaves ${left.length === 1 ? "1 matrix" : `${left.length} matrices`} as the file has them, for their rows are no multiple of ${Q8_BLOCK} long: ` +
      `${name} ${formatShape(shape)}${left.length > 1 ? " and others" : ""}.`,
  );
}

function asStored({ dtype }: StoredShape): Dtype {
  return dtype === "Q8" ? "q8" : dtype === "F16" ? "f16" : dtype === "BF16" ? "bf16" : "f32";
}

function checkStored(
  checkpoint: WeightFiles,
  fileName: string,
  name: string,
  shape: readonly number[],
): StoredShape {
  const stored = checkpoint.names.get(fileName);
  if (stored === undefined) {
    throw new CheckpointError(
      `${checkpoint.source}: must hold tensor ${name} ${formatShape(shape)}, as config.json says, and does not. ` +
        "Do config.json and the weights belong together?",
    );
  }
  if (!sameShape(stored.shape, shape)) {
    throw new CheckpointError(
      `${checkpoint.source}: tensor ${fileName} must be ${formatShape(shape)}, as config.json says, got ${formatShape(stored.shape)}. ` +
        "Do config.json and the weights belong together?",
    );
  }
  return stored;
}

/**
 * Raw file elements as `target` stores them. Equal dtypes keep their bits.
 * @throws {CheckpointError} for a dtype that weights do not have
 */
export function convert(stored: StoredTensor, target: Dtype, name: string): StorageArray {
  const { dtype, data } = stored;
  if (dtype === "Q8") return target === "q8" ? data : toStorage(target, q8Numbers(stored));
  if (dtype === "F32" && data instanceof Float32Array) {
    return target === "f32" ? data : toStorage(target, data);
  }
  if (dtype === "F64" && data instanceof Float64Array) return toStorage(target, data);
  if ((dtype === "F16" || dtype === "BF16") && data instanceof Uint16Array) {
    if ((dtype === "F16" ? "f16" : "bf16") === target) return data;
    const widen = dtype === "F16" ? float16ToFloat32 : bfloat16ToFloat32;
    return toStorage(target, mapInto(new Float32Array(data.length), data, widen));
  }
  throw new CheckpointError(
    `${name}: weights must be F32, F16, BF16 or F64, got ${dtype}. Quantised checkpoints cannot be loaded.`,
  );
}

// Checkpoint to weights: dtypes, and what to do with tensors that are missing, of another shape, or unknown
// (docs/guide/hugging-face-semantics.md 1.1 to 1.3).

import type { StoredFloat } from "../kernels/storedFloats.ts";
import type { Device } from "../tensor/device.ts";
import { byteLength, type Dtype, type StorageArray, mapInto, toStorage } from "../tensor/dtype.ts";
import { CheckpointError } from "../tensor/errors.ts";
import { bfloat16ToFloat32, float16ToFloat32 } from "../tensor/half.ts";
import { formatShape, sameShape, sizeOf } from "../tensor/shape.ts";
import { Tensor } from "../tensor/tensor.ts";
import type { WeightFiles, StoredTensor } from "../model/weightFiles.ts";
import type { T5Config } from "./config.ts";
import { findEmbeddings } from "./embeddingNames.ts";
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
 * Reads every weight, one tensor in memory at a time besides the model itself.
 * @throws {CheckpointError} naming the tensor that is missing, has another shape, or another dtype
 */
export async function loadWeights(
  checkpoint: WeightFiles,
  config: T5Config,
  device: Device,
  dtype: StoredFloat,
): Promise<LoadedWeights> {
  checkVariant(checkpoint, config);
  const { names, own, tied } = await findEmbeddings(checkpoint, config);
  const parameters = new Map<string, Tensor>();
  const pending: { x: Tensor; fileName: string; target: Dtype }[] = [];
  try {
    const place: TensorSource = (name, shape) => {
      const fileName = names.get(name) ?? name;
      checkStored(checkpoint, fileName, name, shape);
      const target = storedDtype(name, dtype);
      const x = new Tensor(
        device.allocate(byteLength(target, sizeOf(shape))),
        shape,
        target,
        device,
      );
      x.requiresGrad = true;
      parameters.set(name, x);
      pending.push({ x, fileName, target });
      return x;
    };
    const weights = buildWeights(config, tied, place, own);
    for (const { x, fileName, target } of pending) {
      device.write(x.storage, target, convert(await checkpoint.read(fileName), target, fileName));
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

/** transformers keeps `wo` in f32 when it loads in float16: its outputs overflow (docs/guide/hugging-face-semantics.md 1.5). */
function storedDtype(name: string, dtype: StoredFloat): Dtype {
  return dtype === "f16" && name.endsWith(".wo.weight") ? "f32" : dtype;
}

function checkStored(
  checkpoint: WeightFiles,
  fileName: string,
  name: string,
  shape: readonly number[],
): void {
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
}

/**
 * Raw file elements as `target` stores them. Equal dtypes keep their bits.
 * @throws {CheckpointError} for a dtype that weights do not have
 */
export function convert(stored: StoredTensor, target: Dtype, name: string): StorageArray {
  const { dtype, data } = stored;
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

// autoFindBatchSize: a run that ran out of memory begins anew with half the batch, from the weights that it began with.

import { files } from "../tensor/files/files.ts";
import { byteLength } from "../tensor/dtype.ts";
import { OutOfMemoryError } from "../tensor/errors.ts";
import type { Tensor } from "../tensor/tensor.ts";
import { warn } from "../tensor/warnings.ts";
import { checkpointToResume } from "./checkpoint/rotation.ts";
import { parseObject } from "./trainerState.ts";
import type { TrainableModel } from "./trainableModel.ts";

type Stored = Awaited<ReturnType<Tensor["device"]["readStored"]>>;

/**
 * Runs `train` with smaller and smaller batches until one fits. Until then the trained weights are held twice, the second time by
 * this process.
 * @param batchSize rows that the first attempt takes
 * @param train gets the rows to take
 * @throws what `train` throws but for a lack of memory, and that too when one row does not fit
 */
export async function withFittingBatch<T>(
  model: TrainableModel,
  batchSize: number,
  train: (batchSize: number) => Promise<T>,
): Promise<T> {
  const before = await trainedWeights(model);
  for (let size = batchSize; ; size = Math.floor(size / 2)) {
    try {
      return await train(size);
    } catch (error) {
      const lack = (await model.device.recover?.()) ?? lackOfMemory(error);
      if (lack === null || size === 1) throw lack ?? error;
      for (const [x, values] of before) {
        // Where a lack of memory is told late, the weights may have moved to a storage that has none.
        if (x.device.recover) x.moveTo(x.device.allocate(byteLength(x.dtype, x.size)));
        x.device.write(x.storage, x.dtype, values);
      }
      warn(
        `autoFindBatchSize: a batch of ${size} does not fit, and the run begins anew with ${Math.floor(size / 2)} ` +
          `(${lack.message})`,
      );
    }
  }
}

/** Rows of a batch that the run took which wrote the checkpoint to resume; null without one. */
export async function batchSizeToResume(
  outputDir: string,
  resume: string | boolean | undefined,
): Promise<number | null> {
  const folder = await checkpointToResume(outputDir, resume);
  if (folder === null) return null;
  const path = `${folder}/trainer_state.json`;
  const text = await files.readText(path).catch(() => "{}"); // resuming says what is missing
  const { train_batch_size: size } = parseObject(text, path);
  return typeof size === "number" && Number.isInteger(size) && size >= 1 ? size : null;
}

async function trainedWeights(model: TrainableModel): Promise<ReadonlyMap<Tensor, Stored>> {
  const weights = new Map<Tensor, Stored>();
  for (const x of model.parameters().values()) {
    if (!x.requiresGrad) continue;
    weights.set(x, await x.device.readStored(x.storage, x.dtype, x.size));
  }
  return weights;
}

/** That memory ran out, however the error was wrapped on its way; null for another error. */
function lackOfMemory(error: unknown): OutOfMemoryError | null {
  if (error instanceof OutOfMemoryError) return error;
  return error instanceof Error && error.cause !== undefined ? lackOfMemory(error.cause) : null;
}

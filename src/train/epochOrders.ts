// The order of the rows in each epoch of a run (trainSamplingStrategy).

import type { TrainDataset } from "../data/batches.ts";
import { epochOrder, lengthGroupedOrder } from "../data/dataOrder.ts";
import { warn } from "../tensor/warnings.ts";
import type { TrainingArguments } from "./arguments/arguments.ts";
import { indexed, rowLengths } from "./lengths.ts";

/** Row numbers of an epoch, counted from 0; undefined for the rows' own order. */
export type EpochOrders = (epoch: number) => Uint32Array | undefined;

/** @throws {DatasetError} for rows whose lengths are not to be had */
export async function epochOrders(
  dataset: TrainDataset,
  args: TrainingArguments,
): Promise<EpochOrders> {
  const { trainSamplingStrategy: strategy, seed, dataSeed } = args;
  const rows = indexed(dataset);
  if (rows === null) {
    if (strategy === "group_by_length") {
      warn(
        'trainSamplingStrategy: "group_by_length" has no effect on a stream, whose rows come in their own order. ' +
          "Sort or shuffle the stream itself.",
      );
    }
    return () => undefined;
  }
  if (strategy === "sequential") return () => undefined;
  if (strategy === "random") return (epoch) => epochOrder(rows.length, dataSeed ?? seed, epoch);
  const lengths = await rowLengths(rows, args.lengthColumnName);
  const batchSize = args.perDeviceTrainBatchSize * args.gradientAccumulationSteps;
  return (epoch) => lengthGroupedOrder(lengths, batchSize, seed, epoch);
}

// The rows of training and evaluation that this rank sees, as batches.

import { evaluationRows, streamRows, trainingRows } from "../distributed/rankRows.ts";
import type { ProcessGroup } from "../distributed/processGroup.ts";
import { batches, isStream, type Collator, type TrainDataset } from "../data/batches.ts";
import type { Batch } from "../data/collate.ts";
import { epochOrder } from "../data/dataOrder.ts";
import type { TrainingArguments } from "./arguments/arguments.ts";

/**
 * A rank's batches of one epoch.
 * @param skip batches of this rank left out at the beginning; of rows by index only
 */
export function trainingBatches(
  dataset: TrainDataset,
  args: TrainingArguments,
  group: ProcessGroup,
  collate: Collator,
  { epoch, skip }: { readonly epoch: number; readonly skip: number },
): AsyncIterable<Batch> {
  const [batchSize, dropLast] = [args.perDeviceTrainBatchSize, args.dataloaderDropLast];
  if (isStream(dataset)) {
    const share = { batchSize, evenly: true, dropLast };
    const rows = group.size === 1 ? dataset : streamRows(dataset, share, group);
    return batches(rows, { batchSize, collate, dropLast });
  }
  const all = epochOrder(dataset.length, args.dataSeed ?? args.seed, epoch);
  const order = trainingRows(all, { batchSize, dropLast }, group);
  return batches(dataset, { batchSize, collate, dropLast, order, skip });
}

/** A rank's batches of an evaluation: every row is in one batch of one rank. */
export function evaluationBatches(
  dataset: TrainDataset,
  batchSize: number,
  group: ProcessGroup,
  collate: Collator,
): AsyncIterable<Batch> {
  if (group.size === 1) return batches(dataset, { batchSize, collate });
  if (isStream(dataset)) {
    const share = { batchSize, evenly: false, dropLast: false };
    return batches(streamRows(dataset, share, group), { batchSize, collate });
  }
  const order = evaluationRows(dataset.length, batchSize, group);
  return batches(dataset, { batchSize, collate, order });
}

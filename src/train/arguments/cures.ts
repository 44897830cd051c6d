// What to do instead, for values that transformers has and this Trainer has not.

import type { TrainingArguments } from "./fields.ts";

const TENSORBOARD = 'Write "tensorboard"';

const REPORTERS: ReadonlyMap<unknown, string> = new Map([
  ...[
    ...["azure_ml", "clearml", "codecarbon", "comet_ml", "dagshub", "dvclive", "flyte", "mlflow"],
    ...["neptune", "swanlab"],
  ].map((name) => [name, `Its client is for Python. ${TENSORBOARD}, or "jsonl".`] as const),
  [
    "wandb",
    `Weights & Biases has no client for JavaScript that logs without its server. ${TENSORBOARD}; "wandb sync FOLDER" reads the event files.`,
  ],
  [
    "trackio",
    `Trackio's database is written by Python alone. ${TENSORBOARD}; trackio.import_tf_events reads the event files.`,
  ],
]);

/** A sentence to follow "must be ..., got ..."; "" when there is none. */
export function cureOf(name: keyof TrainingArguments, value: unknown): string {
  if (name === "reportTo") {
    const known = [value].flat().find((each) => REPORTERS.has(each));
    return known === undefined ? "" : `. ${REPORTERS.get(known)!.replace(/\.$/, "")}`;
  }
  if (typeof value !== "string") return "";
  if (name === "optim" && value.startsWith("adamw")) {
    return '. "adamw_torch" is AdamW with moments of the weights\' dtype; no other form of it is there.';
  }
  if (name === "optim") return '. "adafactor" needs the least memory.';
  if (name === "trainSamplingStrategy" && value === "batch_rebalance") {
    return '. Batches are not balanced among devices; "group_by_length" saves padding.';
  }
  return "";
}

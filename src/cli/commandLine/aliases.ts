// Other names of flags: those of transformers' example scripts, and those that this program had before all commands named
// alike what is alike. --help does not list them.

/** Names without dashes in front, in one spelling. */
type Aliases = Readonly<Record<string, string>>;

const EVERYWHERE: Aliases = {
  "model-name-or-path": "model",
  "model-revision": "revision",
  "dataset-name": "dataset",
  "dataset-config-name": "dataset-config",
  "text-column": "source-column",
  "summary-column": "target-column",
  template: "prompt-template",
  "use-auth-token": "token",
};

const TRAINING: Aliases = {
  lr: "learning-rate",
  output: "output-dir",
  "batch-size": "per-device-train-batch-size",
  "overwrite-cache": "no-cache",
  "max-train-samples": "max-train-rows",
  "max-eval-samples": "max-eval-rows",
  "max-predict-samples": "rouge-rows",
};

const SUMMARIES: Aliases = {
  rows: "rouge-rows",
  "max-eval-samples": "rouge-rows",
  "max-predict-samples": "rouge-rows",
  "batch-size": "per-device-eval-batch-size",
};

const OF_COMMAND: Readonly<Record<string, Aliases>> = {
  train: { ...EVERYWHERE, ...TRAINING, "val-max-target-length": "generation-max-length" },
  reproduce: { ...EVERYWHERE, ...TRAINING },
  evaluate: { ...EVERYWHERE, ...SUMMARIES },
  summarize: { ...EVERYWHERE, ...SUMMARIES },
  info: EVERYWHERE,
};

/** The name that a flag of a command goes by: dashes for underscores, this program's own name for another one. */
export function canonicalName(command: string, name: string): string {
  const spelled = name.replaceAll("_", "-");
  return OF_COMMAND[command]?.[spelled] ?? spelled;
}

// What becomes of every field of transformers' Seq2SeqTrainingArguments (5.17), and of the names that version 4 had besides.

import { readFileSync } from "node:fs";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { toCamelCase, toSnakeCase } from "../../src/fields/names.ts";
import { ArgumentError } from "../../src/tensor/errors.ts";
import { setWarningHandler } from "../../src/tensor/warnings.ts";
import {
  trainingArguments,
  trainingDefaults,
  type TrainingArgumentsInput,
} from "../../src/train/arguments/arguments.ts";
import { OTHER_ARGUMENTS, type OtherArgument } from "../../src/train/arguments/otherArguments.ts";

const golden = JSON.parse(
  readFileSync(new URL("../golden/training-arguments.json", import.meta.url), "utf8"),
) as { readonly defaults: Readonly<Record<string, unknown>> };

const others: Readonly<Record<string, OtherArgument>> = OTHER_ARGUMENTS;
let warnings: string[] = [];
let before: ReturnType<typeof setWarningHandler>;
beforeEach(() => {
  warnings = [];
  before = setWarningHandler((text) => warnings.push(text));
});
afterEach(() => void setWarningHandler(before));

function take(input: Readonly<Record<string, unknown>>) {
  warnings = [];
  return trainingArguments(input as TrainingArgumentsInput);
}

/** What other arguments a value of a field cannot do without. */
const BESIDE: Readonly<Record<string, object>> = {
  loadBestModelAtEnd: { evalStrategy: "steps" },
  saveStrategy: { metricForBestModel: "loss" },
  lrSchedulerType: { evalStrategy: "epoch" },
};

/** A name, values that are taken, and values that are refused; null is refused nowhere where Python has None. */
const FIELDS: readonly (readonly [string, readonly unknown[], readonly unknown[]])[] = [
  ["output_dir", ["out", null], ["", 3]],
  ["per_device_train_batch_size", [1, 64], [0, 1.5, "8", true]],
  ["num_train_epochs", [3, 0.5], [0, -1, "3"]],
  ["max_steps", [-1, 10], [0, 1.5, "10"]],
  ["learning_rate", [0, 5e-5, 3], [-1, "5e-5", NaN]],
  [
    "lr_scheduler_type",
    [
      ...["linear", "cosine", "cosine_with_restarts", "polynomial", "constant"],
      ...["constant_with_warmup", "inverse_sqrt", "cosine_with_min_lr"],
      ...["cosine_warmup_with_min_lr", "warmup_stable_decay", "reduce_lr_on_plateau", "greedy"],
    ],
    ["triangular", 1],
  ],
  ["lr_scheduler_kwargs", [null, { num_cycles: 2 }, '{"numCycles": 2}'], ["x", 3, [1]]],
  ["warmup_steps", [0, 100, 0.1], [-1, 1.5]],
  [
    "optim",
    ["adamw_torch", "adamw_torch_fused", "adafactor"],
    ["adamw_bnb_8bit", "sgd", "lion_32bit", 1],
  ],
  ["optim_args", [null, "beta1=0.9"], [3, ""]],
  ["weight_decay", [0, 0.01], [-1, "0.1"]],
  ["adam_beta1", [0, 0.9], [1, -1]],
  ["adam_beta2", [0, 0.999], [1]],
  ["adam_epsilon", [1e-8], [0]],
  ["optim_target_modules", [null, []], ["all-linear", ["q"], 1]],
  ["gradient_accumulation_steps", [1, 4], [0, "2"]],
  ["average_tokens_across_devices", [true, false], ["yes"]],
  ["max_grad_norm", [0, 1], [-1]],
  ["label_smoothing_factor", [0, 0.1], [1]],
  ["bf16", [true, false], [1, "true"]],
  ["fp16", [true, false], [1]],
  ["bf16_full_eval", [false], [true, 1]],
  ["fp16_full_eval", [false], [true]],
  ["tf32", [null, true, false], ["high"]],
  ["gradient_checkpointing", [true, false], [1]],
  [
    "gradient_checkpointing_kwargs",
    [null, {}, { use_reentrant: false }, { useReentrant: true }],
    [{ every_n_layers: 2 }, { offload: true }, 3],
  ],
  ["torch_compile", [true, false], ["yes"]],
  ["torch_compile_backend", [null, "inductor"], [1]],
  ["torch_compile_mode", [null, "max-autotune"], [1]],
  ["use_liger_kernel", [true, false], [1]],
  ["liger_kernel_config", [null, { rope: true }], [1]],
  ["use_cache", [true, false], [1]],
  ["neftune_noise_alpha", [null, 5], [0, "5"]],
  ["torch_empty_cache_steps", [null, 4], [0]],
  ["auto_find_batch_size", [true, false], [1]],
  ["logging_strategy", ["no", "steps", "epoch"], ["never", 1]],
  ["logging_steps", [1, 0.1, 500], [0, 1.5]],
  ["logging_first_step", [true, false], [1]],
  ["log_on_each_node", [true, false], [1]],
  ["logging_nan_inf_filter", [true, false], [1]],
  ["include_num_input_tokens_seen", ["no", "all", "non_padding", true, false], ["some", 1]],
  ["log_level", ["passive", "warning"], [1]],
  ["log_level_replica", ["warning"], [1]],
  ["disable_tqdm", [true, false, null], [1]],
  ["report_to", ["none", "all"], ["mlflow", 1]],
  ["run_name", [null], [1]],
  ["project", ["huggingface"], ["mine", 1]],
  ["trackio_space_id", [null], ["me/space", 1]],
  ["trackio_bucket_id", [null], ["me/bucket"]],
  ["trackio_static_space_id", [null, false], ["me/space", 1]],
  ["eval_strategy", ["no", "steps", "epoch"], ["never"]],
  ["eval_steps", [null, 5, 0.2], [0]],
  ["eval_delay", [0, 2.5], [-1]],
  ["per_device_eval_batch_size", [1, 64], [0, 1.5]],
  ["prediction_loss_only", [true, false], [1]],
  ["eval_on_start", [true, false], [1]],
  ["eval_do_concat_batches", [true], [false, 1]],
  ["eval_use_gather_object", [true, false], [1]],
  ["eval_accumulation_steps", [null, 4], [0]],
  ["include_for_metrics", [[], null], [["inputs"], ["loss"], "inputs"]],
  ["batch_eval_metrics", [false], [true, 1]],
  ["save_only_model", [true, false], [1]],
  ["save_strategy", ["no", "steps", "epoch", "best"], ["always"]],
  ["save_steps", [1, 0.5], [0]],
  ["save_on_each_node", [true, false], [1]],
  ["save_total_limit", [null, 1], [0]],
  ["enable_jit_checkpoint", [true, false], [1]],
  ["push_to_hub", [false, true], [1]],
  ["hub_token", [null, "hf_x"], [1]],
  ["hub_private_repo", [null, false, true], [1]],
  ["hub_model_id", [null, "org/name"], [1]],
  ["hub_strategy", ["end", "every_save", "checkpoint", "all_checkpoints"], [1, "never"]],
  ["hub_always_push", [false, true], [1]],
  ["hub_revision", [null, "main"], [1]],
  ["load_best_model_at_end", [true, false], [1]],
  ["metric_for_best_model", [null, "rouge1", "eval_loss"], ["", 1]],
  ["greater_is_better", [null, true, false], [1]],
  ["ignore_data_skip", [true, false], [1]],
  ["restore_callback_states_from_checkpoint", [true, false], [1]],
  ["full_determinism", [true, false], [1]],
  ["seed", [0, 42], [-1, 1.5]],
  ["data_seed", [null, 7], [-1]],
  ["use_cpu", [true, false], [1]],
  [
    "accelerator_config",
    [null, {}, { split_batches: false, use_seedable_sampler: true }],
    ["config.json", { split_batches: true }, { use_seedable_sampler: false }],
  ],
  ["parallelism_config", [null], [{ tp_size: 2 }]],
  ["dataloader_drop_last", [true, false], [1]],
  ["dataloader_num_workers", [0, 8], [-1, "4"]],
  ["dataloader_pin_memory", [true, false], [1]],
  ["dataloader_persistent_workers", [true, false], [1]],
  ["dataloader_prefetch_factor", [null, 2], [-1]],
  ["dataloader_multiprocessing_context", [null, "spawn"], [1]],
  ["dataloader_in_order", [true, false], [1]],
  ["remove_unused_columns", [true, false], [1]],
  ["label_names", [null, ["labels"], []], [["start_positions"], "labels", 1]],
  ["train_sampling_strategy", ["random", "sequential", "group_by_length"], ["batch_rebalance", 1]],
  ["length_column_name", ["length"], ["", 1]],
  ["ddp_find_unused_parameters", [null, true, false], [1]],
  ["ddp_bucket_cap_mb", [null, 25], [-1]],
  ["ddp_broadcast_buffers", [null, true, false], [1]],
  ["ddp_static_graph", [null, true], [1]],
  ["ddp_backend", [null, "nccl"], [1]],
  ["ddp_timeout", [1800], [-1]],
  ["fsdp", [null, false, "", []], [true, "full_shard", ["full_shard"], 1]],
  [
    "fsdp_config",
    [null, {}, { min_num_params: 0, xla: false }],
    ["fsdp.json", { fsdp_transformer_layer_cls_to_wrap: ["T5Block"] }],
  ],
  ["deepspeed", [null, ""], ["ds.json", { zero_optimization: {} }, 1]],
  ["debug", [null, "", []], ["underflow_overflow", ["tpu_metrics_debug"], 1]],
  ["skip_memory_metrics", [true, false], [1]],
  ["do_train", [true, false], [1]],
  ["do_eval", [true, false], [1]],
  ["do_predict", [true, false], [1]],
  ["resume_from_checkpoint", [null, "out/checkpoint-2", true, false], ["", 1]],
  ["local_rank", [-1, 0], ["0"]],
  ["sortish_sampler", [false], [true, 1]],
  ["predict_with_generate", [true, false], [1]],
  ["generation_max_length", [null, 20], [1]],
  ["generation_num_beams", [null, 4], [0]],
  ["generation_config", [null, "folder", { numBeams: 2 }, { num_beams: 2 }], ["", 1, [1]]],
];

/** Fields that transformers has not. */
const OWN = ["packBatches"];

/** A token is not among the entries, so that no log or file shows it. */
const SHOWN = Object.keys(trainingDefaults).filter((name) => name !== "hubToken");

describe("Seq2SeqTrainingArguments", () => {
  it("has 117 fields, each of which is had, or in the table with what becomes of it, and not both", () => {
    const names = Object.keys(golden.defaults);
    expect(names).toHaveLength(117);
    expect(FIELDS.map(([name]) => name).sort()).toEqual([...names].sort());
    for (const name of names.map(toCamelCase)) {
      const places = [trainingDefaults, others].filter((table) => Object.hasOwn(table, name));
      expect(places, name).toHaveLength(1);
    }
    for (const name of Object.keys(trainingDefaults)) {
      if (["warmupRatio", "loggingDir", ...OWN].includes(name)) continue; // of version 4
      expect(names).toContain(toSnakeCase(name));
    }
  });

  it("takes every default of transformers", () => {
    const { report_to, optim, ...defaults } = golden.defaults;
    const input = Object.entries(defaults).map(([name, value]) => [toCamelCase(name), value]);
    expect(take(Object.fromEntries(input))).toEqual(trainingArguments());
    expect([report_to, optim]).toEqual(["none", "adamw_torch_fused"]);
  });

  it.each(FIELDS)("%s takes what it can be and refuses the rest", (name, taken, refused) => {
    const own = toCamelCase(name);
    const give = (value: unknown) => take({ ...BESIDE[own], [own]: value });
    for (const value of taken) {
      const args = give(value);
      if (others[own] === undefined || value === null) expect(warnings, name).toEqual([]);
      else {
        expect(warnings, `${name} ${JSON.stringify(value)}`).toHaveLength(1);
        expect(warnings[0]).toContain(`without effect here: ${own} `);
      }
      expect(Object.keys(args)).toEqual(SHOWN);
    }
    for (const value of refused) {
      expect(() => give(value), `${name} ${JSON.stringify(value)}`).toThrow(ArgumentError);
      expect(() => give(value)).toThrow(new RegExp(`^${own}: must be `));
    }
    expect(taken.length + refused.length).toBeGreaterThan(1);
  });
});

describe("names of version 4", () => {
  it.each([
    [{ evaluationStrategy: "steps" }, { evalStrategy: "steps" }],
    [{ groupByLength: true }, { trainSamplingStrategy: "group_by_length" }],
    [{ groupByLength: false }, { trainSamplingStrategy: "random" }],
    [{ noCuda: true }, { useCpu: true }],
    [{ adafactor: true }, { optim: "adafactor" }],
    [{ perGpuTrainBatchSize: 3 }, { perDeviceTrainBatchSize: 3 }],
    [{ labelSmoothing: 0.2 }, { labelSmoothingFactor: 0.2 }],
    [{ includeTokensPerSecond: true }, { includeNumInputTokensSeen: "all" }],
    [{ warmupRatio: 0.1 }, { warmupRatio: 0.1 }],
  ])("%j stands for %j", (input, expected) => {
    expect(take(input)).toMatchObject(expected);
    expect(warnings).toEqual([]);
  });

  it("may stand beside the new name with the same value, and with no other", () => {
    expect(take({ evaluationStrategy: "steps", evalStrategy: "steps" }).evalStrategy).toBe("steps");
    expect(() => take({ evaluationStrategy: "steps", evalStrategy: "epoch" })).toThrow(
      'evaluationStrategy: must not contradict evalStrategy, of which it is another name, got "steps" and "epoch". Leave one out.',
    );
    expect(() => take({ labelSmoothing: 2 })).toThrow(/^labelSmoothingFactor: must be/);
  });

  it.each([
    [{ overwriteOutputDir: true, fp16OptLevel: "O1" }, 2],
    [{ dataloaderNumWorkers: 4, dataloaderPinMemory: true, pushToHub: false }, 1],
  ])("%j gets a line for each reason", (input, lines) => {
    take(input);
    expect(warnings).toHaveLength(lines);
  });

  it.each([
    [
      { saveSafetensors: false },
      "saveSafetensors: must be left out, for weights are written as safetensors, got false.",
    ],
    [{ pastIndex: 1 }, "pastIndex: must be left out, for T5 has no memory between batches, got 1."],
    [
      { shardedDdp: "simple" },
      'shardedDdp: must be left out, for weights, gradients and optimizer states are whole on their device, got "simple".',
    ],
  ])("%j is refused with its reason", (input, message) => {
    expect(() => take(input)).toThrow(message);
  });
});

it("docs/guide/arguments.md lists every name with what becomes of it", () => {
  const page = readFileSync(new URL("../../docs/guide/arguments.md", import.meta.url), "utf8");
  const listed = [...page.matchAll(/^\| `(\w+)` +\| ([a-z ]+?) +\| (.*?) +\|$/gm)];
  const WORDS = { ignored: "taken", refused: "refused", renamed: "other name" };
  const expected = [
    ...Object.keys(trainingDefaults).map((name) => [name, OWN.includes(name) ? "own" : "had"]),
    ...Object.entries(others).map(([name, { fate }]) => [name, WORDS[fate]]),
  ];
  const rows = listed.map(([, name, word]) => [name, word]);
  expect(rows.sort()).toEqual(expected.sort());
  for (const [, name, word, reason] of listed) {
    const row = others[name!];
    if (row !== undefined && row.fate !== "renamed") expect(reason, name).toBe(row.because);
    else expect(reason!.length > 0, name).toBe(word !== "had");
  }
});

import { describe, expect, it } from "vitest";
import { didYouMean, nearestName, toSnakeCase } from "../../src/fields/names.ts";
import { LORA_FIELDS } from "../../src/t5/lora/configRules.ts";
import { trainingDefaults } from "../../src/train/arguments/fields.ts";

const training = Object.keys(trainingDefaults);

describe("nearestName", () => {
  it.each([
    ["learningrate", "learningRate"],
    ["learning_rate", "learningRate"],
    ["LearningRate", "learningRate"],
    ["learnigRate", "learningRate"],
    ["warmupStep", "warmupSteps"],
    ["warmup_ration", "warmupRatio"],
    ["numTrainEpoch", "numTrainEpochs"],
    ["perDeviceBatchSize", "perDeviceEvalBatchSize"],
    ["evaluationStrategy", "evalStrategy"],
    ["gradient_checkpoint", "gradientCheckpointing"],
    ["sead", "seed"],
    ["fp61", undefined],
  ])("of %s is %s", (name, meant) => {
    expect(nearestName(name, training)).toBe(meant);
  });

  it.each([
    ...["lr", "torchCompile", "useCache", "optimTargetModules"],
    ...["resumeEverything", "toString", "x", "", "wandb", "tokenizer"],
  ])("is undefined for %j, which is another word", (name) => {
    expect(nearestName(name, training)).toBeUndefined();
  });

  it("takes peft's keys for LoraConfig's names", () => {
    for (const [name, { key }] of Object.entries(LORA_FIELDS))
      expect(nearestName(key, Object.keys(LORA_FIELDS))).toBe(name);
    expect(nearestName("lr", Object.keys(LORA_FIELDS))).toBeUndefined();
  });

  it("is the nearest of several that would do", () => {
    expect(nearestName("topk", ["topP", "topK"])).toBe("topK");
  });
});

describe("didYouMean", () => {
  it("names what was meant, or else everything there is", () => {
    expect(didYouMean("top_k", ["topK", "topP"])).toBe("Did you mean topK?");
    expect(didYouMean("beams", ["topK", "topP"])).toBe("Known: topK, topP.");
  });
});

describe("toSnakeCase", () => {
  it.each([
    ["isWorldProcessZero", "is_world_process_zero"],
    ["adamBeta1", "adam_beta1"],
    ["fp16", "fp16"],
  ])("makes %s %s", (name, key) => {
    expect(toSnakeCase(name)).toBe(key);
  });
});

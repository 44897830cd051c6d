// What one version exported, the next one exports, too: a name changes by adding the new one and keeping the old one,
// deprecated, for one version. The lists are frozen; only a name whose version of grace is over may leave them.

import { describe, expect, it } from "vitest";
import * as gradloom from "../../src/index.ts";
import * as browser from "../../src/browser.ts";
import { dot, matmul, noGrad, openDevice, tensor, toGraphviz } from "../../src/index.ts";
import { readSource } from "../support/sources.ts";

const words = (text: string): string[] => text.trim().split(/\s+/);

const VALUES_OF_0_1_0 = words(`
  ArgumentError AutogradError CheckpointError ConfigError DatasetError DeviceError DeviceLostError
  DisposedError DtypeError EarlyStoppingCallback Generator GradloomError HubError KernelError LoraConfig
  MissingKernelError OutOfMemoryError SafetensorsError Scope ShapeError T5Config
  T5ForConditionalGeneration Tensor Tokenizer TokenizerError Trainer add addLora addScalar argmax attention
  backward broadcastTo cast checkpoint concat crossEntropy div dot dropout dropoutAdd embedding enableGrad
  exp full gatedGelu gatherRows gelu gradcheck invariant isGradEnabled keep loadDataset loadLora log
  logSoftmax matmul mean mergeLora mul mulScalar neg nextTokenProbabilities noGrad openDevice
  openSafetensors permute preprocess preprocessCached readSafetensors relativePositionBias relu removeLora
  reshape rmsNorm rouge rougeMetrics rougeScores roundTo saveLora scope seq2seqCollate shuffle silu slice
  softmax sqrt streamDataset sub sum tanh tensor tokenizedStream topk transpose unmergeLora
  writeSafetensors zeros`);

/** These read folders, so pages never had them. */
const NODE_ONLY = words("loadDataset preprocessCached streamDataset");

describe("values of 0.1.0", () => {
  it.each(VALUES_OF_0_1_0)("%s is still exported", (name) => {
    expect(Object.keys(gradloom)).toContain(name);
    if (!NODE_ONLY.includes(name)) expect(Object.keys(browser)).toContain(name);
  });
});

describe("names that changed", () => {
  it("dot draws what toGraphviz draws, and says that it is deprecated", async () => {
    const device = await openDevice("cpu");
    const x = tensor([1, 2], [1, 2], { device, requiresGrad: true });
    const y = matmul(x, x, { transposeB: true });
    expect(dot(y)).toBe(toGraphviz(y));
    expect(dot(y)).toContain("matmul");
    expect(noGrad(() => dot(y))).toContain("leaf [1, 2]");
    expect(readSource("src/autograd/tape.ts")).toMatch(
      /@deprecated[^\n]*\n \*\/\nexport function dot/,
    );
    await device.close();
  });

  it("no launcher's own name is public", () => {
    const launchers = Object.keys(gradloom).filter((name) =>
      /(Forward|Backward|Into|InPlace)$/.test(name),
    );
    expect(launchers).toEqual([]);
  });
});

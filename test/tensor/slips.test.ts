// What programs without types, or with a cast too many, pass: an error of this library names what must hold, not a TypeError
// of whatever line came first.

import { afterAll, beforeAll, describe, expect, it } from "vitest";
import * as gradloom from "../../src/index.ts";
import { GradloomError, openDevice, type Device, type Tensor } from "../../src/index.ts";

// As JavaScript sees it.
// eslint-disable-next-line @typescript-eslint/no-explicit-any
const gl = gradloom as any;

let device: Device;
let x: Tensor;
beforeAll(async () => {
  device = await openDevice("cpu");
  x = gradloom.ones([2, 2], { device });
});
afterAll(() => device.close());

const slips: readonly (readonly [string, () => unknown, string])[] = [
  [
    "no options",
    () => gl.tensor([1], [1]),
    "tensor: needs a device, got none. Pass { device: await openDevice(",
  ],
  ["options for the shape", () => gl.tensor([1], { device }), "tensor: needs a device, got none."],
  ["a device's name", () => gl.tensor([1], [1], { device: "cpu" }), 'needs a device, got "cpu".'],
  ["a forgotten await", () => gl.ones([1], { device: Promise.resolve(device) }), "got a promise."],
  ["zeros without options", () => gl.zeros([2]), "zeros: needs a device, got none."],
  ["randn without options", () => gl.randn([2]), "randn: needs a device, got none."],
  ["arange without options", () => gl.arange(3), "arange: needs a device"],
  [
    "a number for a shape",
    () => gl.zeros(2, { device }),
    "the shape must be an array as [2, 3], got 2",
  ],
  ["a number for a shape", () => gl.tensor([1], 1, { device }), "the shape must be an array"],
  ["a number for a shape", () => gl.full(2, 1, { device }), "full: the shape must be an array"],
  ["a number for a shape", () => gl.reshape(x, 4), "reshape: the shape must be an array"],
  [
    "texts",
    () => gl.tensor(["a"], [1], { device }),
    'data must be numbers, a typed array or arrays of numbers, got "a"',
  ],
  ["a text", () => gl.tensor("a", [1], { device }), 'got "a"'],
  ["nothing", () => gl.tensor(undefined, [1], { device }), "got undefined"],
  [
    "torch's name of a dtype",
    () => gl.tensor([1], [1], { device, dtype: "float32" }),
    "dtype must be f32, f16, bf16, q8, i32, u32, bool, f64, got float32",
  ],
  [
    "a number for a tensor",
    () => gl.add(x, 1),
    "add: b must be a tensor, got 1. For a number use addScalar() or mulScalar().",
  ],
  [
    "a tensor for a number",
    () => gl.mulScalar(x, x),
    "mulScalar: s must be a number, got a tensor. For a tensor use mul().",
  ],
  ["one operand", () => gl.matmul(x), "matmul: b must be a tensor, got undefined."],
  [
    "an array",
    () => gl.softmax([1, 2]),
    "softmax: x must be a tensor, got an array. Make one with tensor(...).",
  ],
  [
    "a promise",
    () => gl.relu(Promise.resolve(x)),
    "relu: x must be a tensor, got a promise. Await it.",
  ],
  ["ids in an array", () => gl.embedding(x, [0]), "embedding: ids must be a tensor, got an array."],
  [
    "labels in an array",
    () => gl.crossEntropy(x, [0, 1]),
    "crossEntropy: labels must be a tensor, got an array.",
  ],
  ["an axis", () => gl.sum(x, 0), "sum: axes must be an array as [0, -1], got 0"],
  [
    "no options of attention",
    () =>
      gl.attention(gl.reshape(x, [1, 2, 2]), gl.reshape(x, [1, 2, 2]), gl.reshape(x, [1, 2, 2])),
    "heads must be",
  ],
  [
    "no loss",
    () => gl.backward(),
    "backward: output must be a tensor, got undefined. Pass the loss.",
  ],
  ["nothing to assign to", () => gl.assign(), "assign: target must be a tensor"],
  [
    "a result for a function",
    () => gl.scope(x),
    "scope: must be given a function, got object. Write scope(() => ...).",
  ],
  [
    "a result for a function",
    () => gl.noGrad(),
    "noGrad: must be given a function, got undefined.",
  ],
  [
    "a model for parameters",
    () => new gl.AdamW({}),
    "AdamW: parameters must be an array of tensors or a Map, got object. Pass model.parameters().",
  ],
  [
    "no gradients",
    () => gl.clipGradNorm(),
    "clipGradNorm: gradients must be an array or a Map, got undefined.",
  ],
  [
    "a tensor for a function",
    () => gl.checkpoint(x),
    "checkpoint: fn must be a function of the inputs, got an object.",
  ],
  [
    "inputs without an array",
    () => gl.checkpoint(gl.relu, x),
    "checkpoint: inputs must be an array of tensors",
  ],
  [
    "torch's name of a dtype",
    () => gl.cast(x, "float16"),
    "cast: dtype must be one of f32, f16, bf16,",
  ],
  [
    "no model",
    () => new gl.Trainer(),
    "Trainer: options must hold a model with forward(), got undefined.",
  ],
  [
    "a model for the options",
    () => new gl.Trainer({ forward: 1 }),
    "Trainer: options must hold a model",
  ],
  ["no config", () => gl.T5Config.fromJSON(), "T5Config: config must be an object, got undefined."],
  ["no parameter", () => new gl.AdamW([undefined]), "AdamW: 0 must be a tensor, got undefined."],
];

describe("a slip", () => {
  it.each(slips)("%s is named (%#)", (_, act, message) => {
    let thrown: unknown;
    try {
      act();
    } catch (error) {
      thrown = error;
    }
    expect(thrown).toBeInstanceOf(GradloomError);
    expect((thrown as Error).message).toContain(message);
  });

  it.each([
    [
      "loadDataset()",
      () => gl.loadDataset(),
      "loadDataset: source must be the path of a folder or a Hub id, got undefined",
    ],
    [
      "an unknown option",
      () => gl.loadDataset("examples/data", { maxRow: 3 }),
      "every option must be known, got maxRow. Did you mean maxRows?",
    ],
    ["preprocess()", () => gl.preprocess(), "preprocess: dataset must hold rows, got undefined."],
    [
      "rows without a split",
      () => gl.preprocess([{ dialogue: "a" }], {}),
      "preprocess: dataset must hold rows, got an array.",
    ],
    [
      "no tokenizer",
      () => gl.Tokenizer.fromPretrained(),
      "fromPretrained: source must be a folder, a Hub id or a Map of files",
    ],
    [
      "gradcheck of a tensor",
      () => gl.gradcheck(x),
      "gradcheck: fn must be a function of the inputs, got an object.",
    ],
  ] as const)("%s is named", async (_, act, message) => {
    await expect(act()).rejects.toThrow(message);
  });

  it("a text for ids is named", async () => {
    const tokenizer = await gradloom.Tokenizer.fromPretrained("examples/model");
    expect(() => gl.Tokenizer.prototype.decode.call(tokenizer)).toThrow(
      "decode: ids must be an array",
    );
  });

  it.each([undefined, {}, { device: "cpu" }])(
    "fromPretrained(folder, %j) is named",
    async (options) => {
      const load = gl.T5ForConditionalGeneration.fromPretrained("examples/model", options);
      await expect(load).rejects.toThrow(
        /^fromPretrained: needs a device, got (none|"cpu")\. Pass/,
      );
    },
  );
});

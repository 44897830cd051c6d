// What TypeScript sees of the package: each type that a public signature names can be imported, each export says what it is,
// and a program with strict settings compiles against the declarations as the build emits them.

import ts from "typescript";
import { beforeAll, describe, expect, it } from "vitest";
import { complaints, emitDeclarations, programOver } from "../support/declarations.ts";
import { isFull } from "../support/full.ts";
import { publicTypes, type PublicTypes } from "../support/publicTypes.ts";

const strict: ts.CompilerOptions = {
  strict: true,
  declaration: true,
  skipLibCheck: false,
  exactOptionalPropertyTypes: true,
  target: ts.ScriptTarget.ES2022,
  types: [],
};
const nodenext = {
  ...strict,
  module: ts.ModuleKind.NodeNext,
  moduleResolution: ts.ModuleResolutionKind.NodeNext,
};
const bundler = {
  ...strict,
  module: ts.ModuleKind.ESNext,
  moduleResolution: ts.ModuleResolutionKind.Bundler,
};
/** CommonJS projects of before `exports`: they read `main` and `types`. */
const node10 = {
  ...strict,
  module: ts.ModuleKind.CommonJS,
  moduleResolution: ts.ModuleResolutionKind.Node10,
};

const TYPES_OF_0_1_0 =
  `AttentionOptions Columns ComputeMetrics Dataset DatasetDict Device DeviceKind DeviceOptions DownloadProgress Dtype
  EvalPrediction ForwardInputs ForwardOutputs GenerationOptions GradcheckOptions HubFailure HubOptions LoadDatasetOptions
  LoraOptions MemoryStats ModelSource PretrainedOptions RougeScore Row SafetensorsFile TensorOptions TrainerCallback
  TrainerOptions`.split(/\s+/);

/** A library over gradloom whose functions leave their result types to inference, and callbacks of every form. */
const consumer = `
import { Tokenizer, Trainer, T5ForConditionalGeneration, preprocess } from "gradloom";
import type {
  CallbackInfo, Dataset, GenerationOptions, Tensor, TrainerCallback, TrainerControl, TrainerState, TrainingArguments,
} from "gradloom";

export const encode = (tokenizer: Tokenizer, text: string) => tokenizer.encode(text);
export const examples = (rows: Dataset, tokenizer: Tokenizer) => preprocess(rows, tokenizer);
export const train = (trainer: Trainer) => trainer.train();
export const state = (trainer: Trainer) => trainer.state;
export const shape = (x: Tensor) => x.shape;
export const data = (x: Tensor) => x.data();
export const scored = (model: T5ForConditionalGeneration, inputIds: number[][]) =>
  model.generate({ inputIds }, { returnDictInGenerate: true });

export class Progress implements TrainerCallback {
  onLog(args: TrainingArguments, state: TrainerState, control: TrainerControl, { logs }: CallbackInfo) {
    if ((logs?.["loss"] ?? 1) < args.learningRate * state.globalStep) control.shouldTrainingStop = true;
  }
}

const losses: number[] = [];
export const push: TrainerCallback = {
  onLog: (_args, _state, _control, { logs }) => losses.push(logs?.["loss"] ?? 0),
  onStepEnd: async () => losses.length,
};
export const print = (write: (text: string) => boolean): GenerationOptions => ({
  streamer: (tokens) => write(tokens.join()),
});
export const stream = (write: (text: string) => boolean): GenerationOptions => ({
  streamer: { put: (tokens) => write(tokens.join()), end: () => write("") },
});
`;

let files: Map<string, string>;
beforeAll(() => {
  files = emitDeclarations();
});

describe("the entry's declarations", () => {
  let types: PublicTypes;
  beforeAll(() => {
    const { program, root } = programOver(files, nodenext);
    types = publicTypes(program, root);
  });

  it("export each type that they name", () => {
    expect(types.hidden).toEqual([]);
  });

  it("say of each export what it is", () => {
    expect(types.undocumented).toEqual([]);
  });

  it("have the types of 0.1.0 still", () => {
    expect(types.exported).toEqual(expect.arrayContaining(TYPES_OF_0_1_0));
  });

  it("hide what is marked @internal", () => {
    const internal = [...files].filter(([, text]) => text.includes("@internal"));
    expect(internal.map(([path]) => path)).toEqual([]);
  });
});

describe("a strict program", () => {
  const projects = [
    ["nodenext", nodenext],
    ["bundler", bundler],
    ["node10", node10],
  ] as const;

  it.each(isFull ? projects : projects.slice(0, 1))(
    "with moduleResolution %s compiles to declarations of its own",
    (_, options) => {
      expect(complaints(programOver(files, options, consumer).program)).toEqual([]);
    },
  );

  it("cannot reach a tensor's storage", () => {
    const text = `import type { Tensor } from "gradloom"; export const f = (x: Tensor) => x.storage;`;
    expect(complaints(programOver(files, nodenext, text).program)).toEqual([
      "consumer.ts:1: Property 'storage' does not exist on type 'Tensor'.",
    ]);
  });
});

describe("publicTypes", () => {
  it("follows signatures, heritage and other types to what is not exported", () => {
    const [packageJson] = files.keys();
    const dist = packageJson!.replace("package.json", "dist");
    const { program, root } = programOver(
      new Map([
        [`${dist}/index.d.ts`, `export { f, /** G. */ type G } from "./f.js";`],
        [
          `${dist}/f.d.ts`,
          `interface Far { n: number }
           interface Near { far: readonly Far[] }
           interface Base {}
           interface Unused {}
           /** f. */
           export declare function f<T>(x: T): Promise<Near>;
           export interface G extends Base {}
           export {};`,
        ],
      ]),
      nodenext,
    );
    const { hidden, undocumented } = publicTypes(program, root);
    expect(hidden).toEqual(["Base (f.d.ts)", "Far (f.d.ts)", "Near (f.d.ts)"]);
    expect(undocumented).toEqual(["G"]);
  });
});

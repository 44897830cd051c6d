// T5ForConditionalGeneration: the network with its files, its parameters by name, and generation.

import { checkDevice, type Device } from "../tensor/device.ts";
import { Generator, normalArray } from "../tensor/philox.ts";
import { sizeOf } from "../tensor/shape.ts";
import { keep } from "../tensor/scope.ts";
import { tensor, type Tensor } from "../tensor/tensor.ts";
import { openWeightFiles } from "../model/weightFiles.ts";
import { T5Config } from "./config.ts";
import { openSession } from "./generation/decoderSession.ts";
import { encoderRows } from "./generation/encoderRows.ts";
import { checkEncoderInputs, checkInputs, type EncoderInputs } from "./inputs.ts";
import { GenerationConfig } from "./generationConfig.ts";
import { runGeneration, type GenerationResult } from "../generation/generate.ts";
import { runMany, type GenerateManyOptions } from "../generation/generateMany.ts";
import type { GenerationOptions } from "../generation/options.ts";
import type { GenerationTask, SessionSize } from "../generation/session.ts";
import type { HubOptions } from "../hub/options.ts";
import type { PushOptions, PushResult } from "../hub/push.ts";
import { loadWeights } from "./loadWeights.ts";
import { disposeLora, isMerged, loraParameters } from "./lora/adapter.ts";
import { ADAPTER_WEIGHTS } from "../model/adapterFileNames.ts";
import type { AttachedLora } from "./lora/loraModel.ts";
import { adapterTensors } from "./lora/adapterTensors.ts";
import { loraFiles, findAdapter, openLora, readLora, type OpenLora } from "./lora/files.ts";
import type { ModelSource } from "../model/modelFolder.ts";
import { T5Network } from "./network.ts";
import { locateModel } from "../model/pretrained.ts";
import {
  parseWeightDtype,
  torchDtype,
  type TorchDtype,
  type WeightDtype,
} from "../model/weightDtype.ts";
import { checkQuantizationConfig, QUANTIZATION_CONFIG } from "../model/quantized.ts";
import { toBlobs, writeFiles, type SavedFiles } from "../model/savedFiles.ts";
import { buildWeights, type Linear, type T5Weights } from "./weights.ts";

/** How `T5ForConditionalGeneration.fromPretrained` loads a model; `device` is required. */
export interface PretrainedOptions extends HubOptions {
  readonly device: Device;
  /**
   * How weights are stored, in either spelling; "f32" whatever config.json says, but for a model that was saved in int8.
   * Arithmetic is f32 in any case. "int8" stores matrices in 8 bits with a scale for every 32 numbers of a row, all but `wo`;
   * the rest stays as the file has it. Such a model is frozen: it generates, and trains adapters (`addLora`).
   */
  readonly dtype?: WeightDtype | undefined;
  /** Overrides of config.json, by its own keys: `{ dropout_rate: 0 }`. */
  readonly config?: Readonly<Record<string, unknown>>;
  /** Folder, Hub id or files of a LoRA adapter for this model; see `loadLora`. */
  readonly adapter?: ModelSource | undefined;
}

/**
 * A T5, FLAN-T5, mT5 or UMT5 model (`config.modelType` says which) with its language modelling head, by transformers'
 * name: load it with `fromPretrained`, make one with random weights with `fromConfig`, write with `generate`, train with
 * `Trainer` or with `forward` and `backward`.
 */
export class T5ForConditionalGeneration extends T5Network {
  /** Tensors that the checkpoint held and the model does not have; a warning named them. */
  readonly unusedTensors: readonly string[];
  /** The folder or Hub id that the model was loaded from; adapters name it as their base. */
  nameOrPath: string | null = null;
  /** The branch, tag or commit that was asked for, where that is a Hub id; adapters name it too. */
  revision: string | null = null;
  /** @internal The LoRA adapter, if there is one: see src/t5/lora. */
  lora: AttachedLora | null = null;
  readonly #parameters: Map<string, Tensor>;

  /** @internal Use `fromPretrained` or `fromConfig`. */
  constructor(
    config: T5Config,
    generationConfig: GenerationConfig,
    weights: T5Weights,
    parameters: Map<string, Tensor>,
    unusedTensors: readonly string[] = [],
  ) {
    super(config, generationConfig, weights);
    this.#parameters = parameters;
    this.unusedTensors = unusedTensors;
  }

  /**
   * Loads config.json, generation_config.json and the safetensors weights of a model folder, or of a repository of the
   * Hub, through the cache that Python's libraries use too. The model is in evaluation mode. Of a folder or repository that
   * holds only a LoRA adapter, the base model that it names is loaded, then the adapter.
   * @param source path of a folder, else a Hub id such as google/flan-t5-base; in a browser, the files by name
   * @throws {ConfigError} for a field that cannot be used
   * @throws {CheckpointError} for a missing file, or weights that do not fit the configuration
   * @throws {HubError} when the repository or a file of it cannot be had
   */
  static async fromPretrained(
    source: ModelSource,
    options: PretrainedOptions,
  ): Promise<T5ForConditionalGeneration> {
    checkDevice("fromPretrained", (options as PretrainedOptions | undefined)?.device);
    const { adapter, ...baseOptions } = options;
    if (adapter !== undefined) {
      // The revision is the model's.
      const lora = await openLora(adapter, { ...baseOptions, revision: undefined });
      return withAdapter(lora, await T5ForConditionalGeneration.#loadBase(source, baseOptions));
    }
    const folder = await locateModel(source, ["modelOrAdapter"], options);
    const found = await findAdapter(folder);
    if (found === null) return T5ForConditionalGeneration.#load(folder, source, options);
    const { lora } = found;
    // A repository's adapter names its model, even where the cache holds another beside it.
    const base = found.base ?? (folder === source ? null : lora.config.baseModelNameOrPath);
    if (base === null) {
      return withAdapter(lora, await T5ForConditionalGeneration.#load(folder, source, options));
    }
    // Of an adapter in a repository, the revision was the adapter's.
    const given = folder === source ? options.revision : undefined;
    const revision = given ?? lora.config.revision ?? undefined;
    return withAdapter(
      lora,
      await T5ForConditionalGeneration.#loadBase(base, { ...options, revision }),
    );
  }

  /** A model without what may lie beside it: a base model. */
  static async #loadBase(
    source: ModelSource,
    options: PretrainedOptions,
  ): Promise<T5ForConditionalGeneration> {
    const folder = await locateModel(source, ["config", "generationConfig", "weights"], options);
    return T5ForConditionalGeneration.#load(folder, source, options);
  }

  static async #load(
    folder: ModelSource,
    source: ModelSource,
    options: PretrainedOptions,
  ): Promise<T5ForConditionalGeneration> {
    const config = await T5Config.fromPretrained(folder, options.config);
    const generationConfig = await GenerationConfig.fromPretrained(folder, config);
    const { dtype } = options;
    const stored = dtype === undefined ? null : parseWeightDtype("fromPretrained: dtype", dtype);
    const { [QUANTIZATION_KEY]: quantization } = config.raw;
    checkQuantizationConfig(
      `${typeof folder === "string" ? folder : "model files"}/config.json`,
      quantization,
    );
    const checkpoint = await openWeightFiles(folder);
    try {
      const loaded = await loadWeights(checkpoint, config, options.device, stored);
      const { weights, parameters, unused } = loaded;
      const model = new T5ForConditionalGeneration(
        config,
        generationConfig,
        weights,
        parameters,
        unused,
      );
      model.nameOrPath = typeof source === "string" ? source : null;
      model.revision = folder === source ? null : (options.revision ?? null);
      return model;
    } finally {
      await checkpoint.close();
    }
  }

  /** A model with random weights, distributed as transformers initialises them; the same for the same seed. */
  static fromConfig(
    config: T5Config,
    options: { readonly device: Device; readonly seed?: number; readonly tied?: boolean },
  ): T5ForConditionalGeneration {
    const { device, seed = 42, tied = config.tieWordEmbeddings } = options;
    const random = new Generator(seed);
    const parameters = new Map<string, Tensor>();
    const weights = buildWeights(config, tied, (name, shape, init) => {
      const values =
        "std" in init
          ? normalArray(sizeOf(shape), init.std, random)
          : new Float32Array(sizeOf(shape)).fill(init.constant);
      const x = keep(tensor(values, shape, { device, requiresGrad: true }));
      parameters.set(name, x);
      return x;
    });
    return new T5ForConditionalGeneration(
      config,
      GenerationConfig.fromConfig(config),
      weights,
      parameters,
    );
  }

  /**
   * Trainable and frozen weights by HF name; tied weights once, as shared.weight. An adapter's are called
   * encoder.block.0.layer.0.SelfAttention.q.lora_A.weight and so on.
   */
  parameters(): Map<string, Tensor> {
    return new Map([...this.#parameters, ...(this.lora ? loraParameters(this.lora) : [])]);
  }

  /** @internal Gives a linear layer another weight and frees nothing: an adapter that is merged into q8. */
  replaceWeight(layer: Linear, weight: Tensor): void {
    layer.weight = weight;
    this.#parameters.set(layer.name, weight);
  }

  /** Number of weights. @param options trainableOnly counts those that require a gradient */
  numParameters(options: { readonly trainableOnly?: boolean } = {}): number {
    return [...this.parameters().values()]
      .filter((x) => x.requiresGrad || !options.trainableOnly)
      .reduce((sum, x) => sum + x.size, 0);
  }

  /**
   * Token ids that continue the decoder start token, [rows][length], start token first.
   * Dropout is off, whatever mode the model is in (transformers leaves it on in train mode: docs/guide/hugging-face-semantics.md 2.9).
   * @param inputs attentionMask defaults to ids != pad, as in transformers
   * @throws {ArgumentError} for an option out of its range, and options that leave no token to choose
   * @throws {ConfigError} for one in generation_config.json, or a key there that asks for what is not supported
   * @throws {GradloomError} for scores that are NaN or infinite: damaged weights, or an option that overflows
   */
  async generate(
    inputs: { readonly inputIds: number[][]; readonly attentionMask?: number[][] },
    options: GenerationOptions & { readonly returnDictInGenerate: true },
  ): Promise<GenerationResult>;
  async generate(
    inputs: { readonly inputIds: number[][]; readonly attentionMask?: number[][] },
    options?: GenerationOptions,
  ): Promise<number[][]>;
  async generate(
    inputs: { readonly inputIds: number[][]; readonly attentionMask?: number[][] },
    options: GenerationOptions = {},
  ): Promise<number[][] | GenerationResult> {
    checkInputs("generate", inputs);
    const open = (size: SessionSize) => {
      checkEncoderInputs("generate", inputs, this.config, false);
      return openSession(this, encoderRows(inputs, this.config), size);
    };
    const task = this.#task(inputs.inputIds);
    const result = await runGeneration(open, task, options, this.generationConfig);
    return options.returnDictInGenerate ? result : result.sequences;
  }

  /**
   * Token ids for any number of rows, in continuous batches: what has ended leaves the batch, and the next row takes its
   * place. Rows need no padding and may be of any lengths. A row gets the same ids whatever is generated beside it, also with
   * beams; sampling draws by the seed and the row's index.
   * @param inputs rows of token ids; attentionMask defaults to ids != pad
   * @returns for each row in turn its sequences (numReturnSequences of them), start token first, without padding behind
   * @throws {ArgumentError} for rows that are none, or an option out of its range
   * @throws {ConfigError} as `generate`
   * @throws the reason of `options.signal`, while one iterates
   */
  generateMany(inputs: EncoderInputs, options: GenerateManyOptions = {}): AsyncGenerator<number[]> {
    checkEncoderInputs("generateMany", inputs, this.config, true);
    const open = (size: SessionSize) => openSession(this, encoderRows(inputs, this.config), size);
    return runMany(open, this.#task(inputs.inputIds), options, this.generationConfig);
  }

  #task(inputIds: readonly (readonly number[])[]): GenerationTask {
    const { config, generationConfig } = this;
    return {
      batchSize: inputIds.length,
      inputIds,
      startTokenId: generationConfig.decoderStartTokenId ?? config.decoderStartTokenId,
      eosTokenIds: [generationConfig.eosTokenId ?? config.eosTokenIds].flat(),
      padTokenId: generationConfig.padTokenId ?? config.padTokenId,
    };
  }

  /** Which file of `savePretrained` holds which weights now. */
  savedWeights(): { readonly file: string; readonly tensors: ReadonlyMap<string, Tensor> } {
    return this.lora && !isMerged(this)
      ? { file: ADAPTER_WEIGHTS, tensors: adapterTensors(this.lora) }
      : { file: "model.safetensors", tensors: new Map(this.#parameters) };
  }

  /**
   * Writes config.json, generation_config.json and model.safetensors as transformers does; of a model with a LoRA
   * adapter that is not merged the adapter alone, as peft does (`saveLora`).
   * @param folder is made when it does not exist
   */
  async savePretrained(folder: string): Promise<void> {
    await writeFiles(folder, this.#files());
  }

  /** The files that `savePretrained` writes, by name: what a page keeps, and `fromPretrained` or `loadLora` takes. */
  async toFiles(): Promise<Map<string, Blob>> {
    return toBlobs(this.#files());
  }

  /**
   * Pushes what `savePretrained` writes to a model repository of the Hub, which is made when it does not exist, as one
   * commit. In Node and in pages; a page must pass `token`.
   * @param repository `owner/name`, or a name alone for a repository of the token's user
   * @throws {ArgumentError} for an id that cannot be
   * @throws {HubError} when the Hub refuses or cannot be reached; its message says what to do
   */
  async pushToHub(repository: string, options: PushOptions = {}): Promise<PushResult> {
    const { createRepository, pushFiles } = await import("../hub/push.ts");
    const name = await createRepository(repository, options);
    return pushFiles(name, await this.toFiles(), options);
  }

  #files(): SavedFiles {
    if (this.lora && !isMerged(this)) return loraFiles(this);
    const tied = this.weights.lmHead.weight === this.weights.shared;
    const fields = this.config.withTying(tied).toJSON();
    delete fields[QUANTIZATION_KEY]; // what the file said that the model came from
    const isQuantized = [...this.#parameters.values()].some(({ dtype }) => dtype === "q8");
    // Of the weights that stay as they were.
    const { dtype: stored } = isQuantized ? this.weights.encoder.finalNorm : this.weights.shared;
    const dtype = torchDtype(stored);
    const config = {
      ...fields,
      ...(dtype ? dtypeFields(fields, dtype) : {}),
      ...(isQuantized ? { [QUANTIZATION_KEY]: QUANTIZATION_CONFIG } : {}),
    };
    return {
      texts: {
        "config.json": configText(config),
        "generation_config.json": indented(this.generationConfig.toJSON()),
      },
      weights: this.savedWeights(),
    };
  }

  /** Frees the weights. */
  dispose(): void {
    for (const x of this.#parameters.values()) x.dispose();
    if (this.lora) disposeLora(this.lora);
  }
}

/** Where config.json says how weights were quantised. */
const QUANTIZATION_KEY = "quantization_config";

/** The adapter has been opened before the large files were fetched. */
async function withAdapter(
  lora: OpenLora,
  model: T5ForConditionalGeneration,
): Promise<T5ForConditionalGeneration> {
  await readLora(model, lora).catch((error: unknown) => {
    model.dispose();
    throw error;
  });
  return model;
}

/** `dtype`, and the name that transformers 4 has for it where the model's file said it, too: one would contradict the other. */
function dtypeFields(fields: object, dtype: TorchDtype) {
  return "torch_dtype" in fields ? { dtype, torch_dtype: dtype } : { dtype };
}

/** Fields that transformers 5 refuses as 1 and takes as 1.0, which JSON.stringify cannot say. */
const FLOAT_FIELDS = /^( {2}"(?:initializer_factor|layer_norm_epsilon)": \d+)(?=,?$)/gm;

function configText(config: object): string {
  return indented(config).replace(FLOAT_FIELDS, "$1.0");
}

function indented(value: object): string {
  return `${JSON.stringify(value, null, 2)}\n`;
}

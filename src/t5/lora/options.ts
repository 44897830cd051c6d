// What a caller may say about an adapter: peft's names in camelCase, with its defaults and its meaning.

/** Fields of peft's LoraConfig in camelCase; a field left out has peft's default. */
export interface LoraOptions {
  /** Rank: A is [r, in], B is [out, r]. Default 8. */
  readonly r?: number;
  /** The adapter's output is multiplied by loraAlpha / r. Default 8. */
  readonly loraAlpha?: number;
  /** Dropout of the adapter's input in training, in [0, 1). Default 0. */
  readonly loraDropout?: number;
  /**
   * Names of linear layers ("q", or more of a path from the right: "SelfAttention.q"), or a text: a regular expression
   * for whole paths, or "all-linear". Expressions here and below are Python's, for peft reads them too. Default ["q", "v"].
   */
  readonly targetModules?: string | readonly string[];
  /** Layers that targetModules matches and that get no adapter, by the same rules. */
  readonly excludeModules?: string | readonly string[] | null;
  /** Blocks that get adapters, by index; all by default. Only beside names in targetModules. */
  readonly layersToTransform?: number | readonly number[] | null;
  /** What the index in layersToTransform stands behind: "block" in T5. */
  readonly layersPattern?: string | readonly string[] | null;
  /** r of layers whose path ends in a key (a regular expression), where it is another. */
  readonly rankPattern?: Readonly<Record<string, number>>;
  /** loraAlpha of layers whose path ends in a key. */
  readonly alphaPattern?: Readonly<Record<string, number>>;
  /** Divides loraAlpha by the root of r instead (Kalajdzievski 2023, arXiv 2312.03732). Default false. */
  readonly useRslora?: boolean;
  /**
   * true: A uniform within 1/sqrt(in), B zero, so that training starts at the base model; "gaussian": A normal with
   * standard deviation 1/r, B zero; false: both uniform, for tests. Default true.
   */
  readonly initLoraWeights?: boolean | "gaussian";
  /** Which biases are trained and saved; T5 has none, so all three mean the same. Default "none". */
  readonly bias?: "none" | "all" | "lora_only";
  /**
   * Modules that are trained whole and saved with the adapter: every one whose path ends in one of these texts, as
   * "lm_head", "final_layer_norm" or "relative_attention_bias". No token embedding, and no head that is one.
   */
  readonly modulesToSave?: readonly string[] | null;
  readonly taskType?: string | null;
  /** Where the base model lies, for those who load the adapter. Default: what the model was loaded from. */
  readonly baseModelNameOrPath?: string | null;
  /** Branch, tag or commit of the base model on the Hub. Default: the one that the model was loaded with. */
  readonly revision?: string | null;
}

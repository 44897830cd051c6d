import { describe, expect, it } from "vitest";
import {
  type GenerationOptions,
  generationDefaults,
  planGeneration,
  rowsPerItem,
} from "../../src/generation/options.ts";
import { ArgumentError, ConfigError } from "../../src/tensor/errors.ts";

function refusal(options: object, defaults: GenerationOptions = {}): string {
  try {
    planGeneration(options, defaults);
  } catch (error) {
    expect(error).toBeInstanceOf(ArgumentError);
    return (error as Error).message;
  }
  throw new Error("the options were accepted");
}

describe("planGeneration", () => {
  it("has the defaults of transformers", () => {
    const { seed, ...plan } = planGeneration({});
    expect(plan).toEqual({
      maxLength: 21,
      minLength: 0,
      numBeams: 1,
      lengthPenalty: 1,
      earlyStopping: false,
      numReturnSequences: 1,
      doSample: false,
      temperature: 1,
      topK: 50,
      topP: 1,
      repetitionPenalty: 1,
      noRepeatNgramSize: 0,
      streamer: undefined,
      signal: undefined,
    });
    expect(Number.isSafeInteger(seed)).toBe(true);
  });

  it("takes an option from the call, then from the model, undefined being none", () => {
    const defaults = { numBeams: 4, lengthPenalty: 0.6, topK: 0 };
    const plan = planGeneration({ lengthPenalty: 2, topK: undefined }, defaults);
    expect([plan.numBeams, plan.lengthPenalty, plan.topK]).toEqual([4, 2, 0]);
  });

  it("counts the start token in lengths", () => {
    const lengths = (options: GenerationOptions, defaults: GenerationOptions = {}): number[] => {
      const { minLength, maxLength } = planGeneration(options, defaults);
      return [minLength, maxLength];
    };
    expect(lengths({ maxNewTokens: 7, minNewTokens: 3 })).toEqual([4, 8]);
    expect(lengths({ maxLength: 7, minLength: 3 })).toEqual([3, 7]);
    expect(lengths({ maxNewTokens: 5, maxLength: 9, minNewTokens: 2, minLength: 4 })).toEqual([
      3, 6,
    ]);
    expect(lengths({ maxLength: 20 })).toEqual([0, 20]);
    // A max_length of 20 in a model's files is transformers' own default.
    expect(lengths({}, { maxLength: 20 })).toEqual([0, 21]);
    expect(lengths({}, { maxLength: 64, minLength: 5 })).toEqual([5, 64]);
    expect(lengths({}, { maxNewTokens: 64, maxLength: 20 })).toEqual([0, 65]);
    // What the call says about a length goes before all that the model says about it.
    expect(lengths({ maxLength: 30 }, { maxNewTokens: 200, minNewTokens: 4 })).toEqual([5, 30]);
  });

  it("names the option, its value and what is allowed", () => {
    const cases: [object, string][] = [
      [{ maxNewTokens: 0 }, "generate: maxNewTokens must be an integer of at least 1, got 0"],
      [{ maxNewTokens: 2.5 }, "generate: maxNewTokens must be an integer of at least 1, got 2.5"],
      [{ maxNewTokens: "20" }, 'generate: maxNewTokens must be an integer of at least 1, got "20"'],
      [{ maxLength: 1 }, "generate: maxLength must be an integer of at least 2, got 1"],
      [{ minNewTokens: -1 }, "generate: minNewTokens must be an integer of at least 0, got -1"],
      [{ minLength: NaN }, "generate: minLength must be an integer of at least 0, got NaN"],
      [{ numBeams: 2 ** 31 }, "generate: numBeams must be an integer of 1 to 4096, got 2147483648"],
      [{ numBeams: 0 }, "generate: numBeams must be an integer of 1 to 4096, got 0"],
      [
        { lengthPenalty: Infinity },
        "generate: lengthPenalty must be a finite number, got Infinity",
      ],
      [{ earlyStopping: "no" }, 'generate: earlyStopping must be true, false or "never", got "no"'],
      [{ doSample: 1 }, "generate: doSample must be true or false, got 1"],
      [{ temperature: 0 }, "generate: temperature must be a finite number above 0, got 0"],
      [{ temperature: -1 }, "generate: temperature must be a finite number above 0, got -1"],
      [{ topK: -1 }, "generate: topK must be an integer of at least 0, got -1"],
      [{ topP: 0 }, "generate: topP must be a number in (0, 1], got 0"],
      [{ topP: 1.01 }, "generate: topP must be a number in (0, 1], got 1.01"],
      [
        { repetitionPenalty: 0 },
        "generate: repetitionPenalty must be a finite number above 0, got 0",
      ],
      [
        { noRepeatNgramSize: 1.5 },
        "generate: noRepeatNgramSize must be an integer of at least 0, got 1.5",
      ],
      [{ seed: -1 }, "generate: seed must be an integer of at least 0, got -1"],
      [
        { streamer: {} },
        "generate: streamer must be a function, or an object with the functions put and end, got {}",
      ],
      [{ signal: true }, "generate: signal must be an AbortSignal, got true"],
      [
        { returnDictInGenerate: null },
        "generate: returnDictInGenerate must be true or false, got null",
      ],
    ];
    for (const [options, message] of cases) expect(refusal(options)).toBe(message);
  });

  it("says which options do not go together", () => {
    expect(refusal({ minNewTokens: 30 })).toBe(
      "generate: minNewTokens must be at most maxNewTokens (20), got 30. Raise maxNewTokens.",
    );
    expect(refusal({ numBeams: 2, numReturnSequences: 3 })).toBe(
      "generate: numReturnSequences must be at most numBeams (2), got 3",
    );
    expect(refusal({ numBeams: 2, numReturnSequences: 3, doSample: true })).toContain(
      "at most numBeams (2)",
    );
    expect(refusal({ numReturnSequences: 3 })).toBe(
      "generate: numReturnSequences must be 1 for greedy search, got 3. Set numBeams to at least 3, or doSample to true.",
    );
    expect(refusal({ numBeams: 2, streamer: () => undefined })).toBe(
      "generate: numBeams must be 1 with a streamer, got 2. Beams change their past as they go.",
    );
    expect(refusal({ streamer: () => undefined }, { numBeams: 4 })).toContain("numBeams must be 1");
  });

  it("suggests the name that was meant", () => {
    expect(refusal({ max_new_tokens: 5 })).toBe(
      "generate: unknown option max_new_tokens. Did you mean maxNewTokens?",
    );
    expect(refusal({ topk: 5 })).toBe("generate: unknown option topk. Did you mean topK?");
    expect(refusal({ beams: 5 })).toContain(
      "unknown option beams. Known: maxNewTokens, maxLength,",
    );
  });
});

describe("rowsPerItem", () => {
  it("is the beams, or the sequences sampled", () => {
    expect(rowsPerItem(planGeneration({}))).toBe(1);
    expect(rowsPerItem(planGeneration({ numBeams: 4, numReturnSequences: 2 }))).toBe(4);
    expect(rowsPerItem(planGeneration({ doSample: true, numReturnSequences: 5 }))).toBe(5);
  });
});

describe("generationDefaults", () => {
  it("reads transformers' keys, null meaning unset, and skips what is no generation option", () => {
    const config = {
      _from_model_config: true,
      decoder_start_token_id: 0,
      max_new_tokens: 64,
      num_beams: 4,
      early_stopping: true,
      length_penalty: null,
      no_repeat_ngram_size: 3,
      seed: -5,
      transformers_version: "4.27.0.dev0",
    };
    expect(generationDefaults(config)).toEqual({
      maxNewTokens: 64,
      numBeams: 4,
      earlyStopping: true,
      noRepeatNgramSize: 3,
    });
  });

  it("names the key of a value that cannot be used", () => {
    const read = () => generationDefaults({ num_beams: "4" });
    expect(read).toThrowError(ConfigError);
    expect(read).toThrowError(
      'generation_config.json: num_beams must be an integer of 1 to 4096, got "4"',
    );
  });
});

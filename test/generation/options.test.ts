import { describe, expect, it } from "vitest";
import { generationDefaults } from "../../src/generation/modelOptions.ts";
import type { GenerationOptions } from "../../src/generation/options.ts";
import { planGeneration, rowsPerItem, warningsOf } from "../../src/generation/plan.ts";
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
      maxTime: null,
      temperature: 1,
      topH: null,
      topK: 50,
      topP: 1,
      minP: null,
      typicalP: 1,
      epsilonCutoff: 0,
      etaCutoff: 0,
      sequenceBias: [],
      encoderRepetitionPenalty: 1,
      repetitionPenalty: 1,
      noRepeatNgramSize: 0,
      encoderNoRepeatNgramSize: 0,
      badWordsIds: [],
      prefixAllowedTokensFn: undefined,
      forcedBosTokenId: null,
      forcedEosTokenIds: [],
      removeInvalidValues: false,
      exponentialDecayLengthPenalty: null,
      suppressTokens: [],
      beginSuppressTokens: [],
      renormalizeLogits: false,
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
      [
        { repetitionPenalty: 0 },
        "generate: repetitionPenalty must be a finite number above 0, got 0",
      ],
      [
        { noRepeatNgramSize: 1.5 },
        "generate: noRepeatNgramSize must be an integer of at least 0, got 1.5",
      ],
      [
        { badWordsIds: [[5], []] },
        "generate: badWordsIds must be a list of lists of token ids, none of them empty, got [[5],[]]",
      ],
      [
        { sequenceBias: [[5, -1]] },
        "generate: sequenceBias must be a list of pairs [token ids, finite number], the ids not empty, got [[5,-1]]",
      ],
      [{ suppressTokens: 5 }, "generate: suppressTokens must be a list of token ids, got 5"],
      [{ forcedBosTokenId: -1 }, "generate: forcedBosTokenId must be a token id, got -1"],
      [
        { forcedEosTokenId: [] },
        "generate: forcedEosTokenId must be a token id or a list of them, got []",
      ],
      [
        { exponentialDecayLengthPenalty: [3] },
        "generate: exponentialDecayLengthPenalty must be a pair of a whole number of at least 0 and a number above 0, got [3]",
      ],
      [{ maxTime: 0 }, "generate: maxTime must be a finite number above 0, got 0"],
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

  it("judges what only sampling reads when samples are drawn", () => {
    const cases: [object, string][] = [
      [{ temperature: 0 }, "temperature must be a finite number above 0, got 0"],
      [{ temperature: -1 }, "temperature must be a finite number above 0, got -1"],
      [{ topK: -1 }, "topK must be an integer of at least 0, got -1"],
      [{ topP: 0 }, "topP must be a number in (0, 1], got 0"],
      [{ topP: 1.01 }, "topP must be a number in (0, 1], got 1.01"],
      [{ minP: 1.5 }, "minP must be a number in [0, 1], got 1.5"],
      [{ typicalP: 0 }, "typicalP must be a number in (0, 1], got 0"],
      [{ topH: 0 }, "topH must be a number in (0, 1], got 0"],
      [{ epsilonCutoff: 1 }, "epsilonCutoff must be a number in [0, 1), got 1"],
      [{ etaCutoff: -1 }, "etaCutoff must be a number in [0, 1), got -1"],
    ];
    for (const [options, message] of cases) {
      expect(() => planGeneration(options)).not.toThrow();
      expect(refusal({ ...options, doSample: true })).toBe(`generate: ${message}`);
      // From a model's file, under its name there.
      const file = message.replace(/^\w+/, (name) =>
        name.replace(/[A-Z]/, (x) => `_${x.toLowerCase()}`),
      );
      const [must, got] = file.split(", got ");
      expect(() => planGeneration({ doSample: true }, options, "g.json")).toThrowError(
        new ConfigError(
          `g.json: ${must} when samples are drawn, got ${got}. Correct the file, or pass ${Object.keys(options)[0]}.`,
        ),
      );
      expect(() => planGeneration({}, options)).not.toThrow();
    }
    // The caller's value goes before the file's, which nothing reads then.
    expect(planGeneration({ doSample: true, topP: 0.5 }, { topP: 7 }).topP).toBe(0.5);
  });

  it("takes null for none where the model's file has something", () => {
    const file = { forcedBosTokenId: 4, forcedEosTokenId: 1, minP: 0.5, maxTime: 2 };
    expect(planGeneration({}, file)).toMatchObject({
      forcedBosTokenId: 4,
      forcedEosTokenIds: [1],
      minP: 0.5,
    });
    const none = { forcedBosTokenId: null, forcedEosTokenId: null, minP: null, maxTime: null };
    expect(planGeneration(none, file)).toMatchObject({
      ...{ forcedBosTokenId: null, forcedEosTokenIds: [], minP: null, maxTime: null },
    });
  });

  it("warns of a least length above the greatest, as transformers does", () => {
    expect(warningsOf(planGeneration({ minNewTokens: 20 }))).toEqual([]);
    expect(warningsOf(planGeneration({ minNewTokens: 30 }))).toEqual([
      "generate: the least length of 31 tokens (with the start token) is above the greatest length of 21, where sequences stop, " +
        "without an end token. Lower minNewTokens or minLength (min_length in the model's files), or raise maxNewTokens.",
    ]);
  });

  it("says which options do not go together", () => {
    expect(refusal({ forcedBosTokenId: 5, suppressTokens: [4, 5] })).toBe(
      "generate: forcedBosTokenId must be a token that suppressTokens leaves, got 5. " +
        "Take it out of suppressTokens; against early ends there is minNewTokens.",
    );
    expect(refusal({ forcedEosTokenId: [1, 2], suppressTokens: [2, 1] })).toContain("got 1, 2.");
    expect(() => planGeneration({ forcedEosTokenId: [1, 2], suppressTokens: [1] })).not.toThrow();
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
    expect(generationDefaults({ source: "generation_config.json", raw: config })).toEqual({
      maxNewTokens: 64,
      numBeams: 4,
      earlyStopping: true,
      noRepeatNgramSize: 3,
    });
  });

  it("names the key of a value that cannot be used", () => {
    const read = () =>
      generationDefaults({ source: "generation_config.json", raw: { num_beams: "4" } });
    expect(read).toThrowError(ConfigError);
    expect(read).toThrowError(
      'generation_config.json: num_beams must be an integer of 1 to 4096, got "4"',
    );
  });
});

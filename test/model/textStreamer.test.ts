// TextStreamer: transformers' own pieces for the same tokens (test/golden/makeTextStreams.py), and generate() with it.

import { readFileSync } from "node:fs";
import { afterEach, describe, expect, it, vi } from "vitest";
import {
  buildPrompt,
  T5ForConditionalGeneration,
  TextStreamer,
  Tokenizer,
} from "../../src/index.ts";
import { cpu } from "../support/device.ts";
import { absolutePath } from "../support/sources.ts";

interface Streams {
  readonly special: readonly string[];
  readonly pieces: readonly string[];
  readonly cases: readonly {
    readonly ids: readonly [number, ...number[]];
    readonly skip_prompt: boolean;
    readonly skip_special_tokens: boolean;
    readonly texts: readonly (readonly [string, boolean])[];
  }[];
}

const { special, pieces, cases } = JSON.parse(
  readFileSync(absolutePath("test/golden/text-streams.json"), "utf8"),
) as Streams;

const joining: Pick<Tokenizer, "decode"> = {
  decode(ids, { skipSpecialTokens = false } = {}) {
    const kept = Array.from(ids).filter((id) => !(skipSpecialTokens && id < special.length));
    return kept
      .map((id) => [...special, ...pieces][id]!)
      .join("")
      .replace(/^ /, "");
  },
};

afterEach(() => vi.restoreAllMocks());

describe("TextStreamer", () => {
  it.each(cases)(
    "writes what transformers does for $ids",
    async ({ ids: [start, ...ids], texts, ...options }) => {
      const written: [string, boolean][] = [];
      const streamer = new TextStreamer(joining, {
        skipPrompt: options.skip_prompt,
        skipSpecialTokens: options.skip_special_tokens,
        callback: (...piece) => written.push(piece),
      });
      // An instance begins anew after its end.
      for (let time = 0; time < 2; time++) {
        await streamer.prompt([start]);
        for (const id of ids) await streamer.put([id]);
        await streamer.end();
        expect(written).toEqual(texts);
        written.length = 0;
      }
    },
  );

  it("writes to stdout, with a newline at the end", async () => {
    const write = vi.spyOn(process.stdout, "write").mockReturnValue(true);
    const streamer = new TextStreamer(joining, { skipPrompt: true });
    const id = special.length + pieces.indexOf(" cat");
    for (const token of [id, id]) await streamer.put([token]);
    await streamer.end();
    const texts = write.mock.calls.map(([text]) => text as string);
    write.mockRestore();
    expect(texts).toEqual(["cat ", "cat\n"]);
  });

  it("gives generate's text, whole words at a time, and the start token unless told otherwise", async () => {
    const model = await T5ForConditionalGeneration.fromPretrained(absolutePath("examples/model"), {
      device: cpu,
    });
    const tokenizer = await Tokenizer.fromPretrained(absolutePath("examples/model"));
    const inputs = tokenizer.encode(buildPrompt("#Person1#: Shall we meet at six?"));
    const stream = async (options: { skipPrompt?: boolean; skipSpecialTokens?: boolean }) => {
      const texts: string[] = [];
      const callback = (text: string) => texts.push(text);
      const streamer = new TextStreamer(tokenizer, { ...options, callback });
      const [ids] = await model.generate(inputs, { maxNewTokens: 24, streamer });
      return { texts, ids: ids! };
    };
    const { texts, ids } = await stream({ skipSpecialTokens: true });
    expect(texts.length).toBeGreaterThan(2);
    expect(texts.slice(0, -1).filter((text) => !text.endsWith(" "))).toEqual([]);
    expect(texts.join("")).toBe(tokenizer.decode(ids, { skipSpecialTokens: true }));
    expect((await stream({})).texts.join("")).toBe(tokenizer.decode(ids));
    expect(tokenizer.decode(ids)).toMatch(/^<pad>/);
    expect((await stream({ skipPrompt: true })).texts.join("")).toBe(
      tokenizer.decode(ids.slice(1)),
    );
    model.dispose();
  });

  it("refuses several rows, and no tokenizer", async () => {
    await expect(new TextStreamer(joining).put([1, 2])).rejects.toThrow(
      "TextStreamer: must be given one row, got 2.",
    );
    expect(() => new TextStreamer(undefined as never)).toThrow(
      "TextStreamer: must be given a tokenizer, got undefined.",
    );
  });
});

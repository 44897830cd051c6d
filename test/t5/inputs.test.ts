// What a program in JavaScript may give a model instead of token ids: each is refused by name, as generate and forward see it.

import { afterAll, describe, expect, it } from "vitest";
import { ArgumentError, GradloomError } from "../../src/tensor/errors.ts";
import { tinyT5 } from "../support/tinyT5.ts";

const model = tinyT5();
afterAll(() => model.dispose());

const wrong: [unknown, string][] = [
  [undefined, "needs inputs with inputIds, got nothing"],
  [null, "needs inputs with inputIds, got null"],
  [[[1, 2]], "needs inputs with inputIds, got {"],
  ["text", "needs inputs with inputIds, got a string"],
  [{ input_ids: [[1]] }, "needs inputs with inputIds, got { input_ids }"],
  [{ inputIds: "some text" }, "inputIds: must be rows of token ids ([[5, 1]]), got a string"],
  [
    { inputIds: ["some text"] },
    "inputIds: must be rows of token ids ([[5, 1]]), got a row that is a string",
  ],
  [{ inputIds: [5, 1] }, "got a row that is a number"],
  [{ inputIds: [undefined] }, "got a row that is nothing"],
  [{ inputIds: [["5"]] }, "inputIds: must be ids in 0.."],
  [{ inputIds: [[{ toString: 2 }]] }, 'got {"toString":2} in row 0 at 0'],
  [{ inputIds: [] }, "must be at least one row of at least one id, got 0 rows"],
  [{ inputIds: [[2, 3]], attentionMask: "11" }, "attentionMask: must be rows"],
  [{ inputIds: [[2, 3]], attentionMask: [11] }, "attentionMask: must be rows"],
];

describe.each(wrong)("%j", (inputs, message) => {
  it("is refused by forward and generate", async () => {
    const withLabels =
      typeof inputs === "object" && inputs !== null && !Array.isArray(inputs)
        ? { labels: [[1]], ...inputs }
        : inputs;
    expect(() => model.forward(withLabels as never)).toThrow(GradloomError);
    expect(() => model.forward(withLabels as never)).toThrow(
      message.replace("{ input_ids }", "{ labels, input_ids }"),
    );
    await expect(model.generate(inputs as never)).rejects.toThrow(GradloomError);
    await expect(model.generate(inputs as never)).rejects.toThrow(message);
  });
});

it("refuses labels that are no rows, and options that are no object", async () => {
  const inputIds = [[2, 3]];
  expect(() => model.forward({ inputIds, labels: "text" as never })).toThrow(
    "labels: must be rows of token ids",
  );
  for (const options of [null, 5, "beams", [4]]) {
    const refused = model.generate({ inputIds }, options as never);
    await expect(refused).rejects.toThrow(ArgumentError);
  }
});

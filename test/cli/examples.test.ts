// Library examples of the documents, run as they stand.

import { describe, expect, it } from "vitest";
import { runDocumentExample } from "../support/documentExample.ts";

describe("examples", () => {
  it.each([
    ["README.md", 2],
    ["docs/guide/lora.md", 3],
  ])("%s does what its comments say", async (file, lines) => {
    const { printed, expected } = await runDocumentExample(file);
    expect(expected).toHaveLength(lines);
    expect(printed).toEqual(expected);
  });
});

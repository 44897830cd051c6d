// --dtype int8 on the command line: a model that generates, and the training that it is not for.

import { expect, it } from "vitest";
import { gradloom } from "../support/command.ts";

it("evaluates a model in int8, and refuses to train its weights", async () => {
  const rows = ["--rouge-rows", "1", "--max-new-tokens", "2"];
  const [evaluated, trained] = await Promise.all([
    gradloom(["evaluate", "--dtype", "int8", "--json", ...rows]),
    gradloom(["train", "--dtype", "int8", "--max-steps", "1", "--max-train-rows", "2", ...rows]),
  ]);
  expect(evaluated.stderr).not.toContain("gradloom:");
  expect(JSON.parse(evaluated.stdout)).toMatchObject({ rows: 1 });
  expect(trained.code).toBe(1);
  expect(trained.stderr).toContain(
    "train: weights in int8 cannot be trained, got shared.weight in int8 and no adapter. Give the model an adapter (addLora, --lora)",
  );
});

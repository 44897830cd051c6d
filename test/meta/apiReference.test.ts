// `npm run docs` makes the API reference without a warning: no export without words, no link that leads nowhere, no type that
// a signature names and the reference lacks.

import { execFile } from "node:child_process";
import { promisify } from "node:util";
import { expect, it } from "vitest";
import { isFull } from "../support/full.ts";
import { absolutePath } from "../support/sources.ts";

const run = promisify(execFile);

it.runIf(isFull)("the API reference is made without a warning", async () => {
  const typedoc = absolutePath("node_modules/typedoc/bin/typedoc");
  // Rejects, with what typedoc printed, when it exits with another code than 0: warnings count as errors (typedoc.json).
  const { stdout, stderr } = await run(process.execPath, [typedoc, "--emit", "none"], {
    cwd: absolutePath("."),
  });
  expect(stdout + stderr).not.toMatch(/warning|error/i);
});

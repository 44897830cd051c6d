// A folder for one test file, deleted when it is done.

import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll } from "vitest";

/** @returns path of a name in the folder; a fresh name for every call without one */
export function temporaryFolder(): (name?: string) => string {
  let root = "";
  let count = 0;
  beforeAll(async () => {
    root = await mkdtemp(join(tmpdir(), "gradloom-test-"));
  });
  afterAll(() => rm(root, { recursive: true, force: true }));
  return (name) => join(root, name ?? String(count++));
}

// The folder beside the checkout with golden values and data; a newcomer has none.

import { existsSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { join } from "node:path";

const root = fileURLToPath(new URL("../../../shared", import.meta.url));

/** Whether ../shared is there; tests that need it are skipped otherwise. */
export const hasShared = existsSync(join(root, "golden"));

/** Path of a file in ../shared. */
export function shared(...path: string[]): string {
  return join(root, ...path);
}

/** Test title that says why a test did not run. */
export function needsShared(title: string): string {
  return hasShared ? title : `${title} (skipped: no shared data)`;
}

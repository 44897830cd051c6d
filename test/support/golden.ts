// Values made with PyTorch. t5-odd lies in the repository, so that every clone compares with PyTorch; the others lie in ../shared.

import { existsSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { hasShared, shared } from "./shared.ts";

const own = fileURLToPath(new URL("../golden", import.meta.url));

/** Whether the values `name` are at hand. */
export function hasGolden(name: string): boolean {
  return existsSync(join(own, name)) || hasShared;
}

/** Path of golden values: the repository's, else those of ../shared. */
export function golden(name: string, ...path: string[]): string {
  return existsSync(join(own, name)) ? join(own, name, ...path) : shared("golden", name, ...path);
}

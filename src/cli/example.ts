// The example that the package carries: where it lies, and the settings that suit its small model.

import { fileURLToPath } from "node:url";

/** A file or folder of examples/, whether this runs from src/ or from dist/. */
function examplePath(name: string): string {
  return fileURLToPath(new URL(`../../examples/${name}`, import.meta.url));
}

export const EXAMPLE_MODEL = examplePath("model");
export const EXAMPLE_DATASET = examplePath("data");

// A Python with a package that a test compares with: GRADLOOM_PYTHON, a virtual environment ../v beside the checkout,
// or python3.

import { execFile, spawnSync } from "node:child_process";
import { fileURLToPath } from "node:url";

const candidates = [
  process.env["GRADLOOM_PYTHON"],
  fileURLToPath(new URL("../../../v/bin/python", import.meta.url)),
  "python3",
];

/** Path of a Python that can import the package; undefined where there is none. */
export function pythonWith(packageName: string): string | undefined {
  const find = `import importlib.util, sys; sys.exit(importlib.util.find_spec("${packageName}") is None)`;
  return candidates.find(
    (path) => path !== undefined && spawnSync(path, ["-c", find]).status === 0,
  );
}

/** Runs a script and gives what it prints as JSON. */
export function runPython(
  python: string,
  script: string,
  environment: Readonly<Record<string, string>> = {},
): Promise<unknown> {
  const env = { ...process.env, ...environment };
  return new Promise((resolve, reject) => {
    execFile(python, ["-c", script], { env }, (error, stdout, stderr) => {
      if (error) reject(new Error(stderr || error.message));
      else resolve(JSON.parse(stdout));
    });
  });
}

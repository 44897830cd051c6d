// Benches of webgpu on machines without a graphics driver: the script starts again with SwiftShader, because the loader
// reads its variables when a process starts, and never again.

import { spawnSync } from "node:child_process";
import { softwareGpu } from "../scripts/adapters/softwareGpu.ts";

/** Returns where there is an adapter; else runs this script again, with one, and ends with its exit code. */
export function restartWithAdapter(): void {
  const variables = softwareGpu();
  if (variables === null) return;
  const { status } = spawnSync(process.execPath, [...process.execArgv, ...process.argv.slice(1)], {
    stdio: "inherit",
    env: { ...process.env, ...variables },
  });
  process.exit(status ?? 1);
}

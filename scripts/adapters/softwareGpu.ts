// Gives machines without a graphics driver one: SwiftShader, which the npm package @sparticuz/chromium carries for Linux
// on x64. Vitest runs this once, before it starts the processes that run tests: the loader reads LD_LIBRARY_PATH
// when a process starts, and never again.

import { existsSync, readdirSync } from "node:fs";
import { join } from "node:path";
import { cacheFolder, fillOnce, unpackArchive } from "./chromiumPackage.ts";

const cache = cacheFolder("swiftshader");

export default function setup(): void {
  Object.assign(process.env, softwareGpu());
}

/** The variables that processes with SwiftShader start with; null where there is a driver, or no SwiftShader for the machine. */
export function softwareGpu(): Readonly<Record<string, string>> | null {
  if (process.platform !== "linux" || process.arch !== "x64" || hasDriver()) return null;
  fillOnce(cache, (partial) => unpackArchive("swiftshader.tar", partial));
  return {
    VK_ICD_FILENAMES: join(cache, "vk_swiftshader_icd.json"),
    LD_LIBRARY_PATH: [cache, process.env["LD_LIBRARY_PATH"]].filter(Boolean).join(":"),
  };
}

/** Whether the machine, or whoever started the tests, has a Vulkan driver. */
function hasDriver(): boolean {
  if (process.env["VK_ICD_FILENAMES"] ?? process.env["VK_DRIVER_FILES"]) return true;
  return ["/etc/vulkan/icd.d", "/usr/share/vulkan/icd.d", "/usr/local/share/vulkan/icd.d"].some(
    (folder) => existsSync(folder) && readdirSync(folder).length > 0,
  );
}

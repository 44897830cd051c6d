// A headless Chromium for tests of pages, from the npm package @sparticuz/chromium: Linux on x64, no root, nothing installed.

import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { chromium, type Browser } from "playwright-core";
import {
  cacheFolder,
  fillOnce,
  packedFile,
  unpackArchive,
} from "../../scripts/adapters/chromiumPackage.ts";

const cache = cacheFolder("chromium");

/** WebGPU on Linux is still behind a flag, and a program that plays the GPU is no adapter unless it is asked for. */
const FLAGS = ["--enable-unsafe-webgpu", "--use-webgpu-adapter=swiftshader"];

/** The browser, or why there is none here, in one line. @param flags of the command line, beside those of tests */
export async function startChromium(flags: readonly string[] = []): Promise<Browser | string> {
  if (process.platform !== "linux" || process.arch !== "x64") {
    return `no Chromium for ${process.platform} ${process.arch}`;
  }
  unpack();
  const libraries = [join(cache, "lib"), process.env["LD_LIBRARY_PATH"]].filter(Boolean).join(":");
  try {
    return await chromium.launch({
      executablePath: join(cache, "chromium"),
      args: [...FLAGS, ...flags],
      env: { ...process.env, LD_LIBRARY_PATH: libraries },
      timeout: 60_000,
    });
  } catch (error) {
    const lines = String(error).split("\n");
    const reason = lines.find((line) => /error while loading|cannot open|FATAL/.test(line));
    return `Chromium does not start here: ${reason ?? lines[0]}`;
  }
}

function unpack(): void {
  fillOnce(cache, (partial) => {
    writeFileSync(join(partial, "chromium"), packedFile("chromium"), { mode: 0o755 });
    unpackArchive("al2023.tar", partial);
    unpackArchive("swiftshader.tar", partial);
  });
}

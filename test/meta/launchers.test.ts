// Launchers know no device: which bodies run and on how many threads is asked by plans (wasm.plan, wgsl.plan), which are told.

import { describe, expect, it } from "vitest";
import { readSource, sourceFiles } from "../support/sources.ts";

/** What opens a device, and what loads its kernels. */
const ofDevices = /^src\/kernels\/(?:openDevice\.ts|wasm\/)/;
const reads =
  /\.(?:threads|bodies)\b|\{[^{}]*\b(?:threads|bodies)\b[^{}]*\} = [^;]*\bdevice\b|\bdevice\[["'](?:threads|bodies)["']\]/g;

const readsOf = (text: string): string[] => text.match(reads) ?? [];

describe("reads of a device's threads or bodies", () => {
  it("are seen", () => {
    expect(readsOf("blockSizes(rows, n, c.device.threads)")).toEqual([".threads"]);
    expect(readsOf('if (q.device.bodies === "wasm")')).toEqual([".bodies"]);
    expect(readsOf("const { threads } = c.device;")).toEqual(["{ threads } = c.device"]);
    expect(readsOf("plan({ params, threads }) { return threads; }")).toEqual([]);
    expect(readsOf(readSource("src/kernels/openDevice.ts"))).not.toEqual([]);
  });

  it.each(sourceFiles("src/kernels").filter((path) => !ofDevices.test(path)))(
    "are not in %s",
    (path) => {
      expect(readsOf(readSource(path))).toEqual([]);
    },
  );
});

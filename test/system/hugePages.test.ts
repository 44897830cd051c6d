// Pages of 2 MiB: that Linux is asked for them, and what is said where it cannot be.

import { readFileSync } from "node:fs";
import { afterEach, describe, expect, it, vi } from "vitest";
import { openDevice } from "../../src/kernels/openDevice.ts";
import { hugePages } from "../../src/system/hugePages.ts";
import { DeviceError } from "../../src/tensor/errors.ts";
import { zeros } from "../../src/tensor/tensor.ts";

const MIB = 2 ** 20;
const isLinux = process.platform === "linux";

/** KiB of this process's memory that the kernel may hold in huge pages because it was asked to. */
function advisedKib(): number {
  const mappings = readFileSync("/proc/self/smaps", "utf8").split(/^(?=[0-9a-f]+-[0-9a-f]+ )/m);
  const advised = mappings.filter((text) => /^VmFlags:.*\bhg\b/m.test(text));
  return advised.reduce((sum, text) => sum + Number(/^Rss:\s+(\d+)/m.exec(text)![1]), 0);
}

describe("hugePages", () => {
  afterEach(() => vi.restoreAllMocks());

  it.skipIf(!isLinux)("asks for the whole memory of a device, what it grows by too", async () => {
    const before = advisedKib();
    const device = await openDevice("cpu", { threads: 1, adviseMemory: await hugePages() });
    const x = zeros([24 * MIB], { device });
    await x.data();
    expect(advisedKib() - before).toBeGreaterThan((96 * MIB) / 1024);
    await device.close();
  });

  it("is what openDevice takes, and nothing else", async () => {
    const refused = openDevice("cpu", { adviseMemory: true as never });
    await expect(refused).rejects.toThrow(
      "openDevice: adviseMemory must be a function, as hugePages() gives one, got true",
    );
  });

  it("is refused elsewhere", async () => {
    vi.spyOn(process, "platform", "get").mockReturnValue("darwin");
    await expect(hugePages()).rejects.toThrow(DeviceError);
    await expect(hugePages()).rejects.toThrow(
      "hugePages: must be called in Node on Linux, got darwin. Leave adviseMemory out.",
    );
  });
});

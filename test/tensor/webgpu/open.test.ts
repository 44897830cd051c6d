// Choosing a device, and letting go of it.

import { spawn } from "node:child_process";
import { fileURLToPath } from "node:url";
import { describe, expect, it } from "vitest";
import type { DeviceOptions } from "../../../src/kernels/deviceOptions.ts";
import { openDevice } from "../../../src/kernels/openDevice.ts";
import { DeviceError } from "../../../src/tensor/errors.ts";
import { openAllWebGpu } from "../../../src/tensor/webgpu/open.ts";
import { gpu } from "../../support/gpu.ts";

describe("openDevice", () => {
  it("takes webgpu for auto where there is a GPU, and no program that plays one", async () => {
    const device = await openDevice("auto");
    expect(device.kind).toBe(gpu.adapter.software ? "cpu" : "webgpu");
    await device.close();
  });

  it("takes any adapter for webgpu, also by a name that a wrong name is answered with", async () => {
    const error = (await openDevice("webgpu", { adapter: "no such card" }).catch(
      (reason: unknown) => reason,
    )) as Error;
    expect(error).toBeInstanceOf(DeviceError);
    const [, names] = /name of an adapter \((.*)\), got "no such card"$/.exec(error.message)!;
    const adapter = names!.split(", ")[0]!;
    const device = await openDevice("webgpu", { adapter, powerPreference: "low-power" });
    expect(device.kind).toBe("webgpu");
    expect(device.threads).toBe(1);
    await device.close();
  });

  it.each<[string, "cpu" | "webgpu" | "auto", DeviceOptions, string]>([
    ["an empty name", "webgpu", { adapter: "" }, "adapter must be part of an adapter's name"],
    ["another preference", "webgpu", { powerPreference: "fast" as never }, '"high-performance" or'],
    [
      "threads on webgpu",
      "webgpu",
      { threads: 2 },
      'must be adapter, powerPreference, tune, got "threads"',
    ],
    [
      "an adapter on cpu",
      "cpu",
      { adapter: "x" },
      'kernels, wasmVariant, workerUrl, got "adapter"',
    ],
    ["no threads", "auto", { threads: 0 }, "threads must be a whole number of 1 to 64, got 0"],
  ])("refuses %s", async (_, kind, options, message) => {
    const error: unknown = await openDevice(kind, options).catch((reason: unknown) => reason);
    expect(error).toBeInstanceOf(DeviceError);
    expect((error as Error).message).toContain(message);
  });

  it("lists every adapter", async () => {
    const devices = await openAllWebGpu();
    const names = devices.map(({ adapter }) => adapter.name);
    expect(names).toContain(gpu.adapter.name);
    expect(new Set(names).size).toBe(names.length);
    for (const device of devices) await device.close();
  });

  it("asks for the adapter's own limits", () => {
    const { adapter } = gpu;
    expect(adapter.bindingBytes).toBeGreaterThanOrEqual(128 * 2 ** 20);
    expect(adapter.workgroupBytes).toBeGreaterThanOrEqual(16384);
    if (adapter.software) expect(adapter.workgroupBytes).toBe(32768); // SwiftShader's and lavapipe's; WebGPU's default is half
    expect(adapter.subgroupSize === null).toBe(!adapter.features.has("subgroups"));
  });
});

describe("the process", () => {
  const main = fileURLToPath(new URL("../../../dist/index.js", import.meta.url));

  it.each([
    ["after close()", "await device.close();"],
    ["without close()", ""],
  ])(
    "ends by itself %s",
    async (_, ending) => {
      const script = `
      import { openDevice, tensor, exp } from ${JSON.stringify(main)};
      const device = await openDevice("webgpu");
      const x = tensor([0, 1], [2], { device });
      console.log((await exp(x).data())[0]);
      ${ending}`;
      expect(await run(script)).toEqual({ output: "1\n", code: 0 });
    },
    20_000,
  );

  it("survives two devices opened at once, and what the collector frees meanwhile", async () => {
    const script = `
      import { openDevice, tensor, exp } from ${JSON.stringify(main)};
      async function collect() {
        for (let i = 0; i < 10; i++) {
          gc();
          await new Promise((resolve) => setTimeout(resolve, 2));
        }
      }
      const devices = await Promise.all([openDevice("webgpu"), openDevice("webgpu")]);
      for (let round = 0; round < 3; round++) {
        await collect();
        const values = devices.map((device) => exp(tensor([0, 1], [2], { device })).data());
        console.log((await Promise.all(values)).map(([first]) => first).join());
      }
      for (const device of devices) {
        await device.close();
        await collect();
      }`;
    expect(await run(script, "--expose-gc")).toEqual({ output: "1,1\n".repeat(3), code: 0 });
  }, 20_000);
});

/** What a process of its own prints for a module, and its exit code; null where a signal ended it, also after 15 s. */
async function run(
  script: string,
  ...flags: string[]
): Promise<{ output: string; code: number | null }> {
  const args = [...flags, "--input-type=module", "-e", script];
  const child = spawn(process.execPath, args, { timeout: 15_000, killSignal: "SIGKILL" });
  let output = "";
  child.stdout.on("data", (chunk: Buffer) => (output += chunk.toString()));
  child.stderr.on("data", (chunk: Buffer) => (output += chunk.toString()));
  const code = await new Promise<number | null>((resolve) => child.on("close", resolve));
  return { output, code };
}

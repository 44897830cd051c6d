// gradloom devices: what it says of this machine is what the devices themselves say.

import { expect, it } from "vitest";
import { gradloom } from "../support/command.ts";
import { gpu } from "../support/gpu.ts";

interface Described {
  readonly kind: string;
  readonly name?: string;
  readonly features?: readonly string[];
  readonly bindingBytes?: number;
  readonly matmulGflops: number;
}

it("describes the cpu and every adapter, with measured speeds", async () => {
  const { code, stdout, stderr } = await gradloom(["devices", "--json"]);
  expect(code, stderr).toBe(0);
  const { devices } = JSON.parse(stdout) as { devices: Described[] };
  expect(devices[0]!.kind).toBe("cpu");
  const adapter = devices.find(({ name }) => name === gpu.adapter.name)!;
  expect(adapter.kind).toBe("webgpu");
  expect(adapter.features).toEqual([...gpu.adapter.features].sort());
  expect(adapter.bindingBytes).toBe(gpu.adapter.bindingBytes);
  for (const { matmulGflops } of devices) expect(matmulGflops).toBeGreaterThan(0);
  expect(stderr).toContain(`webgpu   ${gpu.adapter.name}`);
  expect(stderr).toContain(`features: ${adapter.features!.join(", ")}`);
});

// The webgpu device tests run on: the machine's own adapter, or SwiftShader (softwareGpu.ts). Opening it fails where
// there is neither; no test is left out for that.

import { afterAll } from "vitest";
import { openWebGpu } from "../../src/tensor/webgpu/open.ts";

export const gpu = await openWebGpu();

afterAll(() => gpu.close());

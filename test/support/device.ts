// The devices tests run on. `cpu` is what users get (WebAssembly where a kernel has it); `plain` runs
// every kernel's TypeScript body.

import { openDevice } from "../../src/kernels/openDevice.ts";

export const cpu = await openDevice("cpu");
export const plain = await openDevice("cpu", { kernels: "plain" });

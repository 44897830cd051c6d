// What openDevice says where a host forbids something, and how it leaves the process. `npm test` builds dist/ first.

import { spawn } from "node:child_process";
import { fileURLToPath } from "node:url";
import { afterEach, describe, expect, it, vi } from "vitest";
import { openDevice } from "../../src/kernels/openDevice.ts";
import { zeros } from "../../src/tensor/tensor.ts";

const index = fileURLToPath(new URL("../../dist/index.js", import.meta.url));
const major = Number(process.versions.node.split(".")[0]);
const PERMISSION = major < 23 ? "--experimental-permission" : "--permission";

/** Opens a device in a process with `flags`. @returns "ok" with a product's element, or the error */
function open(flags: readonly string[], options: object, more = ""): Promise<string> {
  const code = `
const g = await import(${JSON.stringify(index)});
${more}
try {
  const device = await g.openDevice("cpu", ${JSON.stringify(options)});
  const x = g.tensor(new Float32Array(40000).fill(2), [200, 200], { device });
  const [first] = await g.matmul(x, x).data();
  await device.close();
  console.log("ok " + first);
} catch (error) {
  console.log((error instanceof g.GradloomError ? "" : "RAW ") + error.name + ": " + error.message);
}
if (typeof after === "function") after();`;
  return new Promise((resolve, reject) => {
    const child = spawn(process.execPath, [...flags, "--input-type=module", "-e", code]);
    let text = "";
    child.stdout.on("data", (part: Buffer) => (text += part.toString()));
    child.on("error", reject);
    child.on("close", () => resolve(text.trim()));
  });
}

describe("openDevice on the cpu says which setting is in the way", () => {
  const cases: [string, string[], object, RegExp][] = [
    ["no WebAssembly", ["--jitless"], {}, /^DeviceError: .*needs WebAssembly.*without --jitless/],
    [
      "no WebAssembly, plain kernels",
      ["--jitless"],
      { kernels: "plain" },
      /^DeviceError: .*needs WebAssembly/,
    ],
    [
      "no workers",
      [PERMISSION, "--allow-fs-read=*"],
      { threads: 2 },
      /^DeviceError: .*threads must be workers.*--allow-worker, or pass threads: 1/,
    ],
    [
      "no workers, in the background",
      [PERMISSION, "--allow-fs-read=*"],
      { threads: 1, background: true },
      /^DeviceError: .*--allow-worker.*no background/,
    ],
    [
      "no workers, and none asked for",
      [PERMISSION, "--allow-fs-read=*"],
      { threads: 1 },
      /^ok 800$/,
    ],
    [
      "workers allowed",
      [PERMISSION, "--allow-fs-read=*", "--allow-worker"],
      { threads: 2 },
      /^ok 800$/,
    ],
    ["frozen intrinsics", ["--frozen-intrinsics"], { threads: 2 }, /^ok 800$/],
  ];
  it.each(cases)("%s", async (_name, flags, options, expected) => {
    expect(await open(flags, options)).toMatch(expected);
  });
});

it("leaves flags, globals, listeners and prototypes of the process as they were", async () => {
  const state = `
const { RELAXED_PROBE } = await import(${JSON.stringify(index.replace("index.js", "kernels/wasm/load.js"))});
const state = () => JSON.stringify([
  WebAssembly.validate(RELAXED_PROBE),
  Object.getOwnPropertyNames(globalThis).sort(),
  process.eventNames().map((name) => [String(name), process.listenerCount(name)]),
  [Object, Array, Promise, Map, Float32Array].map(({ prototype }) => Reflect.ownKeys(prototype).map(String)),
]);
const before = state();
const after = () => console.log(state() === before ? "as before" : before + " became " + state());`;
  for (const options of [{ threads: 2 }, { threads: 2, background: true }, { wasmVariant: "simd" }])
    expect(await open([], options, state)).toBe("ok 800\nas before");
});

describe("memoryBytes", () => {
  afterEach(() => vi.restoreAllMocks());

  it("leaves a part of what the container may use", async () => {
    vi.spyOn(process, "constrainedMemory").mockReturnValue(100 * 2 ** 20);
    const device = await openDevice("cpu", { threads: 1 });
    expect(() => zeros([22 * 2 ** 20], { device })).toThrow("all tensors must fit in 85.0 MiB");
    await device.close();
  });
});

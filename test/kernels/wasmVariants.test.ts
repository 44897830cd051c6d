// The builds of the WebAssembly kernels: which of them this runtime has, that they agree, and that the flags of V8 under which
// some are compiled are as they were afterwards.

import { readFileSync } from "node:fs";
import { afterEach, describe, expect, it, vi } from "vitest";
import { matmulForward } from "../../src/kernels/matmul/matmul.ts";
import { openDevice } from "../../src/kernels/openDevice.ts";
import {
  compileWasm,
  defaultVariant,
  RELAXED_PROBE,
  variantsHere,
} from "../../src/kernels/wasm/load.ts";
import { compileUnder, mayFlag } from "../../src/kernels/wasm/v8Flags.ts";
import { compileInPairs } from "../../src/kernels/wasm/vectorPairs.ts";
import { scope } from "../../src/tensor/scope.ts";
import { tensor } from "../../src/tensor/tensor.ts";
import { batchedMatmul } from "../reference/matmul.ts";
import { values } from "../support/random.ts";

const major = Number(process.versions.node.split(".")[0]);
const hasAvx2 =
  process.platform === "linux" &&
  process.arch === "x64" &&
  /\bavx2\b/.test(readFileSync("/proc/cpuinfo", "utf8"));
const here = await variantsHere();

it("has what this version of Node can have", () => {
  expect(here).toContain("simd");
  expect(here).toContain("relaxed");
  if (major >= 24 && hasAvx2) expect(here).toContain("wide");
  if (major < 24) expect(here).not.toContain("wide");
});

describe.each(here)("%s", (wasmVariant) => {
  // Tiles, their edges, and sums that go on over several panels.
  it.each([
    [64, 64, 64],
    [61, 70, 300],
    [33, 17, 1100],
    [17, 5, 3],
  ])("multiplies [%i, %i] with an inner length of %i", async (m, n, k) => {
    const device = await openDevice("cpu", { wasmVariant, threads: 1 });
    // Whole numbers: every order of additions gives the same.
    const [a, b] = [values(m * k, 1), values(k * n, 2)].map((x) => x.map((e) => Math.round(4 * e)));
    for (const transposeA of [false, true]) {
      for (const transposeB of [false, true]) {
        const c = scope(() => {
          const left = tensor(a!, transposeA ? [k, m] : [m, k], { device, dtype: "f32" });
          const right = tensor(b!, transposeB ? [n, k] : [k, n], { device, dtype: "f32" });
          return matmulForward(left, right, { transposeA, transposeB });
        });
        const expected = batchedMatmul(a!, b!, { m, n, k, transposeA, transposeB }, [[0, 0]]);
        expect(Array.from(await c.data())).toEqual(Array.from(expected));
      }
    }
    await device.close();
  });
});

it.skipIf(here.includes("wide"))(
  "says what there is instead of a variant that is not",
  async () => {
    await expect(compileWasm("wide")).rejects.toThrow(
      'openDevice: wasmVariant must be one that this runtime has (simd, relaxed), got "wide"',
    );
  },
);

it("leaves relaxed SIMD behind its flag on Node 20", async () => {
  await compileWasm("relaxed");
  expect(WebAssembly.validate(RELAXED_PROBE)).toBe(major > 20);
});

describe("the environment", () => {
  const { GRADLOOM_WASM_VARIANT: before } = process.env;
  afterEach(() => {
    if (before === undefined) delete process.env["GRADLOOM_WASM_VARIANT"];
    else process.env["GRADLOOM_WASM_VARIANT"] = before;
  });

  it("chooses a variant", async () => {
    process.env["GRADLOOM_WASM_VARIANT"] = "simd";
    expect(await defaultVariant()).toBe("simd");
    delete process.env["GRADLOOM_WASM_VARIANT"];
    expect(await defaultVariant()).toBe(here.at(-1));
  });

  it("is told what it may say", async () => {
    process.env["GRADLOOM_WASM_VARIANT"] = "wider";
    await expect(openDevice("cpu")).rejects.toThrow(
      'openDevice: GRADLOOM_WASM_VARIANT must be "simd" or "relaxed" or "wide", got "wider"',
    );
  });
});

describe("flags of V8", () => {
  it("stay away from processes that have some for WebAssembly, and from other versions", () => {
    expect(mayFlag([process.versions.v8])).toBe(true);
    expect(mayFlag(["0."])).toBe(false);
    process.execArgv.push("--no-liftoff");
    try {
      expect(mayFlag([process.versions.v8])).toBe(false);
    } finally {
      process.execArgv.pop();
    }
  });

  it.runIf(major === 20)("are back after code that does not compile", async () => {
    const flags = {
      on: ["--experimental-wasm-relaxed-simd"],
      off: ["--no-experimental-wasm-relaxed-simd"],
    };
    await expect(compileUnder(flags, Uint8Array.of(1, 2, 3))).rejects.toThrow(
      WebAssembly.CompileError,
    );
    expect(WebAssembly.validate(RELAXED_PROBE)).toBe(false);
  });

  it("are left alone for a variant that needs none", async () => {
    vi.resetModules();
    const compileInPairs = vi.fn(() => Promise.resolve(null));
    vi.doMock("../../src/kernels/wasm/vectorPairs.ts", () => ({ compileInPairs }));
    const load = await import("../../src/kernels/wasm/load.ts");
    await load.compileWasm("simd");
    await load.compileWasm("relaxed");
    expect(compileInPairs).not.toHaveBeenCalled();
    vi.doUnmock("../../src/kernels/wasm/vectorPairs.ts");
  });
});

// Whatever makes products wrong or no faster: the kernels are not used.
it.runIf(here.includes("wide"))("does not use kernels that multiply wrongly", async () => {
  const { wasmBase64 } = await import("../../src/kernels/wasm/generated/wide.ts");
  const bytes = Uint8Array.from(atob(wasmBase64), (char) => char.charCodeAt(0));
  const { bindWasm } = await import("../../src/kernels/wasm/load.ts");
  const wrong = await compileInPairs(async () => bytes, async (module, memory) => {
    const bound = await bindWasm(module, memory);
    const matmul = (...args: number[]): void => {
      bound.functions["matmul"]!(...args);
      new Float32Array(memory.buffer, args[3], 1)[0]! += 1;
    };
    return { ...bound, functions: { ...bound.functions, matmul } };
  });
  expect(wrong).toBeNull();
  const right = await compileInPairs(async () => bytes, bindWasm);
  expect(right).toBeInstanceOf(WebAssembly.Module);
});

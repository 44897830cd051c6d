// What TypeScript and the WebAssembly module must agree on: functions, their arguments, numbers and ids.

import { describe, expect, it } from "vitest";
import { definedKernels } from "../../src/kernels/kernel.ts";
import * as constants from "../../src/kernels/wasm/generated/constants.ts";
import { bindWasm, compileRelaxed } from "../../src/kernels/wasm/load.ts";
import { createMemory } from "../../src/tensor/memoryPool.ts";
import type { KernelDescription } from "../../src/tensor/device.ts";
import { sourceFiles } from "../support/sources.ts";

for (const path of sourceFiles("src/kernels")) await import(/* @vite-ignore */ `../../${path}`);

const sources = {
  simd: () => import("../../src/kernels/wasm/generated/simd.ts"),
  relaxed: () => import("../../src/kernels/wasm/generated/relaxed.ts"),
  wide: () => import("../../src/kernels/wasm/generated/wide.ts"),
};
type Variant = keyof typeof sources;

/** Compiled as any module: in pairs of vectors or not, a variant exports the same. */
async function compile(variant: Variant): Promise<WebAssembly.Module> {
  const { wasmBase64 } = await sources[variant]();
  return compileRelaxed(Uint8Array.from(atob(wasmBase64), (char) => char.charCodeAt(0)));
}

describe.each(Object.keys(sources) as Variant[])("the module %s", (variant) => {
  it("exports the numbers that TypeScript was built with", async () => {
    const imports = { env: { memory: createMemory() } };
    const { exports } = await WebAssembly.instantiate(await compile(variant), imports);
    const numbers = Object.entries(exports)
      .filter(([, value]) => value instanceof WebAssembly.Global)
      .map(([name, value]) => [name, (value as WebAssembly.Global).value as number] as const)
      .filter(([name]) => name !== "heapBase");
    expect(numbers.length).toBeGreaterThan(20);
    expect(Object.fromEntries(numbers)).toEqual({ ...constants });
  });
});

const { functions } = await bindWasm(await compile("simd"), createMemory());

interface Called {
  readonly kernel: string;
  readonly name: string;
  /** Arguments that the cpu device passes: see WasmFunction. */
  readonly args: readonly string[];
}

/** The functions that a kernel calls. */
function callsOf({ wasm, ...kernel }: KernelDescription): Called[] {
  if (wasm === undefined) return [];
  const each = "plan" in wasm ? wasm.functions : [{ ...wasm, takesScratch: "scratch" in wasm }];
  return each.map(({ name, selector, reads, writes, params, takesScratch }) => ({
    kernel: kernel.name,
    name,
    args: [
      ...(selector === undefined ? [] : ["selector"]),
      ...(reads ?? Object.keys(kernel.inputs)),
      ...(writes ?? Object.keys(kernel.outputs)),
      ...Object.keys(kernel.params),
      ...(params ?? []),
      ...Object.keys(kernel.constants),
      ...["begin", "end"],
      ...(takesScratch ? ["scratch"] : []),
    ],
  }));
}

describe("WebAssembly functions", () => {
  const calls = [...definedKernels().values()].flatMap(callsOf);

  it("are seen", () => {
    expect(calls.length).toBeGreaterThan(50);
  });

  it.each(calls)("$name takes as many arguments as $kernel passes", ({ name, args }) => {
    expect(functions[name], name).toBeDefined();
    expect(functions[name]!.length, args.join(", ")).toBe(args.length);
  });

  it("are all called by a kernel", () => {
    const called = new Set(calls.map(({ name }) => name));
    expect(Object.keys(functions).filter((name) => !called.has(name))).toEqual([]);
  });
});

describe("an operation that a function does not know", () => {
  it.each([
    ["unaryForward", [], [0, 0, 0]],
    ["unaryBackward", [], [0, 0, 0, 0]],
    ["binary", [], [0, 0, 0, 0]],
    ["binaryBroadcast", [], [0, 0, 0, ...new Array<number>(12).fill(1)]],
    ["binaryScalar", [constants.SUB, constants.DIV], [0, 0, 0, 0]],
  ] as const)("ends %s in a trap", (name, ids, args) => {
    const known = { unary: constants.SIGMOID, binary: constants.DIV };
    const unknown = name.startsWith("unary") ? known.unary + 1 : known.binary + 1;
    for (const id of [...ids, unknown, -1]) {
      // One piece where it is needed: a broadcast result chooses for each row.
      expect(() => functions[name]!(id, ...args, 0, name === "binaryBroadcast" ? 1 : 0)).toThrow(
        WebAssembly.RuntimeError,
      );
    }
    const first = name.startsWith("unary") ? constants.EXP : constants.ADD;
    expect(() => functions[name]!(first, ...args, 0, 0)).not.toThrow();
  });
});

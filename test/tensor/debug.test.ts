// The debug ladder: a line a kernel, plans, WGSL; in the order of dispatches, and nothing while it is off.

import { execFile } from "node:child_process";
import { pathToFileURL } from "node:url";
import { promisify } from "node:util";
import { afterAll, afterEach, describe, expect, it } from "vitest";
import {
  add,
  debugLevel,
  gelu,
  matmul,
  relu,
  setDebug,
  sum,
  tensor,
  zeros,
} from "../../src/index.ts";
import { attentionBackward } from "../../src/kernels/attention/backward.ts";
import { decodeAttentionForward } from "../../src/kernels/attention/decode.ts";
import { attentionForward } from "../../src/kernels/attention/forward.ts";
import { kernelLine, type DebugLevel } from "../../src/tensor/debug.ts";
import type { Device } from "../../src/tensor/device.ts";
import { adapterFacts, requestAdapter, requestGpuDevice } from "../../src/tensor/webgpu/adapter.ts";
import { WebGpuDevice } from "../../src/tensor/webgpu/webgpuDevice.ts";
import { cpu, plain } from "../support/device.ts";
import { gpu } from "../support/gpu.ts";
import { absolutePath } from "../support/sources.ts";

const LINE = /^(cpu|webgpu) (\w+): (.+) \| (\d+\.\d{4}) ms(?: \| ([\d.e+-]+) (GB\/s|GFLOP\/s))?$/;
/** A kernel's line, or a module's text. */
const isHead = (text: string): boolean => !text.startsWith("  ");

afterEach(() => setDebug(0));
afterAll(async () => {
  await cpu.close();
  await plain.close();
});

/** What is printed while `work` runs, and until it is waited for. */
async function printed(level: DebugLevel, device: Device, work: () => void): Promise<string[]> {
  await device.sync();
  const lines: string[] = [];
  setDebug(level, { write: (text) => lines.push(text) });
  work();
  await device.sync();
  setDebug(0);
  return lines;
}

const devices = [
  ["cpu", cpu],
  ["plain", plain],
  ["webgpu", gpu],
] as const;

describe.each(devices)("level 1 on %s", (_name, device) => {
  it("names kernel, dtypes and shapes, and a speed that follows from the time", async () => {
    const [m, k, n] = [128, 192, 256];
    const [a, b] = [zeros([m, k], { device }), zeros([k, n], { device })];
    const lines = await printed(1, device, () => void matmul(a, b));
    expect(lines).toHaveLength(1);
    const [, kind, name, tensors, ms, speed, unit] = LINE.exec(lines[0]!)!;
    expect([kind, name]).toEqual([device.kind, "matmul"]);
    expect(tensors).toBe("a f32 [128, 192], b f32 [192, 256] -> c f32 [128, 256]");
    expect(unit).toBe("GFLOP/s");
    expect(Number(ms)).toBeGreaterThan(0);
    const expected = (2 * m * n * k) / Number(ms) / 1e6;
    expect(Math.abs(Number(speed) / expected - 1)).toBeLessThan(0.02);
  });

  it("gives GB/s of the bytes bound, each storage once", async () => {
    const x = zeros([512, 1024], { device });
    const [line] = await printed(1, device, () => void add(x, x));
    const [, , name, , ms, speed, unit] = LINE.exec(line!)!;
    expect([name, unit]).toEqual(["add", "GB/s"]);
    const expected = (2 * 4 * 512 * 1024) / Number(ms) / 1e6;
    expect(Math.abs(Number(speed) / expected - 1)).toBeLessThan(0.02);
  });

  it("prints one line a dispatch, in their order", async () => {
    const x = zeros([64, 64], { device });
    const before = device.dispatches;
    const lines = await printed(1, device, () => {
      for (let i = 0; i < 30; i++) {
        matmul(x, x);
        relu(x);
        sum(x);
      }
    });
    expect(lines).toHaveLength(device.dispatches - before);
    expect(lines.map((line) => LINE.exec(line)?.[2])).toEqual(
      Array.from({ length: 30 }, () => ["matmul", "reluForward", "sum"]).flat(),
    );
  });

  it("prints nothing while it is off", async () => {
    const x = zeros([64, 64], { device });
    expect(await printed(0, device, () => void matmul(x, x))).toEqual([]);
  });
});

describe("level 2", () => {
  it("tells functions, threads and units on cpu", async () => {
    const x = zeros([256, 256], { device: cpu });
    const [, detail, ...rest] = await printed(2, cpu, () => void matmul(x, x));
    expect(detail).toMatch(
      new RegExp(`^ {2}wasm matmul: threads ${cpu.threads}, units \\d+, rowBlock \\d+, colBlock`),
    );
    expect(rest).toEqual([]);
  });

  it("tells plain bodies, also of f64 on a device with WebAssembly", async () => {
    const doubles = { device: cpu, dtype: "f64" } as const;
    const runs: readonly [Device, () => void][] = [
      [plain, () => void relu(zeros([8], { device: plain }))],
      [cpu, () => void relu(zeros([8], doubles))],
    ];
    for (const [device, work] of runs) {
      expect((await printed(2, device, work)).slice(1)).toEqual(["  plain body, 1 thread"]);
    }
  });

  it("tells passes and temporaries on webgpu, whose times add up to the line's", async () => {
    const x = zeros([512, 512], { device: gpu });
    const lines = await printed(2, gpu, () => void sum(x));
    expect(lines.filter(isHead)).toHaveLength(1);
    const times = lines.flatMap((line) => {
      const time = /^ {2}pass sum\.\w+: grid \d+ x 1 x 1, workgroup 256, .* \| ([\d.]+) ms$/;
      const found = time.exec(line)?.[1];
      return found === undefined ? [] : [Number(found)];
    });
    expect(times).toHaveLength(2);
    const total = Number(LINE.exec(lines[0]!)![4]);
    expect(total).toBeCloseTo(times[0]! + times[1]!, 3);
    expect(lines.at(-1)).toMatch(/^ {2}temporary partial: f32 \[\d+\]$/);
  });

  it("tells tile sizes of a product on webgpu", async () => {
    const x = zeros([64, 64], { device: gpu });
    const [, pass] = await printed(2, gpu, () => void matmul(x, x));
    expect(pass).toMatch(/^ {2}pass matmul\.\w+: grid .*, tileRows \d+, tileCols \d+/);
  });
});

describe("level 3", () => {
  it("prints each WGSL module once, before the first line of its kernel", async () => {
    const x = zeros([64], { device: gpu });
    const lines = await printed(3, gpu, () => {
      relu(x);
      gelu(x);
      relu(x);
    });
    const heads = lines.filter(isHead).map((text) => text.split("\n")[0]!.split(":")[0]);
    expect(heads).toEqual([
      "--- WGSL of reluForward",
      "webgpu reluForward",
      "--- WGSL of geluForward",
      "webgpu geluForward",
      "webgpu reluForward",
    ]);
    expect(lines[0]).toMatch(/@compute @workgroup_size\(WG\)[^]*\n--- end of reluForward$/);
  });

  it("prints them anew once the level is set again", async () => {
    const x = zeros([64], { device: gpu });
    for (let i = 0; i < 2; i++) {
      const [first] = await printed(3, gpu, () => void relu(x));
      expect(first).toMatch(/^--- WGSL of reluForward/);
    }
  });
});

describe("on webgpu", () => {
  it("prints nothing of what warmUp prepares", async () => {
    const x = zeros([64], { device: gpu });
    const lines: string[] = [];
    setDebug(1, { write: (text) => lines.push(text) });
    await gpu.warmUp(() => void relu(x));
    await gpu.sync();
    expect(lines).toEqual([]);
  });

  it("prints with what profile measures, and goes on after it", async () => {
    const x = zeros([64, 64], { device: gpu });
    const lines: string[] = [];
    setDebug(1, { write: (text) => lines.push(text) });
    relu(x);
    const times = await gpu.profile(() => void matmul(x, x));
    gelu(x);
    await gpu.sync();
    expect(lines.map((line) => LINE.exec(line)?.[2])).toEqual([
      "reluForward",
      "matmul",
      "geluForward",
    ]);
    expect(times.map(({ label }) => label.split(".")[0])).toEqual(["matmul"]);
    expect(Number(LINE.exec(lines[1]!)![4])).toBeCloseTo(times[0]!.nanoseconds / 1e6, 3);
  });

  it("comes with the read of a value", async () => {
    const lines: string[] = [];
    setDebug(1, { write: (text) => lines.push(text) });
    const y = relu(tensor([-1, 2], [2], { device: gpu }));
    expect(lines).toEqual([]);
    expect(await y.data()).toEqual(new Float32Array([0, 2]));
    expect(lines).toHaveLength(1);
  });

  it("prints to the writer of the dispatch, also after it was turned off, and before the device closes", async () => {
    const adapter = await requestAdapter({});
    const device = await requestGpuDevice(adapter);
    const opened = new WebGpuDevice(device, adapterFacts(adapter, device));
    const lines: string[] = [];
    setDebug(1, { write: (text) => lines.push(text) });
    relu(zeros([64], { device: opened }));
    setDebug(0);
    await opened.close();
    expect(lines).toEqual([expect.stringMatching(LINE)]);
  });

  it("says so once where the adapter has no timestamps, and prints lines without times", async () => {
    const adapter = await requestAdapter({});
    const device = await requestGpuDevice(adapter);
    const facts = adapterFacts(adapter, device);
    const features = new Set([...facts.features].filter((name) => name !== "timestamp-query"));
    const opened = new WebGpuDevice(device, { ...facts, features });
    const x = zeros([64], { device: opened });
    const lines = await printed(1, opened, () => {
      relu(x);
      relu(x);
    });
    await opened.close();
    const line = "webgpu reluForward: x f32 [64] -> y f32 [64]";
    expect(lines).toEqual([expect.stringContaining("no timestamp-query"), line, line]);
  });
});

describe("operations of attention", () => {
  const [batch, size, heads, headDim] = [2, 32, 2, 16];
  const product = 2 * batch * heads * size * size * headDim;
  const settings = { heads, dropout: null, scale: 1, causal: false };
  const x = zeros([batch, size, heads * headDim], { device: cpu });
  /** Products that the line of `kernel` counts. */
  const products = async (kernel: string, work: () => void): Promise<number> => {
    const lines = (await printed(1, cpu, work)).map((line) => LINE.exec(line)!);
    const [, , , , ms, speed, unit] = lines.find(([, , name]) => name === kernel)!;
    expect(unit).toBe("GFLOP/s");
    return (Number(speed) * Number(ms) * 1e6) / product;
  };

  it("counts scores and values forward", async () => {
    const count = await products(
      "attentionForward",
      () => void attentionForward(x, x, x, { ...settings, bias: null, mask: null }),
    );
    expect(count).toBeCloseTo(2, 1);
  });

  it.each([
    [{ q: true, k: true, v: true }, 5],
    [{ q: true, k: false, v: false }, 3],
    [{ q: false, k: true, v: true }, 4],
  ])("counts what the gradients %j need", async (needs, expected) => {
    const { y, lse } = attentionForward(x, x, x, { ...settings, bias: null, mask: null });
    const saved = { q: x, k: x, v: x, bias: null, mask: null, offsets: null, y, lse };
    const backward = () => void attentionBackward(x, saved, settings, { ...needs, bias: false });
    expect(await products("attentionBackward", backward)).toBeCloseTo(expected, 1);
  });

  it("counts a decoding step by the filled positions", async () => {
    const query = zeros([batch, heads * headDim], { device: cpu });
    const cache = zeros([batch, heads, size, headDim], { device: cpu });
    const rows = Array.from({ length: batch }, (_, row) => [row, size / 2 - 1]);
    const places = tensor(Int32Array.from(rows.flat()), [batch, 2], { device: cpu });
    const options = { places, keys: (batch * size) / 2 };
    const decode = () => void decodeAttentionForward(query, cache, cache, options);
    expect(await products("decodeAttention", decode)).toBeCloseTo(1 / size, 3);
  });
});

describe("kernelLine", () => {
  const call = { text: "cpu relu: x f32 [8] -> y f32 [8]", flops: null, bytes: 64 };

  it("writes speeds in plain digits, and none for a clock that did not move", () => {
    expect(kernelLine({ ...call, flops: 5e10 }, 1)).toBe(
      `${call.text} | 1.0000 ms | 50000 GFLOP/s`,
    );
    expect(kernelLine(call, 0.001)).toBe(`${call.text} | 0.0010 ms | 0.0640 GB/s`);
    expect(kernelLine(call, 0)).toBe(`${call.text} | 0.0000 ms`);
    expect(kernelLine(call, null)).toBe(call.text);
  });
});

describe("setDebug", () => {
  it("is told back by debugLevel, and refuses other levels", () => {
    expect(debugLevel()).toBe(0);
    setDebug(2, { write: () => undefined });
    expect(debugLevel()).toBe(2);
    expect(() => setDebug(4 as DebugLevel)).toThrow(
      "setDebug: the level must be 0, 1, 2 or 3, got 4",
    );
  });
});

/** A program of a user: `npm test` builds dist/ first. */
describe("GRADLOOM_DEBUG", () => {
  const entry = pathToFileURL(absolutePath("dist/index.js")).href;
  const run = (value: string, first = "") =>
    promisify(execFile)(
      process.execPath,
      [
        "--input-type=module",
        "--eval",
        `import { openDevice, relu, setDebug, tensor } from ${JSON.stringify(entry)};
         ${first}
         try {
           const device = await openDevice("cpu", { threads: 1 });
           relu(tensor([1], [1], { device }));
           await device.close();
         } catch (error) { console.log(error.name, error.message); }
         console.log("done");`,
      ],
      { env: { ...process.env, GRADLOOM_DEBUG: value } },
    );

  it("prints to stderr and leaves stdout alone", async () => {
    const { stdout, stderr } = await run("2");
    expect(stdout).toBe("done\n");
    expect(stderr).toMatch(
      /^cpu reluForward: x f32 \[1\] -> y f32 \[1\] \| .*\n {2}wasm unaryForward: threads 1, units 1\n$/,
    );
  });

  it.each(["", "0"])("%j is off", async (value) => {
    expect(await run(value)).toEqual({ stdout: "done\n", stderr: "" });
  });

  it("yields to setDebug", async () => {
    expect((await run("2", "setDebug(0);")).stderr).toBe("");
  });

  it("is refused by openDevice where it is no level", async () => {
    const { stdout, stderr } = await run("all");
    expect(stdout).toBe(
      'DeviceError openDevice: GRADLOOM_DEBUG must be 0, 1, 2 or 3, got "all"\ndone\n',
    );
    expect(stderr).toBe("");
  });
});

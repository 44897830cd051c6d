// The tarball that npm would publish, unpacked into a project that has its dependencies: programs over the main entry and the
// subpaths compile and run; and one that npm installs it into. Full runs only: packing and compiling take half a minute.

import { execFile } from "node:child_process";
import { existsSync, readFileSync } from "node:fs";
import { mkdir, mkdtemp, readFile, realpath, rm, symlink, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { promisify } from "node:util";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { isFull } from "../support/full.ts";
import { VERSION } from "../../src/tensor/version.ts";
import { npmInstall, packInto } from "../support/packedProject.ts";
import { absolutePath } from "../support/sources.ts";

const run = promisify(execFile);

const program = `
import { backward, matmul, mseLoss, ones, openDevice, type Tensor } from "gradloom";
import { defineKernel, empty, launch, record } from "gradloom/kernels";
import { describeOp, dim, openTestDevices, values } from "gradloom/testing";

const double = defineKernel({
  name: "double",
  inputs: { x: "float" },
  outputs: { y: "float" },
  params: { size: "u32" },
  plain({ x, y }, { size }) {
    for (let i = 0; i < size; i++) y[i] = 2 * x[i]!;
  },
});
function doubled(x: Tensor): Tensor {
  const run = (x: Tensor) => {
    const y = empty(x.device, x.shape, x.dtype);
    launch(double, { x, y }, { size: x.size });
    return y;
  };
  return record({ name: "double", inputs: [x], output: run(x), saved: {}, backward: (dy) => [run(dy)] });
}

const device = await openDevice("cpu");
const x = ones([2, 2], { device, requiresGrad: true });
const loss = mseLoss(matmul(x, x), doubled(x));
console.log(await loss.item(), await backward(loss).get(x)!.array());

const tests: Promise<void>[] = [];
const { plain, cpu } = await openTestDevices();
describeOp(
  {
    name: "double",
    arbitrary: dim,
    build: (size) => ({
      inputs: [{ shape: [size], values: values(size, 1) }],
      apply: ([x]: Tensor[]) => doubled(x!),
      expected: { shape: [size], values: values(size, 1).map((x) => 2 * x) },
    }),
    constants: {},
  },
  {
    describe: (_name, body) => body(),
    it: (_name, body) => void tests.push(body()),
    devices: { plain, cpu, webgpu: null },
  },
);
await Promise.all(tests);
console.log(tests.length, "tests");
for (const each of [device, plain, cpu]) await each.close();
`;

const required = `for (const name of ["gradloom", "gradloom/kernels", "gradloom/testing"]) console.log(Object.keys(require(name)).length > 5);`;

const tsc = absolutePath("node_modules/typescript/bin/tsc");
const STRICT = ["--strict", "--target", "es2022"];

async function runCompiled(folder: string): Promise<string> {
  await run(
    process.execPath,
    [tsc, ...STRICT, "--declaration", "--module", "nodenext", "program.ts"],
    {
      cwd: folder,
    },
  );
  return (await run(process.execPath, ["program.js"], { cwd: folder })).stdout;
}

/** Of nested conditions and names. */
function pathsIn(value: object | string): string[] {
  return typeof value === "string" ? [value] : Object.values(value).flatMap(pathsIn);
}

const PRINTED = "0 [ [ 0, 0 ], [ 0, 0 ] ]\n2 tests\n";

describe.runIf(isFull)("the tarball", { timeout: 300_000 }, () => {
  let folder: string;
  let tarball: string;
  beforeAll(async () => {
    folder = await realpath(await mkdtemp(join(tmpdir(), "gradloom-tarball-")));
    tarball = packInto(folder);
    const home = join(folder, "node_modules", "gradloom");
    await mkdir(home, { recursive: true });
    await run("tar", ["-xzf", tarball, "-C", home, "--strip-components=1"]);
    const { dependencies } = JSON.parse(await readFile(join(home, "package.json"), "utf8")) as {
      dependencies: Record<string, string>;
    };
    for (const name of [...Object.keys(dependencies), "fast-check", "@types/node"]) {
      const link = join(folder, "node_modules", name);
      await mkdir(dirname(link), { recursive: true });
      await symlink(absolutePath(`node_modules/${name}`), link);
    }
    await writeFile(join(folder, "package.json"), '{ "type": "module" }');
  });
  afterAll(() => rm(folder, { recursive: true }));

  it("compiles and runs over the main entry, gradloom/kernels and gradloom/testing", async () => {
    await writeFile(join(folder, "program.ts"), program);
    expect(await runCompiled(folder)).toBe(PRINTED);
  });

  it("has types that bundlers resolve, too", async () => {
    // A type that is not found would be any, and nothing wrong then.
    const wrong = "// @ts-expect-error: no tensors\nmatmul(1, 2);\n";
    await writeFile(join(folder, "bundled.ts"), program + wrong);
    const flags = ["--module", "esnext", "--moduleResolution", "bundler", "--noEmit"];
    await run(process.execPath, [tsc, ...STRICT, ...flags, "bundled.ts"], { cwd: folder });
  });

  it("is installed by npm with what it needs, and then compiles, runs and is found by require()", async ({
    skip,
  }) => {
    const fresh = join(folder, "fresh");
    await mkdir(fresh);
    await writeFile(join(fresh, "package.json"), '{ "type": "module", "private": true }');
    try {
      npmInstall(fresh, [tarball, "@types/node@20", "fast-check@4"], "--omit=optional");
    } catch {
      skip("npm cannot install here");
    }
    await writeFile(join(fresh, "program.ts"), program);
    expect(await runCompiled(fresh)).toBe(PRINTED);
    await writeFile(join(fresh, "program.cjs"), required);
    const { stdout } = await run(process.execPath, ["program.cjs"], { cwd: fresh });
    expect(stdout).toBe("true\ntrue\ntrue\n");
    const command = join(fresh, "node_modules/.bin/gradloom");
    expect((await run(command, ["--version"])).stdout.trim()).toBe(VERSION);
  });

  it("is found by require()", async () => {
    await writeFile(join(folder, "program.cjs"), required);
    const { stdout } = await run(process.execPath, ["program.cjs"], { cwd: folder });
    expect(stdout).toBe("true\ntrue\ntrue\n");
  });

  it("holds every file that its package.json and its source maps name", async () => {
    const home = join(folder, "node_modules", "gradloom");
    const description = JSON.parse(await readFile(join(home, "package.json"), "utf8")) as Record<
      "exports" | "bin" | "browser",
      object
    >;
    const named = [...pathsIn(description.exports), ...pathsIn(description.bin)];
    const replaced = Object.keys(description.browser).filter((name) => name.startsWith("./"));
    const { stdout } = await run("find", ["dist", "-name", "*.map"], { cwd: home });
    const maps = stdout.trim().split("\n");
    const sources = maps.flatMap((map) => {
      const { sources } = JSON.parse(readFileSync(join(home, map), "utf8")) as {
        sources: string[];
      };
      return sources.map((source) => join(dirname(map), source));
    });
    const missing = [...named, ...replaced, ...sources].filter(
      (path) => !existsSync(join(home, path)),
    );
    expect({ missing, hasMaps: sources.length > 100 }).toEqual({ missing: [], hasMaps: true });
  });

  it("evaluates its example model on its example rows", async () => {
    const command = join(folder, "node_modules/gradloom/dist/cli/main.js");
    const flags = ["--rouge-rows", "2", "--max-new-tokens", "2", "--device", "cpu", "--json"];
    const { stdout } = await run(process.execPath, [command, "evaluate", ...flags], {
      cwd: folder,
    });
    expect(JSON.parse(stdout)).toMatchObject({ rows: 2 });
  });

  it("has no declarations of base64", async () => {
    const { stdout } = await run(
      "find",
      ["node_modules/gradloom/dist", "-name", "*.d.ts", "-size", "+40k"],
      {
        cwd: folder,
      },
    );
    expect(stdout).toBe("");
  });
});

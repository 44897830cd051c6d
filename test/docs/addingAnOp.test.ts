// docs/internals/adding-an-op.md, followed literally in a copy of the repository.

import { execFile } from "node:child_process";
import { cp, mkdtemp, readFile, realpath, rm, symlink, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { isFull } from "../support/full.ts";
import { applyStep, pageSteps, type PageStep } from "../support/pageSteps.ts";
import { absolutePath, readSource } from "../support/sources.ts";

const COPIED = ["src", "test", "bench", "scripts", "package.json", "tsconfig.json"].concat([
  "vitest.config.ts",
  "eslint.config.js",
  ".prettierignore",
  ".prettierrc.json",
]);
const TEST = "test/autograd/softCap.test.ts";
const ASSEMBLY = "src/kernels/wasm/assembly/index.ts";
const REFERENCE = "test/reference/softCap.ts";

interface Outcome {
  readonly ok: boolean;
  readonly output: string;
}

interface TestRun {
  readonly passed: readonly string[];
  readonly failures: string;
}

let folder: string;
const steps = pageSteps(readSource("docs/internals/adding-an-op.md"));
const isOf = (path: string) => (step: PageStep) => step.path === path;

function run(...args: readonly string[]): Promise<Outcome> {
  // The copy has its own vitest, which must not take itself for a worker of this one.
  const env = Object.fromEntries(
    Object.entries(process.env).filter(([name]) => !name.startsWith("VITEST")),
  );
  return new Promise((resolve) => {
    execFile(
      process.execPath,
      args,
      { cwd: folder, env, maxBuffer: 1 << 26 },
      (error, out, errors) => {
        resolve({ ok: error === null, output: `${out}${errors}` });
      },
    );
  });
}

const buildWasm = (): Promise<Outcome> => run("scripts/buildWasm.mjs");

async function runTest(path: string): Promise<TestRun> {
  const report = join(folder, "report.json");
  const tool = "node_modules/vitest/vitest.mjs";
  await run(tool, "run", path, "--reporter=json", `--outputFile=${report}`);
  const { testResults } = JSON.parse(await readFile(report, "utf8")) as {
    testResults: {
      message: string;
      assertionResults: { fullName: string; status: string; failureMessages: string[] }[];
    }[];
  };
  await rm(report);
  const tests = testResults.flatMap((file) => file.assertionResults);
  const failed = tests.filter(({ status }) => status === "failed");
  return {
    passed: tests.filter(({ status }) => status === "passed").map(({ fullName }) => fullName),
    failures: [
      ...testResults.map(({ message }) => message),
      ...failed.flatMap(({ fullName, failureMessages }) => [fullName, ...failureMessages]),
    ]
      .filter(Boolean)
      .join("\n"),
  };
}

describe("docs/internals/adding-an-op.md", () => {
  beforeAll(async () => {
    folder = await realpath(await mkdtemp(join(tmpdir(), "gradloom-adding-an-op-")));
    await Promise.all(
      COPIED.map((name) => cp(absolutePath(name), join(folder, name), { recursive: true })),
    );
    await symlink(await realpath(absolutePath("node_modules")), join(folder, "node_modules"));
  });
  afterAll(() => rm(folder, { recursive: true }));

  it("names each file of an op", () => {
    expect(steps.map(({ kind, path }) => `${kind} ${path}`)).toEqual([
      `create ${REFERENCE}`,
      "create src/kernels/pointwise/softCap.ts",
      "create src/kernels/wasm/assembly/pointwise/softCap.ts",
      `add ${ASSEMBLY}`,
      "create src/autograd/ops/softCap.ts",
      "add src/autograd/index.ts",
      `create ${TEST}`,
      "add bench/kernels/pointwise.ts",
      "add bench/kernels/pointwise.ts",
      "add bench/gpu/kernelWork.ts",
    ]);
  });

  it.runIf(isFull)("says what is missing without the line in assembly/index.ts", async () => {
    // Not built: the compiler takes up no file that index.ts does not name.
    for (const step of steps) if (!isOf(ASSEMBLY)(step)) await applyStep(folder, step);
    const { failures } = await runTest(TEST);
    expect(failures).toContain("no WebAssembly function softCapForward");
  });

  it.runIf(isFull)(
    "passes its own tests on wasm, plain and webgpu when every step is done",
    async () => {
      await applyStep(folder, steps.find(isOf(ASSEMBLY))!);
      expect(await buildWasm()).toEqual({ ok: true, output: "" });
      const { passed, failures } = await runTest(TEST);
      expect(failures).toBe("");
      expect(passed).toEqual([
        "softCap equals the f64 reference, in f64 and f32",
        "softCap has the gradient of central differences",
        "softCap equals the reference on webgpu, forward and backward",
        "softCap scores far beyond the cap, on webgpu",
        "softCap no elements, on webgpu",
        "softCap scores far beyond the cap",
        "softCap no elements",
        "softCap depends on cap",
        "equals its composition from small ops",
        "names a cap that bounds nothing",
      ]);
    },
  );

  it.runIf(isFull)("type-checks, and is formatted as the repository is", async () => {
    const written = steps.map(({ path }) => path).filter((path) => !path.includes("/assembly/"));
    const config = { extends: "./tsconfig.json", include: [], files: [...new Set(written)] };
    await writeFile(join(folder, "tsconfig.page.json"), JSON.stringify(config));
    const types = await run("node_modules/typescript/bin/tsc", "-p", "tsconfig.page.json");
    expect(types).toEqual({ ok: true, output: "" });
    const style = await run("node_modules/prettier/bin/prettier.cjs", "--check", ...written);
    expect(style.output).toContain("All matched files use Prettier code style!");
  });

  it.runIf(isFull)(
    "passes the tests that hold every op to its parts, and they name a missing reference",
    async () => {
      const complete = await runTest("test/meta/completeness.test.ts");
      expect(complete.failures).toBe("");
      expect(complete.passed.join("\n")).toMatch(/^ops '?softCap'? is tested$/m);
      await rm(join(folder, REFERENCE));
      const { failures } = await runTest("test/meta/completeness.test.ts");
      expect(failures).toMatch(/^ops '?softCap'? is tested$/m);
      expect(failures).toContain("softCap.ts");
    },
  );
});

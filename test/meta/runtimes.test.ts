// The packed package in Deno and Bun: a program over the cpu device gives what it gives in Node. Full runs only: npm installs
// 200 MB first.

import { execFile } from "node:child_process";
import { writeFile } from "node:fs/promises";
import { join } from "node:path";
import { promisify } from "node:util";
import { beforeAll, describe, expect, it } from "vitest";
import { isFull } from "../support/full.ts";
import { packedProject } from "../support/packedProject.ts";
import { absolutePath } from "../support/sources.ts";

const run = promisify(execFile);

/** The packages `deno` and `bun` find these when they are installed, which no script of theirs has to do here. */
const [DENO, BUN] = ["@deno/linux-x64-glibc", "@oven/bun-linux-x64-baseline"] as const;

/** A product with its gradient, training steps and files of a model: on one thread and on two. */
const PROGRAM = `
import {
  backward, matmul, openDevice, sum, summarize, T5Config, T5ForConditionalGeneration, tensor, Tokenizer, Trainer,
} from "gradloom";

const [model, out] = process.argv.slice(2);
const CONFIG = { vocab_size: 96, d_model: 32, d_kv: 8, d_ff: 64, num_heads: 4, num_layers: 2 };
const trainDataset = Array.from({ length: 8 }, (_, i) => ({ inputIds: [5 + i, 6, 7, 1], labels: [8 + i, 1] }));
const args = { maxSteps: 3, perDeviceTrainBatchSize: 4, loggingSteps: 1, saveStrategy: "no", disableTqdm: true };

async function figures(device) {
  const x = tensor([[1, 2], [3, 4]], undefined, { device, requiresGrad: true });
  const y = matmul(x, x);
  const product = await y.array();
  const gradient = await backward(sum(y)).get(x).array();
  const fresh = T5ForConditionalGeneration.fromConfig(T5Config.fromJSON(CONFIG), { device, seed: 7 });
  const trainer = new Trainer({ model: fresh, trainDataset, args });
  await trainer.train();
  const losses = trainer.state.logHistory.flatMap(({ loss }) => loss ?? []);
  await fresh.savePretrained(out);
  const reloaded = await T5ForConditionalGeneration.fromPretrained(out, { device });
  const tokens = await reloaded.generate({ inputIds: [[5, 6, 1]] }, { maxNewTokens: 4, minNewTokens: 4 });
  const pretrained = await T5ForConditionalGeneration.fromPretrained(model, { device });
  const tokenizer = await Tokenizer.fromPretrained(model);
  const text = "#Person1#: Shall we meet at six?\\n#Person2#: Six is fine.";
  const summary = await summarize(pretrained, tokenizer, [text], { maxNewTokens: 24 });
  return { threads: device.threads, product, gradient, losses, tokens, summary };
}

const found = [];
for (const threads of [1, 2]) {
  const device = await openDevice("cpu", { threads });
  found.push(await figures(device));
  await device.close();
}
console.log(JSON.stringify(found));
`;

interface Figures {
  readonly threads: number;
  readonly losses: readonly number[];
}

const isHere = process.platform === "linux" && process.arch === "x64";
const project = isFull && isHere ? packedProject("runtimes", [DENO, BUN]) : "full runs only";

describe.skipIf(typeof project === "string")("the packed package", { timeout: 300_000 }, () => {
  const { folder } = project as Exclude<typeof project, string>;
  let expected: readonly Figures[];

  beforeAll(async () => {
    await writeFile(join(folder, "program.mjs"), PROGRAM);
    expected = await figuresOf(process.execPath);
    expect(expected.map(({ threads }) => threads)).toEqual([1, 2]);
    expect(expected).toMatchObject([
      {
        product: [
          [7, 10],
          [15, 22],
        ],
        gradient: [
          [7, 11],
          [9, 13],
        ],
      },
      { summary: [expect.stringMatching(/\w+ \w+/)] },
    ]);
  });

  async function figuresOf(command: string, ...flags: string[]): Promise<readonly Figures[]> {
    const parameters = [absolutePath("examples/model"), join(folder, "out")];
    const { stdout } = await run(command, [...flags, "program.mjs", ...parameters], {
      cwd: folder,
    });
    return JSON.parse(stdout) as Figures[];
  }

  it.each([
    ["Deno", join(DENO, "deno"), ["run", "--allow-all"]],
    ["Bun", join(BUN, "bin/bun"), ["run"]],
  ])("computes, trains, saves and summarises in %s as in Node", async (_name, path, flags) => {
    const actual = await figuresOf(join(folder, "node_modules", path), ...flags);
    const plain = (all: readonly Figures[]) => all.map(({ losses: _losses, ...others }) => others);
    expect(plain(actual)).toEqual(plain(expected));
    actual.forEach(({ losses }, i) =>
      losses.forEach((loss, step) => {
        expect(Math.abs(loss / expected[i]!.losses[step]! - 1)).toBeLessThan(1e-5);
      }),
    );
    expect(actual.map(({ losses }) => losses.length)).toEqual([3, 3]);
  });
});

// The sizes that docs/guide/browser.md gives are those of today, within a tenth. Full runs only: the builds take seconds.

import { gzipSync } from "node:zlib";
import { basename } from "node:path";
import { build } from "esbuild";
import { describe, expect, it } from "vitest";
import { isFull } from "../support/full.ts";
import { absolutePath, readSource } from "../support/sources.ts";

/** Names that a page of each row uses; null for all. */
const PAGES: Readonly<Record<string, string | null>> = {
  "`openDevice`, `tensor`, `matmul`": "openDevice, tensor, matmul",
  "with `backward` and six ops":
    "openDevice, tensor, matmul, backward, add, softmax, sum, relu, mul, rmsNorm",
  "T5 and `Tokenizer`": "openDevice, T5ForConditionalGeneration, Tokenizer",
  "with `Trainer`": "openDevice, T5ForConditionalGeneration, Tokenizer, Trainer",
  everything: null,
};

async function bundled(names: string | null): Promise<readonly [name: string, text: string][]> {
  const contents =
    names === null
      ? 'import * as all from "gradloom"; console.log(all);'
      : `import { ${names} } from "gradloom"; console.log(${names});`;
  const { outputFiles } = await build({
    stdin: { contents, resolveDir: absolutePath(".") },
    alias: { gradloom: absolutePath("dist/browser.js") },
    ...{ bundle: true, format: "esm", minify: true, splitting: true },
    ...{ write: false, outdir: "/", logLevel: "silent" },
  });
  return outputFiles.map(({ path, text }) => [basename(path), text]);
}

const kilobytes = (bytes: number): number => bytes / 1000;

describe.runIf(isFull)("docs/guide/browser.md", () => {
  const page = readSource("docs/guide/browser.md");
  const rows = [...page.matchAll(/^\| (.+?) +\| ([\d.-]+) +\| ([\d.]+) +\|$/gm)].map(
    ([, title, size, zipped]) => ({ title: title!, size: size!, zipped: zipped! }),
  );

  it("has a row for each page measured here, and one for the kernels", () => {
    const titles = rows.map(({ title }) => title);
    expect(titles).toEqual([...Object.keys(PAGES), "beside it, one WebAssembly build"]);
  });

  it.each(rows)("$title", async ({ title, size, zipped }) => {
    const files = await bundled(title in PAGES ? PAGES[title]! : "openDevice");
    const wanted = title in PAGES ? /^stdin\.js$/ : /^simd-/;
    const [, text] = files.find(([name]) => wanted.test(name))!;
    const near = (actual: number, stated: number): void =>
      expect(Math.abs(actual / stated - 1), `${actual} kB, stated ${stated}`).toBeLessThan(0.1);
    near(kilobytes(text.length), Number(size.split("-").at(-1)));
    near(kilobytes(gzipSync(text).length), Number(zipped));
  });
});

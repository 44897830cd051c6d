// What npm would publish: the files that source maps and messages send a reader to, and an address to write to.

import { execFileSync } from "node:child_process";
import { beforeAll, describe, expect, it } from "vitest";
import { VERSION } from "../../src/tensor/version.ts";
import { absolutePath, readSource, sourceFiles } from "../support/sources.ts";

/** Stands in package.json until it is settled where the repository lives. */
const PLACEHOLDER = "https://example.invalid/";

let packed: Set<string>;
beforeAll(() => {
  const json = execFileSync("npm", ["pack", "--dry-run", "--json", "--ignore-scripts"], {
    cwd: absolutePath("."),
    encoding: "utf8",
    stdio: ["ignore", "pipe", "ignore"],
  });
  const [{ files }] = JSON.parse(json) as [{ files: { path: string }[] }];
  packed = new Set(files.map(({ path }) => path));
});

describe("the package", () => {
  it("holds the sources that its source maps and declaration maps point to", () => {
    expect(sourceFiles("src").filter((path) => !packed.has(path))).toEqual([]);
  });

  it("holds the pages that messages, --help and docstrings name", () => {
    const named = sourceFiles("src").flatMap((path) =>
      [...readSource(path).matchAll(/\bdocs\/(?:(?:guide|internals)\/)?[\w-]+\.md\b/g)].map(
        ([page]) => ({ path, page }),
      ),
    );
    expect(named.length).toBeGreaterThan(10);
    expect(named.filter(({ page }) => !packed.has(page))).toEqual([]);
  });

  it("holds what npm's page and a reader look for", () => {
    const wanted = ["README.md", "CHANGELOG.md", "LICENSE"];
    expect(wanted.filter((path) => !packed.has(path))).toEqual([]);
  });

  it("holds neither what is made from it nor what only the repository needs", () => {
    const wrong = /^(test|bench|scripts|docs\/api|src\/kernels\/wasm\/(assembly|generated))\//;
    expect([...packed].filter((path) => wrong.test(path) || /\.(png|gif)$/.test(path))).toEqual([]);
  });
});

describe("package.json", () => {
  it("has the version that model cards name", () => {
    expect((JSON.parse(readSource("package.json")) as { version: string }).version).toBe(VERSION);
  });

  const { repository, homepage, bugs, keywords, author } = JSON.parse(
    readSource("package.json"),
  ) as Record<string, { url: string } & string>;
  const addresses = [repository!.url.replace(/^git\+/, ""), bugs!.url, homepage!];

  it("names one place for the source, for reports and for a reader", () => {
    const place = addresses[0]!.replace(/\.git$/, "");
    for (const address of addresses) expect(address.startsWith(place)).toBe(true);
    expect(keywords!.length).toBeGreaterThan(5);
    expect(author).toBeTruthy();
  });

  it.skipIf(addresses.some((address) => address.startsWith(PLACEHOLDER)))(
    `has a real address for the repository (skipped: it is the placeholder ${addresses[0]})`,
    () => {
      for (const address of addresses) expect(new URL(address).hostname).not.toMatch(/invalid$/);
    },
  );
});

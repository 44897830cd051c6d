// A project that has the package as npm publishes it, installed by npm with its dependencies.

import { execFileSync } from "node:child_process";
import { createHash } from "node:crypto";
import { existsSync, mkdirSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { absolutePath, readSource } from "./sources.ts";

export interface PackedProject {
  readonly folder: string;
}

/**
 * The project, or why there is none, in one line. It is kept between runs, but for the package itself: npm takes longer than
 * what is tested there.
 * @param packages what else is installed, as npm's command line names it
 */
export function packedProject(name: string, packages: readonly string[]): PackedProject | string {
  const { dependencies, optionalDependencies } = JSON.parse(readSource("package.json")) as object &
    Record<string, unknown>;
  const wanted = JSON.stringify([packages, dependencies, optionalDependencies]);
  const key = createHash("sha256").update(wanted).digest("hex").slice(0, 12);
  const folder = join(tmpdir(), `gradloom-${name}-${key}`);
  const installed = join(folder, "installed");
  mkdirSync(folder, { recursive: true });
  const tarball = packInto(folder);
  if (existsSync(installed)) {
    unpack(tarball, folder);
    return { folder };
  }
  writeFileSync(join(folder, "package.json"), '{ "type": "module", "private": true }');
  try {
    npmInstall(folder, [tarball, ...packages]);
  } catch {
    return `npm cannot install ${packages.join(", ") || "the package"} here`;
  }
  writeFileSync(installed, "");
  return { folder };
}

/** @returns path of the tarball that `npm publish` would send, of what `npm run build` has made */
export function packInto(folder: string): string {
  const flags = ["--json", "--ignore-scripts", "--pack-destination", folder];
  const json = execFileSync("npm", ["pack", ...flags], {
    cwd: absolutePath("."),
    encoding: "utf8",
    stdio: ["ignore", "pipe", "ignore"],
  });
  const [{ filename }] = JSON.parse(json) as [{ filename: string }];
  return join(folder, filename);
}

/** Adds packages to the project in the folder. @throws {Error} where npm cannot */
export function npmInstall(folder: string, packages: readonly string[], ...more: string[]): void {
  const flags = ["--no-audit", "--no-fund", "--silent", "--ignore-scripts", "--prefer-offline"];
  execFileSync("npm", ["install", ...flags, ...more, ...packages], {
    ...{ cwd: folder, stdio: "ignore", timeout: 300_000 },
  });
}

function unpack(tarball: string, folder: string): void {
  const home = join(folder, "node_modules", "gradloom");
  rmSync(home, { recursive: true, force: true });
  mkdirSync(home, { recursive: true });
  execFileSync("tar", ["-xzf", tarball, "-C", home, "--strip-components=1"]);
}

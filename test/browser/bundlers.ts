// Bundlers as a page's author calls them: what each of them needs for any page, and nothing that is there for the library.

import { execFile } from "node:child_process";
import { writeFile } from "node:fs/promises";
import { createRequire } from "node:module";
import { join } from "node:path";
import { pathToFileURL } from "node:url";
import { promisify } from "node:util";
import { build } from "esbuild";

/** Vite as package.json has it; `process` is what Parcel installs of its own accord when a file of a page reads process. */
export const BUNDLERS = ["webpack@5", "vite@~8.3.4", "rollup@4"].concat(
  ...["@rollup/plugin-node-resolve", "@rollup/plugin-commonjs", "parcel@2", "process"],
);

/** Builds `folder`/entry.js to `folder`/out, with an index.html there or else as entry.js. @returns warnings */
type Bundler = (folder: string) => Promise<readonly string[]>;

/** A package that is installed above the folder. */
async function tool<T>(folder: string, name: string): Promise<T> {
  const path = createRequire(join(folder, "package.json")).resolve(name);
  return (await import(pathToFileURL(path).href)) as T;
}

interface Webpack {
  default(
    options: object,
    done: (
      error: Error | null,
      stats: {
        toJson(what: object): Record<"errors" | "warnings", { message: string }[]>;
      },
    ) => void,
  ): void;
}
interface Rollup {
  rollup(options: object): Promise<{ write(options: object): Promise<unknown> }>;
}
interface Plugin {
  default(options?: object): object;
}

export const bundlers: Readonly<Record<string, Bundler>> = {
  async esbuild(folder) {
    const { warnings } = await build({
      ...{ absWorkingDir: folder, entryPoints: ["entry.js"], outdir: "out" },
      ...{ bundle: true, format: "esm", splitting: true, logLevel: "silent" },
    });
    return warnings.map(({ text }) => text);
  },
  async webpack(folder) {
    const { default: webpack } = await tool<Webpack>(folder, "webpack");
    const output = { path: join(folder, "out"), filename: "entry.js" };
    const shown = { all: false, errors: true, warnings: true };
    const options = { mode: "production", context: folder, entry: "./entry.js", output };
    const found = await new Promise<Record<"errors" | "warnings", { message: string }[]>>(
      (done, fail) =>
        webpack({ ...options, target: "web", performance: false }, (error, stats) =>
          error ? fail(error) : done(stats.toJson(shown)),
        ),
    );
    return [...found.errors, ...found.warnings].map(({ message }) => message);
  },
  async vite(folder) {
    const { build } = await tool<{ build(options: object): Promise<unknown> }>(folder, "vite");
    const warnings: string[] = [];
    const note = (text: string) => void warnings.push(text);
    const logger = { info() {}, warn: note, warnOnce: note, error: note, clearScreen() {} };
    const output = { entryFileNames: "entry.js" };
    await build({
      ...{
        root: folder,
        base: "/out/",
        configFile: false,
        customLogger: { ...logger, hasErrorLogged: () => false },
      },
      build: {
        ...{ outDir: "out", chunkSizeWarningLimit: 1e6 },
        rollupOptions: { input: "index.html", output },
      },
    });
    return warnings;
  },
  async rollup(folder) {
    const { rollup } = await tool<Rollup>(folder, "rollup");
    const resolve = await tool<Plugin>(folder, "@rollup/plugin-node-resolve");
    const commonjs = await tool<Plugin>(folder, "@rollup/plugin-commonjs");
    const warnings: string[] = [];
    const bundle = await rollup({
      input: join(folder, "entry.js"),
      plugins: [resolve.default({ browser: true }), commonjs.default()],
      onwarn: ({ code, message }: { code: string; message: string }) => {
        // Dependencies have some; they are none of the page's.
        if (!["CIRCULAR_DEPENDENCY", "EVAL", "THIS_IS_UNDEFINED"].includes(code))
          warnings.push(message);
      },
    });
    await bundle.write({ dir: join(folder, "out"), format: "es" });
    return warnings;
  },
  async parcel(folder) {
    // An app of its own, with the one setting that Parcel needs: without it no `exports` of any package is read.
    const setting = { "@parcel/resolver-default": { packageExports: true } };
    await writeFile(join(folder, "package.json"), JSON.stringify({ private: true, ...setting }));
    await writeFile(join(folder, "package-lock.json"), "{}");
    const command = createRequire(join(folder, "package.json")).resolve("parcel/lib/bin.js");
    const flags = ["--no-cache", "--no-autoinstall", "--no-source-maps", "--public-url", "/out/"];
    try {
      await promisify(execFile)(
        process.execPath,
        [command, "build", "index.html", "--dist-dir", "out", "--log-level", "warn", ...flags],
        { cwd: folder },
      );
      return [];
    } catch (error) {
      const { stdout, stderr } = error as { readonly stdout: string; readonly stderr: string };
      return [stdout + stderr];
    }
  },
};

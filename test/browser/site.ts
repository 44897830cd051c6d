// A bundled page and its server.

import { readFile } from "node:fs/promises";
import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { posix } from "node:path";
import { fileURLToPath } from "node:url";
import { build, type Metafile } from "esbuild";

const here = (path: string) => fileURLToPath(new URL(path, import.meta.url));

export interface Bundle {
  /** By name: page.js, and the chunks that it imports. */
  readonly files: ReadonlyMap<string, string>;
  readonly metafile: Metafile;
  readonly warnings: readonly string[];
}

/** page.mjs as a site would ship it: minified, in chunks, and with no setting that is there for the library. */
export async function bundlePage(): Promise<Bundle> {
  const { outputFiles, metafile, warnings } = await build({
    entryPoints: [here("page.mjs")],
    ...{ bundle: true, format: "esm", splitting: true, minify: true, target: "es2022" },
    ...{ write: false, metafile: true, outdir: "bundle", logLevel: "silent" },
  });
  return {
    files: new Map(outputFiles.map(({ path, text }) => [posix.basename(path), text])),
    metafile,
    warnings: warnings.map(({ text }) => text),
  };
}

const ISOLATED = {
  "Cross-Origin-Opener-Policy": "same-origin",
  "Cross-Origin-Embedder-Policy": "require-corp",
};
/** Headers of the pages. */
const PAGES: Readonly<Record<string, Readonly<Record<string, string>>>> = {
  "/isolated": ISOLATED,
  "/plain": {},
  "/withoutBlobs": { ...ISOLATED, "Content-Security-Policy": "worker-src 'self'" },
  "/withoutWasm": { ...ISOLATED, "Content-Security-Policy": "script-src 'self'" },
  "/trustedTypes": {
    ...ISOLATED,
    "Content-Security-Policy":
      "script-src 'self' 'wasm-unsafe-eval'; worker-src blob:; require-trusted-types-for 'script'",
  },
};
const HTML =
  '<!doctype html><title>gradloom</title><script type="module" src="/bundle/page.js"></script>';

export interface Site {
  /** Ends without a slash. */
  readonly url: string;
  close(): void;
}

/** Serves the pages, the bundle, and the example's model under /model/. */
export async function serve(bundle: Bundle): Promise<Site> {
  const server = createServer((request, response) => {
    const path = request.url ?? "/";
    const send = (type: string, content: string | Buffer, headers = {}) =>
      response.writeHead(200, { "Content-Type": type, ...headers }).end(content);
    const name = posix.basename(path);
    const script = path.startsWith("/bundle/") ? bundle.files.get(name) : undefined;
    if (path === "/hanging") send("text/plain", "");
    else if (path in PAGES) send("text/html", HTML, PAGES[path]);
    // The worker is a document of its own: it is isolated if its script says so.
    else if (script !== undefined) send("text/javascript", script, ISOLATED);
    else if (path === "/cpuWorker.js") {
      void readFile(here("../../dist/cpuWorker.js"), "utf8").then((text) =>
        send("text/javascript", text, ISOLATED),
      );
    } else if (path.startsWith("/model/")) {
      readFile(here(`../../examples/model/${name}`)).then(
        (content) => send("application/octet-stream", content),
        () => response.writeHead(404).end(),
      );
    } else response.writeHead(404).end();
  });
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  const { port } = server.address() as AddressInfo;
  return { url: `http://127.0.0.1:${port}`, close: () => server.close() };
}

// The built page, served as a static host does: with the isolation headers, or without.

import { createServer, type Server } from "node:http";
import type { AddressInfo } from "node:net";
import { existsSync } from "node:fs";
import { readFile } from "node:fs/promises";
import { extname, join, normalize } from "node:path";
import { fileURLToPath } from "node:url";
import { build } from "vite";

const CONFIG = fileURLToPath(new URL("../../vite.web.config.ts", import.meta.url));

const TYPES: Readonly<Record<string, string>> = {
  ".html": "text/html",
  ".js": "text/javascript",
  ".css": "text/css",
  ".json": "application/json",
  ".svg": "image/svg+xml",
};

/** Builds the page into a folder of this run. */
export async function buildPage(outDir: string): Promise<void> {
  await build({ configFile: CONFIG, logLevel: "error", build: { outDir, emptyOutDir: true } });
}

export interface PageSite {
  readonly url: string;
  close(): void;
}

export async function servePage(folder: string, isIsolated = true): Promise<PageSite> {
  const server: Server = createServer((request, response) => {
    const { pathname } = new URL(request.url!, "http://page");
    const path = join(folder, normalize(pathname === "/" ? "/index.html" : pathname));
    if (!path.startsWith(folder) || !existsSync(path)) return void response.writeHead(404).end();
    const headers: Record<string, string> = {
      "content-type": TYPES[extname(path)] ?? "application/octet-stream",
    };
    if (isIsolated) {
      headers["cross-origin-opener-policy"] = "same-origin";
      headers["cross-origin-embedder-policy"] = "require-corp";
    }
    void readFile(path).then((bytes) => response.writeHead(200, headers).end(bytes));
  });
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  const { port } = server.address() as AddressInfo;
  return { url: `http://127.0.0.1:${port}`, close };

  function close(): void {
    server.close();
    server.closeAllConnections();
  }
}

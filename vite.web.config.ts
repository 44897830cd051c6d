// Builds the page: `npm run build:web` writes dist-web, `npm run web` builds and serves it. The library comes from dist, as
// an application has it.

import { fileURLToPath } from "node:url";
import { defineConfig } from "vite";
import { peakLoops } from "./scripts/web/peakLoops.ts";

const fromRoot = (path: string): string => fileURLToPath(new URL(path, import.meta.url));

/** The threads of the cpu device share memory, which browsers allow on isolated pages alone. */
const isolated = {
  "Cross-Origin-Opener-Policy": "same-origin",
  "Cross-Origin-Embedder-Policy": "require-corp",
};

/** The example keeps its names, so that its weight is not taken for the page's. */
const output = {
  assetFileNames: ({ originalFileNames: [name = ""] }: { readonly originalFileNames: string[] }) =>
    name.includes("examples/") ? "example/[name][extname]" : "assets/[name]-[hash][extname]",
};

export default defineConfig({
  root: fromRoot("web"),
  // Any folder of any host.
  base: "./",
  resolve: {
    alias: [
      { find: /^gradloom$/, replacement: fromRoot("dist/browser.js") },
      { find: /^gradloom\/kernels$/, replacement: fromRoot("dist/kernelsEntry.js") },
    ],
  },
  plugins: [peakLoops()],
  // A worker of the default format, iife, has no top-level await.
  worker: { format: "es", plugins: () => [peakLoops()], rolldownOptions: { output } },
  build: {
    outDir: fromRoot("dist-web"),
    emptyOutDir: true,
    target: "es2022",
    assetsInlineLimit: 0,
    chunkSizeWarningLimit: 1000,
    rolldownOptions: { output },
  },
  server: { headers: isolated, fs: { allow: [fromRoot(".")] } },
  preview: { headers: isolated },
});

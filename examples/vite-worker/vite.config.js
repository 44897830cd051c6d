import { defineConfig } from "vite";

const isolated = {
  "Cross-Origin-Opener-Policy": "same-origin",
  "Cross-Origin-Embedder-Policy": "require-corp",
};

export default defineConfig({
  // A worker of the default format, iife, has no top-level await.
  worker: { format: "es" },
  // The threads of the cpu device share memory, which browsers allow on isolated pages alone.
  server: { headers: isolated },
  preview: { headers: isolated },
});

// tfjs-backend-wasm starts its threads from blob: URLs, which Node's workers do not take. For that one package blobs
// become files, so that it is compared with its threads and not without.

import { mkdtempSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";

/** What the package's code finds in the main thread: blobs as here, and modules under the names its bundler chose. */
const PRELUDE = `URL.createObjectURL = String;
globalThis.commonjsGlobal = globalThis;
if (typeof require === "function") {
  const modules = { 0: "fs", 1: "path", 3: "perf_hooks", 4: "os" };
  for (const [i, name] of Object.entries(modules)) globalThis["require$$" + i] = require(name);
}
`;

/**
 * From now on a new Blob of texts is the path of a file, which URL.createObjectURL gives back, in threads as well.
 * @returns what makes Blob, URL.createObjectURL and Worker what they were
 */
export function giveBlobsFiles(): () => void {
  const before = ["Blob", "Worker"].map(
    (name) => [name, Object.getOwnPropertyDescriptor(globalThis, name)] as const,
  );
  const { createObjectURL } = URL;
  const folder = mkdtempSync(join(tmpdir(), "gradloom-peers-"));
  let count = 0;
  const create = function (parts: readonly string[]) {
    const path = join(folder, `blob${count++}.cjs`);
    writeFileSync(path, [PRELUDE, ...parts].join(""));
    // A String object: `new` must give an object, and messages to threads carry it over.
    return Object(path) as object;
  };
  Object.defineProperty(globalThis, "Blob", { value: create, configurable: true });
  URL.createObjectURL = String;
  return () => {
    URL.createObjectURL = createObjectURL;
    for (const [name, descriptor] of before) {
      if (descriptor) Object.defineProperty(globalThis, name, descriptor);
      else Reflect.deleteProperty(globalThis, name);
    }
  };
}

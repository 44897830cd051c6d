// Node's own modules without an import of them: a bundler for pages finds no `node:` address in the library's files, and
// needs no setting for them (docs/guide/browser.md#bundlers).

import type * as crypto from "node:crypto";
import type * as fs from "node:fs";
import type * as fsPromises from "node:fs/promises";
import type * as os from "node:os";
import type * as path from "node:path";
import type * as stream from "node:stream";
import type * as url from "node:url";
import type * as v8 from "node:v8";
import type * as workerThreads from "node:worker_threads";
import type * as zlib from "node:zlib";
import { GradloomError } from "./errors.ts";

interface NodeModules {
  readonly "node:crypto": typeof crypto;
  readonly "node:fs": typeof fs;
  readonly "node:fs/promises": typeof fsPromises;
  readonly "node:os": typeof os;
  readonly "node:path": typeof path;
  readonly "node:stream": typeof stream;
  readonly "node:url": typeof url;
  readonly "node:v8": typeof v8;
  readonly "node:worker_threads": typeof workerThreads;
  readonly "node:zlib": typeof zlib;
}

/**
 * A module of Node by its address, as `import` of it would give. Deno and Bun have them, too.
 * @throws {GradloomError} in pages, and in runtimes without process.getBuiltinModule
 */
export function nodeModule<Id extends keyof NodeModules>(id: Id): NodeModules[Id] {
  const host = globalThis.process as Partial<typeof process> | undefined;
  if (host?.getBuiltinModule === undefined) {
    throw new GradloomError(
      `${id}: must be run by Node 20.16, Deno 2.1 or Bun 1.2 at least, got a runtime without process.getBuiltinModule.`,
    );
  }
  return host.getBuiltinModule(id) as unknown as NodeModules[Id];
}

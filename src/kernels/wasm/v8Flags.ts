// Compiling WebAssembly under flags of V8 that are off by default. They are on only while a module is compiled; what was compiled
// under them stays as it is, in this thread and in those that the module is sent to.

import { isNode } from "../../tensor/runtime.ts";
import { nodeModule } from "../../tensor/nodeModule.ts";

export interface Flags {
  readonly on: readonly string[];
  /** What takes each of them back. */
  readonly off: readonly string[];
}

/**
 * Whether this is Node with one of these versions of V8, without flags for WebAssembly of its user's: they would not be what they
 * were afterwards.
 * @param versions beginnings of process.versions.v8; others may not know a flag, or give it another meaning
 */
export function mayFlag(versions: readonly string[]): boolean {
  if (!isNode || process.execArgv.some((flag) => /wasm|liftoff/.test(flag))) return false;
  // Others that carry V8 (Electron, Deno) build it in other ways, and say so behind its version.
  const { v8 } = process.versions;
  return v8.includes("-node.") && versions.some((version) => v8.startsWith(version));
}

/** @throws {WebAssembly.CompileError} */
export async function compileUnder(
  { on, off }: Flags,
  bytes: Uint8Array<ArrayBuffer>,
): Promise<WebAssembly.Module> {
  const { setFlagsFromString } = nodeModule("node:v8");
  for (const flag of on) setFlagsFromString(flag);
  try {
    // Not WebAssembly.compile, which goes on after the flags are back.
    return new WebAssembly.Module(bytes);
  } finally {
    for (const flag of off) setFlagsFromString(flag);
  }
}

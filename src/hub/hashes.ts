// Hashes of files that are larger than memory: Node's own; in pages @noble/hashes, for crypto.subtle wants all bytes at once.

import { nodeModule } from "../tensor/nodeModule.ts";
import { isNode } from "../tensor/runtime.ts";

export interface Hash {
  update(bytes: Uint8Array): void;
  /** In hexadecimal; to be called once. */
  digest(): string;
}

export async function createHash(algorithm: "sha1" | "sha256"): Promise<Hash> {
  if (isNode) {
    const hash = nodeModule("node:crypto").createHash(algorithm);
    return { update: (bytes) => void hash.update(bytes), digest: () => hash.digest("hex") };
  }
  const create =
    algorithm === "sha256"
      ? (await import("@noble/hashes/sha2.js")).sha256
      : (await import("@noble/hashes/legacy.js")).sha1;
  const hash = create.create();
  return {
    update: (bytes) => void hash.update(bytes),
    digest: () => Array.from(hash.digest(), (byte) => byte.toString(16).padStart(2, "0")).join(""),
  };
}

// Packed pages, through libraries that stop where a page is longer than its header says.

import { nodeModule } from "../../tensor/nodeModule.ts";
import { isNode } from "../../tensor/runtime.ts";
import { ParquetDamage, refuse } from "./damage.ts";
import type { Unpack } from "./pages.ts";

/** Loaded when a Parquet file is read. */
export async function unpacker(): Promise<Unpack> {
  const { compressors } = await import("hyparquet-compressors");
  const { decompress } = await import("fzstd");
  // Of Node's two and of pages', whose own know no synchronous call.
  const zlib = isNode ? nodeModule("node:zlib") : undefined;
  return (codec, bytes, size) => {
    if (size === 0) return new Uint8Array(); // LZ4's reader does not know the end of an empty block
    // A limit of 0 would be none.
    const limit = { maxOutputLength: size + 1 };
    try {
      switch (codec) {
        case "UNCOMPRESSED":
          return bytes;
        case "GZIP":
          return zlib?.gunzipSync(bytes, limit) ?? compressors.GZIP!(bytes, size);
        case "BROTLI":
          return zlib?.brotliDecompressSync(bytes, limit) ?? compressors.BROTLI!(bytes, size);
        case "ZSTD":
          return decompress(bytes, zstdOutput(size));
        case "SNAPPY":
        case "LZ4":
        case "LZ4_RAW":
          return compressors[codec]!(bytes, size);
        case "LZO":
        default:
          return refuse("a compression that is not known");
      }
    } catch (error) {
      if (error instanceof ParquetDamage) throw error;
      return refuse(`a page that is not packed with ${codec}`);
    }
  };
}

/**
 * Where fzstd may write, and no further: without it, it takes the memory that the page asks for. It compares the array with
 * the number 1, for which JavaScript would make all of it a text.
 */
function zstdOutput(size: number): Uint8Array {
  const output = new Uint8Array(size);
  return Object.defineProperty(output, Symbol.toPrimitive, { value: () => "output" });
}

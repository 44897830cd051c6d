// Streams of compressed files.

import type { Readable } from "node:stream";
import type * as Xz from "xz-decompress";
import { nodeModule } from "../../tensor/nodeModule.ts";
import { isNode } from "../../tensor/runtime.ts";
import type { Bytes } from "./byteQueue.ts";
import { zstdFrames } from "./zstdFrames.ts";

export function unpackStream(bytes: Bytes, packing: "gzip" | "xz" | "zstd"): Bytes {
  if (packing === "xz") return xz(bytes);
  if (packing === "zstd") return zstd(bytes);
  return isNode ? gunzipInNode(bytes as Readable) : gunzip(bytes);
}

function gunzipInNode(bytes: Readable): Bytes {
  const stream = nodeModule("node:zlib").createGunzip();
  bytes.on("error", (error) => stream.destroy(error));
  return bytes.pipe(stream);
}

function gunzip(bytes: Bytes): Bytes {
  const unpacking = new DecompressionStream("gzip") as ReadableWritablePair<Uint8Array, Uint8Array>;
  return fromWeb(toWeb(bytes).pipeThrough(unpacking));
}

async function* xz(bytes: Bytes): AsyncGenerator<Uint8Array, void, undefined> {
  const { XzReadableStream } = await xzLibrary();
  // The library uses its buffer again.
  for await (const piece of fromWeb(new XzReadableStream(toWeb(bytes)))) yield piece.slice();
}

/** A CommonJS module, whose names bundlers find and Node does not: there all of it is the default. */
async function xzLibrary(): Promise<typeof Xz> {
  const library = (await import("xz-decompress")) as Partial<typeof Xz> & { default?: typeof Xz };
  return library.default ?? (library as typeof Xz);
}

async function* zstd(bytes: Bytes): AsyncGenerator<Uint8Array, void, undefined> {
  const { Decompress } = await import("fzstd");
  let ready: Uint8Array[] = [];
  const decompress = new Decompress((piece) => ready.push(piece));
  for await (const chunk of zstdFrames(bytes)) {
    decompress.push(chunk);
    yield* ready;
    ready = [];
  }
  decompress.push(new Uint8Array(0), true);
  yield* ready;
}

function toWeb(bytes: Bytes): ReadableStream<Uint8Array<ArrayBuffer>> {
  const iterator = bytes[Symbol.asyncIterator]();
  return new ReadableStream({
    async pull(controller) {
      const { done, value } = await iterator.next();
      if (done) controller.close();
      else controller.enqueue(value as Uint8Array<ArrayBuffer>);
    },
    async cancel() {
      await iterator.return?.();
    },
  });
}

/** The DOM's types know no `for await` over a stream. */
async function* fromWeb(
  stream: ReadableStream<Uint8Array>,
): AsyncGenerator<Uint8Array, void, undefined> {
  const reader = stream.getReader();
  try {
    for (;;) {
      const { done, value } = await reader.read();
      if (done) return;
      yield value;
    }
  } finally {
    await reader.cancel().catch(() => undefined);
  }
}

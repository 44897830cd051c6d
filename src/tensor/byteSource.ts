// Reading ranges of bytes from a file, from memory or from a Blob, so that a checkpoint larger than
// memory, or than one typed array may be, can be read piece by piece.

import { GradloomError, SafetensorsError } from "./errors.ts";
import { files } from "./files/files.ts";

export interface ByteSource {
  /** What messages call it: the path, or the Blob's name. */
  readonly name: string;
  /** In bytes. */
  readonly size: number;
  /** A copy of the bytes from `begin` up to `end`, in a buffer of its own. */
  read(begin: number, end: number): Promise<ArrayBuffer>;
  close(): Promise<void>;
}

/** Bytes per call of the system: Linux moves at most 2^31 - 4096. */
const READ_LIMIT = 2 ** 30;

/** What messages about a file begin with, and the class that carries them. */
export interface FileFormat {
  readonly name: string;
  readonly error: new (message: string, options?: ErrorOptions) => GradloomError;
}

const SAFETENSORS: FileFormat = { name: "safetensors", error: SafetensorsError };

/**
 * @param source path, bytes or Blob
 * @throws format.error when there is no such file, and when it is cut while it is read
 */
export async function openByteSource(
  source: string | Uint8Array | Blob,
  format: FileFormat = SAFETENSORS,
): Promise<ByteSource> {
  if (typeof source === "string") return openFile(source, format);
  if (source instanceof Uint8Array) return fromBytes(source);
  if (source instanceof Blob) return fromBlob(source);
  throw new format.error(
    `${format.name}: the source must be a path, a Uint8Array or a Blob, got ${typeof source}`,
  );
}

function fromBytes(bytes: Uint8Array): ByteSource {
  return {
    name: "Uint8Array",
    size: bytes.length,
    read: async (begin, end) => new Uint8Array(bytes.subarray(begin, end)).buffer,
    close: async () => {},
  };
}

function fromBlob(blob: Blob): ByteSource {
  return {
    name: "name" in blob && typeof blob.name === "string" ? blob.name : "Blob",
    size: blob.size,
    read: (begin, end) => blob.slice(begin, end).arrayBuffer(),
    close: async () => {},
  };
}

async function openFile(path: string, format: FileFormat): Promise<ByteSource> {
  const handle = await files.open(path, "r").catch((error: unknown) => {
    throw cannotRead(path, format, error);
  });
  const stat = await handle.stat();
  if (!stat.isFile()) {
    await handle.close();
    throw new format.error(`${format.name}: ${path}: must be a file, got a folder or device`);
  }
  return {
    name: path,
    size: stat.size,
    async read(begin, end) {
      const bytes = new Uint8Array(end - begin);
      for (let done = 0; done < bytes.length;) {
        const length = Math.min(bytes.length - done, READ_LIMIT);
        const { bytesRead } = await handle
          .read(bytes, done, length, begin + done)
          .catch((error: unknown) => {
            throw cannotRead(path, format, error);
          });
        if (bytesRead === 0) {
          throw new format.error(
            `${format.name}: ${path}: must keep its ${stat.size} bytes while it is read, got cut at ${begin + done}`,
          );
        }
        done += bytesRead;
      }
      return bytes.buffer;
    },
    close: () => handle.close(),
  };
}

function cannotRead(path: string, format: FileFormat, error: unknown): GradloomError {
  if (error instanceof GradloomError) return error;
  const code = (error as NodeJS.ErrnoException).code ?? String(error);
  const reason = code === "ENOENT" ? "there is no such file" : `it cannot be read (${code})`;
  return new format.error(`${format.name}: ${path}: ${reason}. Check the path.`, { cause: error });
}

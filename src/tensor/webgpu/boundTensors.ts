// Which part of which buffer each binding of a pass is.

import type { KernelDescription, KernelTensors } from "../device.ts";
import { dtypes, type Dtype } from "../dtype.ts";
import { KernelError } from "../errors.ts";
import type { WgslPass } from "../wgsl.ts";
import type { BoundBuffer } from "./bindGroups.ts";
import type { BufferPool, PooledBuffer } from "./bufferPool.ts";
import type { PreparedPass } from "./preparedCalls.ts";
import { webGpuStorage, type WebGpuStorage } from "./storage.ts";

/** Room for the bindings of null tensors: those that are written need a place of their own each. */
const ABSENT_BYTES = 256;
const MOST_BINDINGS = 8;

/** Storage that a call brings along: temporaries, and copies of inputs. */
export type Extra = ReadonlyMap<string, WebGpuStorage>;

export class BoundTensors {
  readonly #bindingBytes: number;
  readonly #absentRead: PooledBuffer;
  readonly #absentWrite: PooledBuffer;

  /** @param bindingBytes the most of a buffer that a binding may be */
  constructor(pool: BufferPool, bindingBytes: number) {
    this.#bindingBytes = bindingBytes;
    this.#absentRead = pool.take(ABSENT_BYTES);
    this.#absentWrite = pool.take(MOST_BINDINGS * ABSENT_BYTES);
  }

  /** @throws {KernelError} for a tensor that is larger than a binding may be */
  of(
    kernel: KernelDescription,
    { pass, pipeline, sources }: PreparedPass,
    tensors: KernelTensors,
    extra: Extra | null,
  ): BoundBuffer[] {
    const bound: BoundBuffer[] = [];
    let absent = 0;
    for (const { name, access } of pipeline.shape.bindings) {
      const source = sources[bound.length]!;
      const x = tensors[source];
      const storage = extra?.get(source) ?? (x && webGpuStorage(x.storage));
      if (storage) {
        bound.push(this.#bind(kernel, pass, name, storage, x?.dtype ?? "u32")); // temporaries are words
      } else if (access === "read") {
        bound.push({ buffer: this.#absentRead, offset: 0, size: undefined });
      } else {
        const offset = ABSENT_BYTES * absent++;
        bound.push({ buffer: this.#absentWrite, offset, size: ABSENT_BYTES });
      }
    }
    return bound;
  }

  #bind(
    kernel: KernelDescription,
    pass: WgslPass,
    name: string,
    { buffer, offset, byteLength, isSlice }: WebGpuStorage,
    dtype: Dtype,
  ): BoundBuffer {
    const range = pass.ranges?.[name];
    const perElement = dtypes[dtype].bytes;
    const bytes = range ? perElement * range.size : byteLength;
    if (bytes > this.#bindingBytes) {
      throw new KernelError(
        kernel.name,
        `${name} must fit in a binding of ${this.#bindingBytes} bytes on this adapter, got ${bytes}. ` +
          "Use the cpu device, or an adapter with larger limits.",
      );
    }
    // A slice ends where it ends: a dispatch that writes two of one buffer may not bind any byte twice.
    if (!range && !isSlice && buffer.size <= this.#bindingBytes) {
      return { buffer, offset, size: undefined };
    }
    const start = offset + (range ? perElement * range.offset : 0);
    return { buffer, offset: start, size: Math.ceil(bytes / 16) * 16 };
  }
}

import { SLICE_ALIGNMENT, type Storage } from "../device.ts";
import { invariant } from "../errors.ts";
import type { PooledBuffer } from "./bufferPool.ts";

/** Bytes of a GPU buffer. */
export class WebGpuStorage implements Storage {
  readonly buffer: PooledBuffer;
  /** In bytes. */
  readonly offset: number;
  readonly byteLength: number;
  /** Part of another storage: its buffer has other tensors' bytes, too. */
  readonly isSlice: boolean;
  readonly #free: (storage: WebGpuStorage) => void;
  #references = 1;

  constructor(
    buffer: PooledBuffer,
    offset: number,
    byteLength: number,
    free: (storage: WebGpuStorage) => void,
    isSlice = false,
  ) {
    this.buffer = buffer;
    this.offset = offset;
    this.byteLength = byteLength;
    this.#free = free;
    this.isSlice = isSlice;
  }

  get shared(): boolean {
    return this.#references > 1;
  }

  /** Whether anybody views these bytes still. */
  get isHeld(): boolean {
    return this.#references > 0;
  }

  retain(): void {
    this.#references++;
  }

  release(): void {
    invariant(this.#references > 0, () => "storage released more often than retained");
    if (--this.#references === 0) this.#free(this);
  }

  slice(byteOffset: number, byteLength: number): WebGpuStorage {
    const fits = byteOffset % SLICE_ALIGNMENT === 0 && byteOffset + byteLength <= this.byteLength;
    invariant(fits, () => `no slice of ${byteLength} bytes at ${byteOffset} of ${this.byteLength}`);
    this.retain();
    const offset = this.offset + byteOffset;
    return new WebGpuStorage(this.buffer, offset, byteLength, () => this.release(), true);
  }
}

export function webGpuStorage(storage: Storage): WebGpuStorage {
  invariant(storage instanceof WebGpuStorage, () => "storage of another device");
  return storage;
}

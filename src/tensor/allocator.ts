// Best-fit allocator over one growing block of addresses, with free neighbours joined.
// It only does arithmetic; who owns the bytes (a WebAssembly memory here) grows on request.

const ALIGNMENT = 64; // a cache line; also what 128-bit loads want

interface FreeBlock {
  offset: number;
  size: number;
}

export class Allocator {
  readonly #grow: (end: number) => boolean;
  /** Free blocks in address order, never adjacent to each other. */
  readonly #free: FreeBlock[] = [];
  readonly #sizes = new Map<number, number>();
  #end: number;
  #used = 0;

  /**
   * @param base first usable address, in bytes
   * @param grow makes addresses below `end` usable; false when there is no more memory
   */
  constructor(base: number, grow: (end: number) => boolean) {
    this.#end = roundUp(base);
    this.#grow = grow;
  }

  /** Bytes in allocated blocks, rounding included. */
  get usedBytes(): number {
    return this.#used;
  }

  /** Bytes that were claimed from the memory and are free now. */
  get freeBytes(): number {
    return this.#free.reduce((sum, block) => sum + block.size, 0);
  }

  /** Address of `bytes` fresh bytes (not zeroed), a multiple of 64; null when memory is exhausted. */
  allocate(bytes: number): number | null {
    const size = roundUp(Math.max(bytes, 1));
    const offset = this.#takeFree(size) ?? this.#extend(size);
    if (offset === null) return null;
    this.#sizes.set(offset, size);
    this.#used += size;
    return offset;
  }

  free(offset: number): void {
    const size = this.#sizes.get(offset);
    if (size === undefined) throw new Error(`internal: free of ${offset}, which is not allocated`);
    this.#sizes.delete(offset);
    this.#used -= size;
    const at = this.#lowerBound(offset);
    const before = this.#free[at - 1];
    const after = this.#free[at];
    const joinsBefore = before !== undefined && before.offset + before.size === offset;
    const joinsAfter = after !== undefined && offset + size === after.offset;
    if (joinsBefore && joinsAfter) {
      before.size += size + after.size;
      this.#free.splice(at, 1);
    } else if (joinsBefore) {
      before.size += size;
    } else if (joinsAfter) {
      after.offset = offset;
      after.size += size;
    } else {
      this.#free.splice(at, 0, { offset, size });
    }
  }

  /** Best fit: the smallest block that is large enough, so that large holes stay whole. */
  #takeFree(size: number): number | null {
    let best = -1;
    for (let i = 0; i < this.#free.length; i++) {
      const candidate = this.#free[i]!.size;
      if (candidate >= size && (best < 0 || candidate < this.#free[best]!.size)) {
        best = i;
        if (candidate === size) break;
      }
    }
    const block = this.#free[best];
    if (block === undefined) return null;
    const offset = block.offset;
    if (block.size === size) this.#free.splice(best, 1);
    else {
      block.offset += size;
      block.size -= size;
    }
    return offset;
  }

  #extend(size: number): number | null {
    const last = this.#free.at(-1);
    // A hole at the very end is extended rather than left behind.
    const offset =
      last !== undefined && last.offset + last.size === this.#end ? last.offset : this.#end;
    if (!this.#grow(offset + size)) return null;
    if (offset !== this.#end) this.#free.pop();
    this.#end = offset + size;
    return offset;
  }

  #lowerBound(offset: number): number {
    let low = 0;
    let high = this.#free.length;
    while (low < high) {
      const middle = (low + high) >> 1;
      if (this.#free[middle]!.offset < offset) low = middle + 1;
      else high = middle;
    }
    return low;
  }
}

function roundUp(bytes: number): number {
  return Math.ceil(bytes / ALIGNMENT) * ALIGNMENT;
}

// Memory of the cpu device. A WebAssembly memory has at most 4 GiB, and an instance sees only one: kernels run in
// the first, called near here. When it is full, the storages that were used longest ago move to further memories,
// far ones, and come back when a kernel needs them. In a training step those are the optimizer's moments, which
// nothing reads between two updates, and frozen weights.
//
// Nothing outside keeps an address: whoever needs one asks for it between two allocations.

import { Allocator } from "./allocator.ts";
import { SLICE_ALIGNMENT, type Storage } from "./device.ts";
import type { Dtype, StorageArray } from "./dtype.ts";
import { storageView } from "./dtype.ts";
import { invariant } from "./errors.ts";
import { leaveMemory, PAGE, takeMemory, type AdviseMemory } from "./memoryPool.ts";

/** Storages below this size stay near: moving them frees nothing worth the search. */
const WORTH_MOVING = 4096;

export interface MemoryLimits {
  /** Most bytes of one memory, a multiple of 64 KiB; 4 GiB unless a test wants less. */
  readonly eachBytes: number;
  /** Most bytes of all storages together. */
  readonly totalBytes: number;
  /** Done with every further memory. */
  readonly adviseMemory?: AdviseMemory | undefined;
}

/** A WebAssembly memory with its allocator. */
class Bank {
  readonly memory: WebAssembly.Memory;
  readonly allocator: Allocator;
  /** Of the memory as large as it is now. V8 takes microseconds to say which one that is, and a token asks for it a dozen times. */
  buffer: ArrayBufferLike;
  readonly #mostPages: number;

  constructor(memory: WebAssembly.Memory, base: number, mostBytes: number) {
    this.memory = memory;
    this.buffer = memory.buffer;
    this.#mostPages = mostBytes / PAGE;
    this.allocator = new Allocator(base, (end) => this.#growTo(end));
  }

  bytes({
    offset,
    byteLength,
  }: {
    readonly offset: number;
    readonly byteLength: number;
  }): Uint8Array {
    return new Uint8Array(this.buffer, offset, byteLength);
  }

  #growTo(end: number): boolean {
    // The memory may be larger than this device may use: another had it before.
    if (end > this.#mostPages * PAGE) return false;
    const missing = Math.ceil((end - this.buffer.byteLength) / PAGE);
    if (missing <= 0) return true;
    const pages = this.buffer.byteLength / PAGE;
    // Grow by an eighth at least: growing is a system call, and a training step grows often at first.
    const step = Math.min(Math.max(missing, pages >> 3), this.#mostPages - pages);
    try {
      this.memory.grow(step);
    } catch {
      return false;
    }
    this.buffer = this.memory.buffer;
    return true;
  }
}

/** What moves between memories: the bytes of a storage and of its slices. */
export interface Block {
  bank: Bank;
  offset: number;
  readonly byteLength: number;
  /** When a kernel last used it, in kernels. */
  lastUse: number;
  /** Who else than kernels has its address: it moves when there are none. */
  pins: number;
}

export class CpuStorage implements Storage {
  readonly block: Block;
  readonly byteLength: number;
  readonly #byteOffset: number;
  readonly #free: () => void;
  #references = 1;

  constructor(block: Block, byteOffset: number, byteLength: number, free: () => void) {
    this.block = block;
    this.#byteOffset = byteOffset;
    this.byteLength = byteLength;
    this.#free = free;
  }

  /** Address in the memory where the block lies now. */
  get offset(): number {
    return this.block.offset + this.#byteOffset;
  }

  get shared(): boolean {
    return this.#references > 1;
  }

  /** Whether the bytes are still its own. */
  get isHeld(): boolean {
    return this.#references > 0;
  }

  retain(): void {
    this.#references++;
  }

  release(): void {
    invariant(this.#references > 0, () => "storage released more often than retained");
    if (--this.#references === 0) this.#free();
  }

  slice(byteOffset: number, byteLength: number): CpuStorage {
    const fits = byteOffset % SLICE_ALIGNMENT === 0 && byteOffset + byteLength <= this.byteLength;
    invariant(fits, () => `no slice of ${byteLength} bytes at ${byteOffset} of ${this.byteLength}`);
    this.retain();
    const begin = this.#byteOffset + byteOffset;
    return new CpuStorage(this.block, begin, byteLength, () => this.release());
  }
}

export class CpuMemory {
  /** Called before bytes move: whoever computes elsewhere must have done so. */
  beforeMove: () => void = () => undefined;
  readonly #near: Bank;
  readonly #far: Bank[] = [];
  readonly #limits: MemoryLimits;
  /** Blocks in the near memory that may move. */
  readonly #movable = new Set<Block>();
  #now = 0;
  #bytes = 0;
  #peakBytes = 0;
  #moved = 0;

  /** @param base first address of `memory` that storages may use */
  constructor(memory: WebAssembly.Memory, base: number, limits: MemoryLimits) {
    this.#limits = limits;
    this.#near = new Bank(memory, base, limits.eachBytes);
  }

  /** Bytes that storages hold, in all memories. */
  get bytes(): number {
    return this.#bytes;
  }

  /** Most `bytes` since `resetPeak`. */
  get peakBytes(): number {
    return this.#peakBytes;
  }

  /** Bytes claimed from the system and in no storage. */
  get freeBytes(): number {
    return [this.#near, ...this.#far].reduce((sum, bank) => sum + bank.allocator.freeBytes, 0);
  }

  /** Bytes moved between memories so far. */
  get movedBytes(): number {
    return this.#moved;
  }

  resetPeak(): void {
    this.#peakBytes = this.#bytes;
  }

  /** Leaves all memories to the next device. Storages may still be released, and nothing else. */
  close(): void {
    for (const { memory } of [this.#near, ...this.#far.splice(0)]) leaveMemory(memory);
  }

  /** Address of bytes that never move; null when there are none. */
  allocateFixed(bytes: number): number | null {
    return this.#near.allocator.allocate(bytes);
  }

  /**
   * Uninitialised storage, near.
   * @param pinned blocks that must stay where they are
   * @returns null when the limits leave no room
   */
  allocate(bytes: number, pinned?: ReadonlySet<Block>): CpuStorage | null {
    if (this.#bytes + bytes > this.#limits.totalBytes) return null;
    const offset = this.#makeRoom(bytes, pinned);
    if (offset === null) return null;
    this.#bytes += bytes;
    this.#peakBytes = Math.max(this.#peakBytes, this.#bytes);
    const block: Block = {
      bank: this.#near,
      offset,
      byteLength: bytes,
      lastUse: this.#now,
      pins: 0,
    };
    if (bytes >= WORTH_MOVING) this.#movable.add(block);
    return new CpuStorage(block, 0, bytes, () => this.#free(block));
  }

  /** Notes that a kernel uses these now. */
  touch(blocks: Iterable<Block>): void {
    this.#now++;
    for (const block of blocks) block.lastUse = this.#now;
  }

  isNear(block: Block): boolean {
    return block.bank === this.#near;
  }

  /** Brings blocks near, all of them at once. @returns false when they do not fit together */
  bringNear(blocks: ReadonlySet<Block>): boolean {
    if (this.#moveIn(blocks)) return true;
    // There may be room enough, but in holes between the blocks: from an empty memory they lie side by side.
    for (const block of this.#movable) {
      if (block.pins === 0 && !this.#moveAway(block)) return false;
    }
    return this.#moveIn(blocks);
  }

  #moveIn(blocks: ReadonlySet<Block>): boolean {
    for (const block of blocks) {
      if (this.isNear(block)) continue;
      const offset = this.#makeRoom(block.byteLength, blocks);
      if (offset === null) return false;
      this.#move(block, this.#near, offset);
      this.#movable.add(block);
    }
    return true;
  }

  /** Elements of a storage, wherever it lies; valid until the next allocation. */
  view(storage: CpuStorage, dtype: Dtype, size: number): StorageArray {
    return storageView(dtype, storage.block.bank.buffer, storage.offset, size);
  }

  /** Bytes of a storage, wherever it lies; valid until the next allocation. */
  bytesOf(storage: CpuStorage): Uint8Array {
    return storage.block.bank.bytes(storage);
  }

  #free(block: Block): void {
    block.bank.allocator.free(block.offset);
    this.#movable.delete(block);
    this.#bytes -= block.byteLength;
  }

  /** Near address of `bytes` bytes, for which the blocks used longest ago move away if they must. */
  #makeRoom(bytes: number, pinned?: ReadonlySet<Block>): number | null {
    for (;;) {
      const offset = this.#near.allocator.allocate(bytes);
      if (offset !== null) return offset;
      const oldest = this.#oldest(pinned);
      if (oldest === null || !this.#moveAway(oldest)) return null;
    }
  }

  #oldest(pinned?: ReadonlySet<Block>): Block | null {
    let oldest: Block | null = null;
    for (const block of this.#movable) {
      if (block.pins > 0 || pinned?.has(block)) continue;
      if (oldest === null || block.lastUse < oldest.lastUse) oldest = block;
    }
    return oldest;
  }

  #moveAway(block: Block): boolean {
    const { eachBytes, adviseMemory } = this.#limits;
    for (let i = 0; ; i++) {
      const isNew = i === this.#far.length;
      // An address of 0 is a kernel's null.
      if (isNew) this.#far.push(new Bank(takeMemory(adviseMemory), 64, eachBytes));
      const bank = this.#far[i]!;
      const offset = bank.allocator.allocate(block.byteLength);
      if (offset !== null) {
        this.#move(block, bank, offset);
        this.#movable.delete(block);
        return true;
      }
      if (isNew) return false;
    }
  }

  #move(block: Block, bank: Bank, offset: number): void {
    this.beforeMove();
    const from = block.bank.bytes(block);
    bank.bytes({ offset, byteLength: block.byteLength }).set(from);
    block.bank.allocator.free(block.offset);
    block.bank = bank;
    block.offset = offset;
    this.#moved += block.byteLength;
  }
}

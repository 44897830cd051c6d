// Params of dispatches, from recording to submission. Each dispatch has a slot of a chunk; a batch's slots go to the GPU in
// one write, and its dispatches find them by dynamic offset.

import { BufferUsage } from "./flags.ts";

/** Slots of a chunk, and of the buffer on the GPU. */
const SLOTS = 1024;
/** WebGPU's default minUniformBufferOffsetAlignment, in bytes; no adapter asks for more. */
export const SLOT_BYTES = 256;
const SLOT_WORDS = SLOT_BYTES / 4;

interface Chunk {
  readonly words: Uint32Array<ArrayBuffer>;
  readonly floats: Float32Array<ArrayBuffer>;
  used: number;
}

/** Where the params of a dispatch are. */
export interface ParamsSlot {
  readonly chunk: Chunk;
  readonly slot: number;
}

export class ParamsArena {
  readonly #device: GPUDevice;
  /** Holds the params of the batch that is being submitted. */
  readonly buffer: GPUBuffer;
  #chunk = newChunk();

  constructor(device: GPUDevice) {
    this.#device = device;
    this.buffer = device.createBuffer({
      label: "params",
      size: SLOTS * SLOT_BYTES,
      usage: BufferUsage.uniform | BufferUsage.copyTarget,
    });
  }

  /** A slot for the params of the next dispatch. */
  take(): ParamsSlot {
    if (this.#chunk.used === SLOTS) this.#chunk = newChunk();
    const chunk = this.#chunk;
    return { chunk, slot: chunk.used++ };
  }

  /** Sends slots first .. end - 1 of a chunk to the same places of the buffer, before what is submitted next. */
  send(chunk: Chunk, first: number, end: number): void {
    const [from, bytes] = [first * SLOT_BYTES, (end - first) * SLOT_BYTES];
    this.#device.queue.writeBuffer(this.buffer, from, chunk.words.buffer, from, bytes);
  }

  /** Takes all slots back. No recorded dispatch may be left. */
  reset(): void {
    this.#chunk.used = 0;
  }
}

/** Writes a whole number as word `index` of a slot. */
export function setWord({ chunk, slot }: ParamsSlot, index: number, value: number): void {
  chunk.words[slot * SLOT_WORDS + index] = value;
}

/** Writes an f32 as word `index` of a slot. */
export function setFloat({ chunk, slot }: ParamsSlot, index: number, value: number): void {
  chunk.floats[slot * SLOT_WORDS + index] = value;
}

function newChunk(): Chunk {
  const bytes = new ArrayBuffer(SLOTS * SLOT_BYTES);
  return { words: new Uint32Array(bytes), floats: new Float32Array(bytes), used: 0 };
}

// Params of dispatches, from recording to submission. Each dispatch has a slot of a chunk; a batch's slots go to the GPU in
// one write, and its dispatches find them by dynamic offset.

import { invariant } from "../errors.ts";
import { BufferUsage } from "./flags.ts";
import type { ShaderInterface } from "./shaderSource.ts";

/** Slots of a chunk, and of the buffer on the GPU. */
const SLOTS = 1024;
/** WebGPU's default minUniformBufferOffsetAlignment, in bytes; no adapter asks for more. */
export const SLOT_BYTES = 256;
const SLOT_WORDS = SLOT_BYTES / 4;

/** Words of a params struct. */
export type PackedParams = Uint32Array;

interface Chunk {
  readonly words: Uint32Array<ArrayBuffer>;
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

  /** A slot with the params of the next dispatch. */
  put(params: PackedParams): ParamsSlot {
    if (this.#chunk.used === SLOTS) this.#chunk = newChunk();
    const chunk = this.#chunk;
    const slot = chunk.used++;
    const first = slot * SLOT_WORDS;
    for (let i = 0; i < params.length; i++) chunk.words[first + i] = params[i]!;
    return { chunk, slot };
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

/**
 * The params struct of a dispatch; null for a shader without params.
 * @param value of a param, by name
 */
export function packParams(
  declared: ShaderInterface["params"],
  value: (name: string) => number,
): PackedParams | null {
  if (declared.length === 0) return null;
  invariant(declared.length <= SLOT_WORDS, () => `at most ${SLOT_WORDS} params fit in a slot`);
  const words = new Uint32Array(declared.length);
  const floats = new Float32Array(words.buffer);
  declared.forEach(([name, type], i) => {
    if (type === "f32") floats[i] = value(name);
    else words[i] = value(name);
  });
  return words;
}

function newChunk(): Chunk {
  return { words: new Uint32Array(SLOTS * SLOT_WORDS), used: 0 };
}

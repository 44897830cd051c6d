// Params of dispatches, from recording to submission. Each dispatch has a slot of a chunk; a batch's slots go to the GPU in
// one write, and its dispatches find them by dynamic offset.

import type { KernelParams } from "../device.ts";
import { invariant } from "../errors.ts";
import { BufferUsage } from "./flags.ts";
import type { ShaderInterface } from "./shaderSource.ts";

/** Slots of a chunk, and of the buffer on the GPU. */
const SLOTS = 1024;
/** WebGPU's default minUniformBufferOffsetAlignment, in bytes; no adapter asks for more. */
export const SLOT_BYTES = 256;
const SLOT_WORDS = SLOT_BYTES / 4;

/** A params struct, and which of its words each dispatch brings along. */
export interface PackedParams {
  readonly words: Uint32Array;
  readonly varying: readonly {
    readonly name: string;
    readonly at: number;
    readonly isFloat: boolean;
  }[];
}

interface Chunk {
  readonly words: Uint32Array<ArrayBuffer>;
  /** The same bytes. */
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

  /**
   * A slot with the params of the next dispatch.
   * @param values of those that vary
   */
  put({ words, varying }: PackedParams, values: KernelParams): ParamsSlot {
    if (this.#chunk.used === SLOTS) this.#chunk = newChunk();
    const chunk = this.#chunk;
    const slot = chunk.used++;
    const first = slot * SLOT_WORDS;
    for (let i = 0; i < words.length; i++) chunk.words[first + i] = words[i]!;
    for (const { name, at, isFloat } of varying) {
      (isFloat ? chunk.floats : chunk.words)[first + at] = values[name]!;
    }
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
 * @param varying params whose values every dispatch brings along
 * @param value of a param, by name
 */
export function packParams(
  declared: ShaderInterface["params"],
  varying: readonly string[],
  value: (name: string) => number,
): PackedParams | null {
  if (declared.length === 0) return null;
  invariant(declared.length <= SLOT_WORDS, () => `at most ${SLOT_WORDS} params fit in a slot`);
  const words = new Uint32Array(declared.length);
  const floats = new Float32Array(words.buffer);
  const changing: PackedParams["varying"][number][] = [];
  declared.forEach(([name, type], at) => {
    const isFloat = type === "f32";
    if (varying.includes(name)) changing.push({ name, at, isFloat });
    else (isFloat ? floats : words)[at] = value(name);
  });
  return { words, varying: changing };
}

function newChunk(): Chunk {
  const words = new Uint32Array(SLOTS * SLOT_WORDS);
  return { words, floats: new Float32Array(words.buffer), used: 0 };
}

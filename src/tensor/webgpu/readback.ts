// Reading storage on the host: a copy into a staging buffer, mapped once the GPU has come that far.

import type { CommandQueue } from "./commandQueue.ts";
import { BufferUsage, MAP_READ } from "./flags.ts";
import { patiently } from "./patience.ts";
import type { WebGpuStorage } from "./storage.ts";

/** Staging buffers of this many bytes are kept: a loss or a token fits, and costs no buffer each time. */
const KEPT_BYTES = 65536;
const MOST_KEPT = 4;

export class Readback {
  readonly #device: GPUDevice;
  readonly #kept: GPUBuffer[] = [];

  constructor(device: GPUDevice) {
    this.#device = device;
  }

  /**
   * The first `bytes` bytes of a storage as they are after all that was recorded.
   * @param flush submits what was recorded
   */
  async read(
    storage: WebGpuStorage,
    bytes: number,
    queue: CommandQueue,
    flush: () => Promise<void>,
  ): Promise<ArrayBuffer> {
    const staging = (bytes <= KEPT_BYTES && this.#kept.pop()) || this.#create(bytes);
    try {
      queue.copyOut(storage, staging, bytes);
      await flush();
      await patiently(staging.mapAsync(MAP_READ, 0, bytes));
      return staging.getMappedRange(0, bytes).slice(0);
    } finally {
      this.#giveBack(staging);
    }
  }

  #create(bytes: number): GPUBuffer {
    return this.#device.createBuffer({
      label: "staging",
      size: Math.max(bytes, KEPT_BYTES),
      usage: BufferUsage.mapRead | BufferUsage.copyTarget,
    });
  }

  #giveBack(staging: GPUBuffer): void {
    const keep = staging.mapState === "mapped" && staging.size === KEPT_BYTES;
    if (keep && this.#kept.length < MOST_KEPT) {
      staging.unmap();
      this.#kept.push(staging);
    } else staging.destroy();
  }
}

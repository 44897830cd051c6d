// Times of dispatches by the GPU's own clock. While it measures, every dispatch has a compute pass of its own, so a profile
// shows where time goes and the sum of its times is no measure of a step.

import { BufferUsage, MAP_READ } from "./flags.ts";
import { patiently } from "./patience.ts";

/** Timestamps of one query set: WebGPU's limit is 4096. */
const TIMESTAMPS = 1024;

/** One dispatch. */
export interface DispatchTime {
  /** Kernel and shader. */
  readonly label: string;
  readonly nanoseconds: number;
}

interface Section {
  readonly labels: readonly string[];
  readonly staging: GPUBuffer;
}

export class Profiler {
  readonly #device: GPUDevice;
  readonly #queries: GPUQuerySet;
  readonly #resolved: GPUBuffer;
  readonly #sections: Section[] = [];
  #labels: string[] = [];

  constructor(device: GPUDevice) {
    this.#device = device;
    const label = "timestamps";
    this.#queries = device.createQuerySet({ label, type: "timestamp", count: TIMESTAMPS });
    const usage = BufferUsage.queryResolve | BufferUsage.copySource;
    this.#resolved = device.createBuffer({ label, size: 8 * TIMESTAMPS, usage });
  }

  /** Encodes a pass between two timestamps. */
  measure(
    encoder: GPUCommandEncoder,
    label: string,
    encode: (pass: GPUComputePassEncoder) => void,
  ): void {
    const beginningOfPassWriteIndex = 2 * this.#labels.length;
    this.#labels.push(label);
    const timestampWrites = {
      querySet: this.#queries,
      beginningOfPassWriteIndex,
      endOfPassWriteIndex: beginningOfPassWriteIndex + 1,
    };
    const pass = encoder.beginComputePass({ label, timestampWrites });
    encode(pass);
    pass.end();
    if (2 * this.#labels.length === TIMESTAMPS) this.resolve(encoder);
  }

  /** Encodes copying the timestamps out; their places are free again for what is encoded after it. */
  resolve(encoder: GPUCommandEncoder): void {
    const count = 2 * this.#labels.length;
    if (count === 0) return;
    const usage = BufferUsage.mapRead | BufferUsage.copyTarget;
    const staging = this.#device.createBuffer({ label: "timestamps", size: 8 * count, usage });
    encoder.resolveQuerySet(this.#queries, 0, count, this.#resolved, 0);
    encoder.copyBufferToBuffer(this.#resolved, 0, staging, 0, 8 * count);
    this.#sections.push({ labels: this.#labels, staging });
    this.#labels = [];
  }

  /** The times of everything measured, in order. To be called once all of it is submitted. */
  async finish(): Promise<DispatchTime[]> {
    const times: DispatchTime[] = [];
    for (const { labels, staging } of this.#sections) {
      await patiently(staging.mapAsync(MAP_READ));
      const stamps = new BigUint64Array(staging.getMappedRange());
      labels.forEach((label, i) => {
        const nanoseconds = Number(stamps[2 * i + 1]! - stamps[2 * i]!);
        // Clocks may be set back between passes; the specification allows it.
        times.push({ label, nanoseconds: Math.max(0, nanoseconds) });
      });
      staging.destroy();
    }
    this.#queries.destroy();
    this.#resolved.destroy();
    return times;
  }
}

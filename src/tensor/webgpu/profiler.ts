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

/** A dispatch that is measured, and who else is told its time. */
interface Measured {
  readonly label: string;
  readonly tell: ((nanoseconds: number) => void) | null;
}

interface Section {
  readonly measured: readonly Measured[];
  readonly staging: GPUBuffer;
}

export class Profiler {
  readonly #device: GPUDevice;
  readonly #queries: GPUQuerySet;
  readonly #resolved: GPUBuffer;
  #sections: Section[] = [];
  #measured: Measured[] = [];

  constructor(device: GPUDevice) {
    this.#device = device;
    const label = "timestamps";
    this.#queries = device.createQuerySet({ label, type: "timestamp", count: TIMESTAMPS });
    const usage = BufferUsage.queryResolve | BufferUsage.copySource;
    this.#resolved = device.createBuffer({ label, size: 8 * TIMESTAMPS, usage });
  }

  /** Encodes a pass between two timestamps. @param tell is given its time when that is fetched */
  measure(
    encoder: GPUCommandEncoder,
    label: string,
    encode: (pass: GPUComputePassEncoder) => void,
    tell: Measured["tell"],
  ): void {
    const beginningOfPassWriteIndex = 2 * this.#measured.length;
    this.#measured.push({ label, tell });
    const timestampWrites = {
      querySet: this.#queries,
      beginningOfPassWriteIndex,
      endOfPassWriteIndex: beginningOfPassWriteIndex + 1,
    };
    const pass = encoder.beginComputePass({ label, timestampWrites });
    encode(pass);
    pass.end();
    if (2 * this.#measured.length === TIMESTAMPS) this.resolve(encoder);
  }

  /** Encodes copying the timestamps out; their places are free again for what is encoded after it. */
  resolve(encoder: GPUCommandEncoder): void {
    const count = 2 * this.#measured.length;
    if (count === 0) return;
    const usage = BufferUsage.mapRead | BufferUsage.copyTarget;
    const staging = this.#device.createBuffer({ label: "timestamps", size: 8 * count, usage });
    encoder.resolveQuerySet(this.#queries, 0, count, this.#resolved, 0);
    encoder.copyBufferToBuffer(this.#resolved, 0, staging, 0, 8 * count);
    this.#sections.push({ measured: this.#measured, staging });
    this.#measured = [];
  }

  /** The times of everything measured since the last call, in order. To be called once all of it is submitted. */
  async drain(): Promise<DispatchTime[]> {
    const times: DispatchTime[] = [];
    const sections = this.#sections;
    this.#sections = [];
    for (const { measured, staging } of sections) {
      await patiently(staging.mapAsync(MAP_READ));
      const stamps = new BigUint64Array(staging.getMappedRange());
      measured.forEach(({ label, tell }, i) => {
        // Clocks may be set back between passes; the specification allows it.
        const nanoseconds = Math.max(0, Number(stamps[2 * i + 1]! - stamps[2 * i]!));
        tell?.(nanoseconds);
        times.push({ label, nanoseconds });
      });
      staging.destroy();
    }
    return times;
  }

  /** The same, for the last time. */
  async finish(): Promise<DispatchTime[]> {
    const times = await this.drain();
    this.#queries.destroy();
    this.#resolved.destroy();
    return times;
  }
}

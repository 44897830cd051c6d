// How far training may run ahead of the device. On webgpu an update is recorded in milliseconds and may compute for seconds:
// left alone, the loop would count updates, and queue their commands, long before the GPU comes to them.

import type { Device } from "../tensor/device.ts";

/** Lets one update be recorded while another is computed: the GPU always has work, and no value is read back. */
export class Pace {
  readonly #device: Device;
  /** Waits until the last update has run. */
  #last = (): Promise<void> => Promise.resolve();

  constructor(device: Device) {
    this.#device = device;
  }

  /** An update was recorded. Resolves when those before it have run; throws what went wrong in them. */
  async updateRecorded(): Promise<void> {
    const before = this.#last;
    this.#last = this.#device.fence();
    await before();
  }
}

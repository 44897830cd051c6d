// The step of decoding, run again and again. On the host its kernels are found once and then replayed, for as long as rows and
// caches stay where they are: from token to token only what lies in the step's inputs changes.

import type { Device, Recording } from "../../tensor/device.ts";
import type { Scope } from "../../tensor/scope.ts";
import { empty, type Tensor } from "../../tensor/tensor.ts";

/** An input's elements, i32, and its shape. */
export interface StepValue {
  readonly values: Int32Array;
  readonly shape: readonly number[];
}

export class RepeatedStep<Name extends string> {
  readonly #device: Device;
  readonly #memory: Scope;
  #key: readonly unknown[] = [];
  #inputs: Readonly<Record<Name, Tensor>> | null = null;
  #recording: Recording | null = null;
  #result: Tensor | null = null;

  /** @param memory owns what a step keeps for the next one */
  constructor(device: Device, memory: Scope) {
    this.#device = device;
    this.#memory = memory;
  }

  /**
   * What `compute` makes of the inputs; valid until the next call.
   * @param key all else that the computation depends on; the shapes of `values` follow from it
   */
  run(
    key: readonly unknown[],
    values: Readonly<Record<Name, StepValue>>,
    compute: (inputs: Readonly<Record<Name, Tensor>>) => Tensor,
  ): Tensor {
    const isSame = key.length === this.#key.length && key.every((x, i) => x === this.#key[i]);
    if (isSame && this.#recording && this.#inputs && this.#result) {
      this.#write(this.#inputs, values);
      if (this.#recording.replay()) return this.#result;
    }
    this.forget();
    const inputs = this.#makeInputs(values);
    this.#write(inputs, values);
    const work = (): void => void (this.#result = this.#memory.run(() => compute(inputs)));
    this.#inputs = inputs;
    if (this.#device.record) this.#recording = this.#device.record(work);
    else work();
    this.#key = key;
    return this.#result!;
  }

  /** Gives everything back: the last result, too. */
  forget(): void {
    this.#recording?.dispose();
    this.#result?.dispose();
    for (const input of Object.values<Tensor>(this.#inputs ?? {})) input.dispose();
    [this.#recording, this.#result, this.#inputs] = [null, null, null];
  }

  #makeInputs(values: Readonly<Record<Name, StepValue>>): Record<Name, Tensor> {
    const names = Object.keys(values) as Name[];
    const make = (name: Name): Tensor =>
      this.#memory.run(() => empty(this.#device, values[name].shape, "i32"));
    return Object.fromEntries(names.map((name) => [name, make(name)])) as Record<Name, Tensor>;
  }

  #write(inputs: Readonly<Record<Name, Tensor>>, values: Readonly<Record<Name, StepValue>>): void {
    for (const name of Object.keys(inputs) as Name[]) {
      this.#device.write(inputs[name].storage, "i32", values[name].values);
    }
  }
}

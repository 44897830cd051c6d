// The keys and values of every decoder block, each head's side by side: [slots, H, capacity, D]. Rows of a batch own slots.

import { noGrad } from "../../autograd/tape.ts";
import { copyInto } from "../../kernels/moves/gatherRows.ts";
import { sliceForward, withDim } from "../../kernels/moves/slice.ts";
import type { Device } from "../../tensor/device.ts";
import type { Scope } from "../../tensor/scope.ts";
import { empty, type Tensor } from "../../tensor/tensor.ts";
import type { KeysValues } from "../layers.ts";

const SLOTS = 0;
const POSITIONS = 2;

export interface HeadCacheSizes {
  readonly blocks: number;
  readonly heads: number;
  readonly headDim: number;
}

export class HeadCaches {
  /** By decoder block; other tensors after `resize`. */
  blocks: readonly KeysValues[] = [];
  slots = 0;
  /** Positions of a slot. */
  capacity = 0;
  readonly #memory: Scope;
  readonly #device: Device;
  readonly #sizes: HeadCacheSizes;

  /** @param memory owns the caches */
  constructor(memory: Scope, device: Device, sizes: HeadCacheSizes) {
    this.#memory = memory;
    this.#device = device;
    this.#sizes = sizes;
  }

  /** Makes room for so many slots and positions, or gives room back. What lies in both the old and the new places stays. */
  resize(slots: number, capacity: number): void {
    if (this.blocks.length === 0) {
      const { blocks, heads, headDim } = this.#sizes;
      const shape = [slots, heads, capacity, headDim];
      const fresh = () => this.#memory.run(() => empty(this.#device, shape, "f32"));
      this.blocks = Array.from({ length: blocks }, () => ({ k: fresh(), v: fresh() }));
    } else {
      if (slots !== this.slots) this.#replace((x) => resized(x, SLOTS, slots));
      if (capacity !== this.capacity) this.#replace((x) => resized(x, POSITIONS, capacity));
    }
    [this.slots, this.capacity] = [slots, capacity];
  }

  #replace(fn: (cache: Tensor) => Tensor): void {
    const replaced = (cache: Tensor): Tensor => {
      const next = this.#memory.run(() => noGrad(() => fn(cache)));
      cache.dispose();
      return next;
    };
    this.blocks = this.blocks.map(({ k, v }) => ({ k: replaced(k), v: replaced(v) }));
  }
}

function resized(x: Tensor, axis: number, dim: number): Tensor {
  if (dim < x.shape[axis]!) return sliceForward(x, axis, 0, dim);
  const larger = empty(x.device, withDim(x.shape, axis, dim), x.dtype);
  copyInto(larger, x, { axis, offset: 0 });
  return larger;
}

// Bind groups, made once for each combination of layout and buffers. The pool hands equal steps equal buffers, so after the
// first step hardly any is made.

import type { PooledBuffer } from "./bufferPool.ts";
import type { Pipeline } from "./pipelines.ts";
import { RecentMap } from "./recentMap.ts";

/**
 * Groups kept by a device. One step must find those of the step before: with 24 + 24 layers it dispatches 2,500 kernels, with gradient
 * checkpointing and mixed precision twice as many. Lengths that change would fill any number.
 */
const MOST_GROUPS = 8192;
/** Destroyed buffers after which their groups are looked for. */
const MOST_GONE = 64;

/** Where in a buffer something begins, in bytes. */
export interface Place {
  readonly buffer: PooledBuffer;
  readonly offset: number;
}

/** A buffer, or a part of it, as a binding of a dispatch. */
export interface BoundBuffer extends Place {
  /** Undefined binds all from `offset`. */
  readonly size: number | undefined;
}

interface KeptGroup {
  readonly group: GPUBindGroup;
  readonly buffers: readonly PooledBuffer[];
}

export class BindGroups {
  readonly #device: GPUDevice;
  readonly #params: GPUBuffer;
  /** Bytes that a binding of the params covers. */
  readonly #paramsBytes: number;
  readonly #groups = new RecentMap<string, KeptGroup>(MOST_GROUPS);
  /** Destroyed buffers whose groups are still kept; no key names them again. */
  #gone = 0;

  constructor(device: GPUDevice, params: GPUBuffer, paramsBytes: number) {
    this.#device = device;
    this.#params = params;
    this.#paramsBytes = paramsBytes;
  }

  get(pipeline: Pipeline, bound: readonly BoundBuffer[]): GPUBindGroup {
    let key = pipeline.layoutKey;
    for (const { buffer, offset, size } of bound) {
      key += size === undefined ? `,${buffer.id}` : `,${buffer.id}:${offset}:${size}`;
    }
    const kept = this.#groups.get(key);
    if (kept !== undefined) return kept.group;
    const group = this.#create(pipeline, bound);
    this.#groups.set(key, { group, buffers: bound.map(({ buffer }) => buffer) });
    return group;
  }

  /** Lets go of the groups that hold a buffer which is not used again, some buffers later: that takes a walk over all groups. */
  forget(buffer: PooledBuffer): void {
    buffer.isGone = true;
    if (++this.#gone < MOST_GONE) return;
    this.#gone = 0;
    this.#groups.deleteWhere(({ buffers }) => buffers.some(({ isGone }) => isGone));
  }

  #create(pipeline: Pipeline, bound: readonly BoundBuffer[]): GPUBindGroup {
    const entries: GPUBindGroupEntry[] = bound.map(({ buffer, offset, size }, binding) => ({
      binding,
      resource: { buffer: buffer.gpu, offset, ...(size === undefined ? {} : { size }) },
    }));
    if (pipeline.shape.params.length > 0) {
      const resource = { buffer: this.#params, size: this.#paramsBytes };
      entries.push({ binding: bound.length, resource });
    }
    const layout = pipeline.bindGroupLayout;
    return this.#device.createBindGroup({ label: pipeline.label, layout, entries });
  }
}

// Bind groups, made once for each combination of layout and buffers. The pool hands equal steps equal buffers, so after the
// first step hardly any is made.

import type { PooledBuffer } from "./bufferPool.ts";
import { mix } from "./mix.ts";
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
  readonly layout: GPUBindGroupLayout;
  readonly bound: readonly BoundBuffer[];
}

export class BindGroups {
  readonly #device: GPUDevice;
  readonly #params: GPUBuffer;
  /** Bytes that a binding of the params covers. */
  readonly #paramsBytes: number;
  /** By hash. Of two groups with one hash the later stays. */
  readonly #groups = new RecentMap<number, KeptGroup>(MOST_GROUPS);
  /** Destroyed buffers whose groups are still kept; no key names them again. */
  #gone = 0;

  constructor(device: GPUDevice, params: GPUBuffer, paramsBytes: number) {
    this.#device = device;
    this.#params = params;
    this.#paramsBytes = paramsBytes;
  }

  get(pipeline: Pipeline, bound: readonly BoundBuffer[]): GPUBindGroup {
    let hash = pipeline.layoutNumber;
    for (const { buffer, offset, size } of bound) {
      hash = mix(mix(mix(hash, buffer.id), offset), size ?? -1);
    }
    const kept = this.#groups.get(hash);
    const layout = pipeline.bindGroupLayout;
    if (kept !== undefined && kept.layout === layout && sameBound(kept.bound, bound)) {
      return kept.group;
    }
    const group = this.#create(pipeline, bound);
    this.#groups.set(hash, { group, layout, bound });
    return group;
  }

  /** Lets go of the groups that hold a buffer which is not used again, some buffers later: that takes a walk over all groups. */
  forget(buffer: PooledBuffer): void {
    buffer.isGone = true;
    if (++this.#gone < MOST_GONE) return;
    this.#gone = 0;
    this.#groups.deleteWhere(({ bound }) => bound.some(({ buffer }) => buffer.isGone));
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

function sameBound(a: readonly BoundBuffer[], b: readonly BoundBuffer[]): boolean {
  for (let i = 0; i < a.length; i++) {
    const [x, y] = [a[i]!, b[i]!];
    if (x.buffer !== y.buffer || x.offset !== y.offset || x.size !== y.size) return false;
  }
  return a.length === b.length;
}

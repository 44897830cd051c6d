// Bind groups, made once for each combination of layout and buffers. The pool hands equal steps equal buffers, so after the
// first step hardly any is made.

import type { PooledBuffer } from "./bufferPool.ts";
import type { Pipeline } from "./pipelines.ts";

/** Groups kept. A step of a large model uses some thousand; lengths that change bring others. */
const MOST_GROUPS = 16384;

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

export class BindGroups {
  readonly #device: GPUDevice;
  readonly #params: GPUBuffer;
  /** Bytes that a binding of the params covers. */
  readonly #paramsBytes: number;
  readonly #groups = new Map<string, GPUBindGroup>();
  /** Keys of the groups that hold a buffer. */
  readonly #holders = new Map<PooledBuffer, string[]>();

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
    let group = this.#groups.get(key);
    if (group === undefined) {
      group = this.#create(pipeline, bound);
      this.#keep(key, group, bound);
    }
    return group;
  }

  /** Lets go of the groups that hold a buffer. */
  forget(buffer: PooledBuffer): void {
    for (const key of this.#holders.get(buffer) ?? []) this.#groups.delete(key);
    this.#holders.delete(buffer);
  }

  #keep(key: string, group: GPUBindGroup, bound: readonly BoundBuffer[]): void {
    if (this.#groups.size >= MOST_GROUPS) {
      this.#groups.clear();
      this.#holders.clear();
    }
    this.#groups.set(key, group);
    for (const { buffer } of bound) {
      const keys = this.#holders.get(buffer);
      if (keys === undefined) this.#holders.set(buffer, [key]);
      else keys.push(key);
    }
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

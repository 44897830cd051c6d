// Commands in the order in which ops recorded them. Recording costs no GPU call. Encoding happens where one waits anyway
// and every FLUSH_AFTER commands, for those in front whose pipelines are compiled; a batch becomes one submission.

import type { PooledBuffer } from "./bufferPool.ts";
import { BufferUsage } from "./flags.ts";
import type { Pipeline } from "./pipelines.ts";

/** Commands after which those that are ready are submitted, so that the GPU works while the host records. */
const FLUSH_AFTER = 64;
/** Most dispatches of a submission; their params share one buffer. */
const BATCH = 256;

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

export type Grid = readonly [number, number, number];

type Command =
  | {
      readonly kind: "dispatch";
      readonly pipeline: Pipeline;
      readonly bound: readonly BoundBuffer[];
      readonly params: Uint32Array<ArrayBuffer> | null;
      readonly grid: Grid;
    }
  | { readonly kind: "write"; readonly to: Place; readonly data: Uint8Array<ArrayBuffer> }
  | { readonly kind: "clear"; readonly at: Place; readonly bytes: number }
  | {
      readonly kind: "copy";
      readonly from: Place;
      readonly to: GPUBuffer;
      readonly bytes: number;
    };

export class CommandQueue {
  readonly #device: GPUDevice;
  readonly #bindGroups = new Map<string, GPUBindGroup>();
  readonly #paramsBuffer: GPUBuffer;
  /** Bytes from one dispatch's params to the next. */
  readonly #paramsStride: number;
  readonly #paramsBytes: ArrayBuffer;
  #commands: Command[] = [];
  /** Commands recorded and submitted so far. */
  #recorded = 0;
  #submitted = 0;

  constructor(device: GPUDevice) {
    this.#device = device;
    this.#paramsStride = Math.max(device.limits.minUniformBufferOffsetAlignment, 256);
    this.#paramsBytes = new ArrayBuffer(BATCH * this.#paramsStride);
    this.#paramsBuffer = device.createBuffer({
      label: "params",
      size: this.#paramsBytes.byteLength,
      usage: BufferUsage.uniform | BufferUsage.copyTarget,
    });
  }

  dispatch(
    pipeline: Pipeline,
    bound: readonly BoundBuffer[],
    params: Uint32Array<ArrayBuffer> | null,
    grid: Grid,
  ): void {
    this.#record({ kind: "dispatch", pipeline, bound, params, grid });
    for (const { buffer } of bound) buffer.lastUse = this.#recorded;
    if (this.#commands.length >= FLUSH_AFTER && this.#commands.length % FLUSH_AFTER === 0) {
      this.#submitReady();
    }
  }

  /** Copies `data` into `to` after all that was recorded. */
  write(to: Place, data: Uint8Array<ArrayBuffer>): void {
    if (to.buffer.lastUse <= this.#submitted) {
      this.#device.queue.writeBuffer(to.buffer.gpu, to.offset, data);
      return;
    }
    this.#record({ kind: "write", to, data });
    to.buffer.lastUse = this.#recorded;
  }

  clear(at: Place, bytes: number): void {
    this.#record({ kind: "clear", at, bytes });
    at.buffer.lastUse = this.#recorded;
  }

  copy(from: Place, to: PooledBuffer, bytes: number): void {
    this.copyOut(from, to.gpu, bytes);
    to.lastUse = this.#recorded;
  }

  copyOut(from: Place, to: GPUBuffer, bytes: number): void {
    this.#record({ kind: "copy", from, to, bytes });
    from.buffer.lastUse = this.#recorded;
  }

  /**
   * Submits everything recorded up to now, waiting for pipelines.
   * @throws {KernelError} of a pipeline that does not compile
   */
  async flush(): Promise<void> {
    const target = this.#recorded;
    while (this.#submitted < target) {
      this.#submitReady();
      const next = this.#commands[0];
      if (next?.kind !== "dispatch") continue;
      await next.pipeline.ready;
      if (next.pipeline.error) throw next.pipeline.error;
    }
  }

  #record(command: Command): void {
    this.#commands.push(command);
    this.#recorded++;
  }

  #submitReady(): void {
    let ready = this.#commands.findIndex(
      (command) => command.kind === "dispatch" && command.pipeline.compiled === null,
    );
    if (ready < 0) ready = this.#commands.length;
    const commands = this.#commands.splice(0, ready);
    for (let at = 0; at < commands.length;) at = this.#submitBatch(commands, at);
  }

  /** Submits commands from `at` on, as many as one submission can take. @returns where the next one begins */
  #submitBatch(commands: readonly Command[], at: number): number {
    const first = commands[at]!;
    if (first.kind === "write") {
      this.#device.queue.writeBuffer(first.to.buffer.gpu, first.to.offset, first.data);
      this.#submitted++;
      return at + 1;
    }
    const encoder = this.#device.createCommandEncoder({ label: "batch" });
    let pass: GPUComputePassEncoder | null = null;
    let slot = 0;
    let end = at;
    for (; end < commands.length && slot < BATCH; end++) {
      const command = commands[end]!;
      if (command.kind === "write") break;
      if (command.kind === "dispatch") {
        pass ??= encoder.beginComputePass({ label: "batch" });
        this.#encode(pass, command, slot);
        if (command.params) slot++;
        continue;
      }
      pass?.end();
      pass = null;
      if (command.kind === "clear") {
        const { at, bytes } = command;
        encoder.clearBuffer(at.buffer.gpu, at.offset, bytes);
      } else {
        const { from, to, bytes } = command;
        encoder.copyBufferToBuffer(from.buffer.gpu, from.offset, to, 0, bytes);
      }
    }
    pass?.end();
    const used = slot * this.#paramsStride;
    if (used > 0) this.#device.queue.writeBuffer(this.#paramsBuffer, 0, this.#paramsBytes, 0, used);
    this.#device.queue.submit([encoder.finish()]);
    this.#submitted += end - at;
    return end;
  }

  #encode(
    pass: GPUComputePassEncoder,
    { pipeline, bound, params, grid }: Extract<Command, { kind: "dispatch" }>,
    slot: number,
  ): void {
    pass.setPipeline(pipeline.compiled!);
    const group = this.#bindGroup(pipeline, bound);
    if (params) {
      const offset = slot * this.#paramsStride;
      new Uint32Array(this.#paramsBytes, offset, params.length).set(params);
      pass.setBindGroup(0, group, [offset]);
    } else pass.setBindGroup(0, group);
    pass.dispatchWorkgroups(...grid);
  }

  #bindGroup(pipeline: Pipeline, bound: readonly BoundBuffer[]): GPUBindGroup {
    let key = pipeline.layoutKey;
    for (const { buffer, offset, size } of bound) {
      key += size === undefined ? `,${buffer.id}` : `,${buffer.id}:${offset}:${size}`;
    }
    let group = this.#bindGroups.get(key);
    if (group === undefined) {
      group = this.#createBindGroup(pipeline, bound);
      this.#bindGroups.set(key, group);
    }
    return group;
  }

  #createBindGroup(pipeline: Pipeline, bound: readonly BoundBuffer[]): GPUBindGroup {
    const entries: GPUBindGroupEntry[] = bound.map(({ buffer, offset, size }, binding) => ({
      binding,
      resource:
        size === undefined ? { buffer: buffer.gpu, offset } : { buffer: buffer.gpu, offset, size },
    }));
    if (pipeline.shape.params.length > 0) {
      const resource = { buffer: this.#paramsBuffer, size: this.#paramsStride };
      entries.push({ binding: bound.length, resource });
    }
    return this.#device.createBindGroup({
      label: pipeline.label,
      layout: pipeline.bindGroupLayout,
      entries,
    });
  }
}

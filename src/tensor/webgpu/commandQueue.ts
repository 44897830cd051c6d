// Commands in the order in which ops recorded them. Recording makes no GPU call. Encoding happens where one waits anyway
// and every so many commands, for those in front whose pipelines are compiled; a batch becomes one submission.

import { BindGroups, type BoundBuffer, type Place } from "./bindGroups.ts";
import type { PooledBuffer } from "./bufferPool.ts";
import {
  encodeDispatch,
  encodeTransfer,
  measureDispatch,
  type Command,
  type Grid,
  type Timing,
} from "./commands.ts";
import { ParamsArena, SLOT_BYTES, type ParamsSlot } from "./paramsArena.ts";
import type { Pipeline } from "./pipelines.ts";
import type { Profiler } from "./profiler.ts";

/**
 * Commands after which those that are ready are submitted, so that the GPU works while the host records: the first ones after a wait,
 * in which the GPU ran dry. From then on twice as many each time, up to BATCH: a submission costs the host what four dispatches do.
 */
const FIRST_BATCH = 64;
/** Most dispatches of a submission. */
const BATCH = 256;

export class CommandQueue {
  readonly params: ParamsArena;
  /** Measures dispatches while it is set, also those with a `timing` of their own. */
  profiler: Profiler | null = null;
  readonly #device: GPUDevice;
  readonly #fail: (error: Error) => void;
  readonly #bindGroups: BindGroups;
  #commands: Command[] = [];
  /** Commands recorded and submitted so far. */
  #recorded = 0;
  #submitted = 0;
  /** Commands from one submission to the next, and those recorded since the last one. */
  #batch = FIRST_BATCH;
  #inBatch = 0;
  /** Submissions whose validity is not known yet. */
  readonly #unproven = new Set<Promise<void>>();

  /** @param fail is told of submissions that turn out invalid */
  constructor(device: GPUDevice, fail: (error: Error) => void) {
    this.#device = device;
    this.#fail = fail;
    this.params = new ParamsArena(device);
    this.#bindGroups = new BindGroups(device, this.params.buffer, SLOT_BYTES);
  }

  isSubmitted(buffer: PooledBuffer): boolean {
    return buffer.lastUse <= this.#submitted;
  }

  /** Lets go of what is cached for a buffer that is about to be destroyed. */
  forget(buffer: PooledBuffer): void {
    this.#bindGroups.forget(buffer);
  }

  dispatch(
    pipeline: Pipeline,
    bound: readonly BoundBuffer[],
    params: ParamsSlot | null,
    grid: Grid,
    timing: Timing | null,
  ): void {
    const bindGroup = this.#bindGroups.get(pipeline, bound);
    this.#record({ kind: "dispatch", pipeline, bindGroup, params, grid, timing });
    for (const { buffer } of bound) buffer.lastUse = this.#recorded;
    this.#submitNow();
  }

  /**
   * A dispatch to be recorded any number of times, each with params of its own; `touch` says afterwards what buffers it uses.
   * The buffers must stay with whoever repeats it.
   */
  prepare(
    pipeline: Pipeline,
    bound: readonly BoundBuffer[],
    grid: Grid,
  ): (params: ParamsSlot | null) => void {
    const bindGroup = this.#bindGroups.get(pipeline, bound);
    return (params) => {
      this.#record({ kind: "dispatch", pipeline, bindGroup, params, grid, timing: null });
      this.#submitNow();
    };
  }

  /** Notes that what was recorded last uses these buffers. */
  touch(buffers: Iterable<PooledBuffer>): void {
    for (const buffer of buffers) buffer.lastUse = this.#recorded;
  }

  /** Puts `data` into a buffer after all that was recorded. */
  write(to: Place, data: Uint8Array): void {
    if (this.isSubmitted(to.buffer)) {
      this.#writeNow(to, data);
      return;
    }
    this.#record({ kind: "write", to, data: new Uint8Array(data) });
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
    this.#batch = FIRST_BATCH;
    for (this.submitReady(); this.#submitted < target; this.submitReady()) {
      const next = this.#commands[0];
      if (next?.kind !== "dispatch") continue;
      await next.pipeline.ready;
      if (next.pipeline.error) throw next.pipeline.error;
    }
  }

  /** Resolves when everything submitted so far is known to be valid, or `fail` was told. */
  async proven(): Promise<void> {
    await Promise.all(this.#unproven);
  }

  /** Submits commands up to the first whose pipeline is not compiled. */
  submitReady(): void {
    const commands = this.#commands;
    this.#inBatch = 0;
    let ready = commands.findIndex(isWaiting);
    if (ready < 0) ready = commands.length;
    for (let at = 0; at < ready;) {
      const first = commands[at]!;
      const end = first.kind === "write" ? at + 1 : this.#submitBatch(commands, at, ready);
      if (first.kind === "write") this.#writeNow(first.to, first.data);
      this.#submitted += end - at;
      at = end;
    }
    this.#commands = commands.slice(ready);
    if (this.#commands.length === 0) this.params.reset();
  }

  #record(command: Command): void {
    this.#commands.push(command);
    this.#recorded++;
    this.#inBatch++;
  }

  /** Submits what is ready where enough was recorded. */
  #submitNow(): void {
    if (this.#inBatch < this.#batch) return;
    this.#batch = Math.min(2 * this.#batch, BATCH);
    this.submitReady();
  }

  #writeNow(
    { buffer, offset }: Place,
    { buffer: bytes, byteOffset, byteLength }: Uint8Array,
  ): void {
    this.#device.queue.writeBuffer(buffer.gpu, offset, bytes, byteOffset, byteLength);
  }

  /** Submits commands from `at` on, as many as one submission can take. @returns where the next one begins */
  #submitBatch(commands: readonly Command[], at: number, ready: number): number {
    const end = batchEnd(commands, at, ready);
    this.#sendParams(commands, at, end);
    this.#device.pushErrorScope("validation");
    const encoder = this.#device.createCommandEncoder({ label: "batch" });
    this.#encode(encoder, commands, at, end);
    const buffer = encoder.finish({ label: "batch" });
    this.#device.queue.submit([buffer]);
    this.#prove();
    return end;
  }

  /** The slots of a batch lie one behind another. */
  #sendParams(commands: readonly Command[], at: number, end: number): void {
    let [first, last]: (ParamsSlot | null)[] = [null, null];
    for (let i = at; i < end; i++) {
      const command = commands[i]!;
      if (command.kind !== "dispatch" || command.params === null) continue;
      first ??= command.params;
      last = command.params;
    }
    if (first && last) this.params.send(first.chunk, first.slot, last.slot + 1);
  }

  /** Commands at .. end - 1. */
  #encode(encoder: GPUCommandEncoder, commands: readonly Command[], at: number, end: number): void {
    let pass: GPUComputePassEncoder | null = null;
    let pipeline: GPUComputePipeline | null = null;
    const profilers = new Set<Profiler>();
    for (let i = at; i < end; i++) {
      const command = commands[i]!;
      if (command.kind === "dispatch") {
        const profiler = this.profiler ?? command.timing?.profiler;
        if (profiler) {
          pass?.end();
          [pass, pipeline] = [null, null];
          measureDispatch(profiler, encoder, command);
          profilers.add(profiler);
          continue;
        }
        pass ??= encoder.beginComputePass({ label: "batch" });
        pipeline = encodeDispatch(pass, command, pipeline);
        continue;
      }
      pass?.end();
      [pass, pipeline] = [null, null];
      encodeTransfer(encoder, command);
    }
    pass?.end();
    for (const profiler of profilers) profiler.resolve(encoder);
  }

  #prove(): void {
    const proof = this.#device.popErrorScope().then(
      (error) => {
        if (error) this.#fail(new Error(`internal: webgpu: ${error.message}`));
      },
      () => undefined, // The device is lost, and tells so itself.
    );
    this.#unproven.add(proof);
    void proof.then(() => this.#unproven.delete(proof));
  }
}

function isWaiting(command: Command): boolean {
  return command.kind === "dispatch" && command.pipeline.compiled === null;
}

/** Where a submission ends: before a write, which goes by another way, and where its params lie in another chunk. */
function batchEnd(commands: readonly Command[], at: number, ready: number): number {
  let chunk: ParamsSlot["chunk"] | null = null;
  let end = at;
  for (; end < Math.min(ready, at + BATCH); end++) {
    const command = commands[end]!;
    if (command.kind === "write") break;
    if (command.kind !== "dispatch" || command.params === null) continue;
    chunk ??= command.params.chunk;
    if (command.params.chunk !== chunk) break;
  }
  return end;
}

// What the queue keeps of what ops recorded, and how it reads to the GPU.

import type { Place } from "./bindGroups.ts";
import { SLOT_BYTES, type ParamsSlot } from "./paramsArena.ts";
import type { Pipeline } from "./pipelines.ts";
import type { Profiler } from "./profiler.ts";

export type Grid = readonly [number, number, number];

export interface Dispatch {
  readonly kind: "dispatch";
  readonly pipeline: Pipeline;
  readonly bindGroup: GPUBindGroup;
  readonly params: ParamsSlot | null;
  readonly grid: Grid;
  /** Set for dispatches that the debug ladder times. */
  readonly timing: Timing | null;
}

/** Who measures a dispatch, and who is told its time. */
export interface Timing {
  readonly profiler: Profiler | null;
  readonly tell: (nanoseconds: number) => void;
}

interface Write {
  readonly kind: "write";
  readonly to: Place;
  readonly data: Uint8Array<ArrayBuffer>;
}

interface Clear {
  readonly kind: "clear";
  readonly at: Place;
  readonly bytes: number;
}

interface Copy {
  readonly kind: "copy";
  readonly from: Place;
  readonly to: GPUBuffer;
  readonly bytes: number;
}

export type Command = Dispatch | Write | Clear | Copy;

/** @param current the pipeline that is set already @returns the one that is set now */
export function encodeDispatch(
  pass: GPUComputePassEncoder,
  { pipeline, bindGroup, params, grid: [x, y, z] }: Dispatch,
  current: GPUComputePipeline | null,
): GPUComputePipeline {
  const { compiled } = pipeline;
  if (compiled !== current) pass.setPipeline(compiled!);
  if (params) pass.setBindGroup(0, bindGroup, [params.slot * SLOT_BYTES]);
  else pass.setBindGroup(0, bindGroup);
  pass.dispatchWorkgroups(x, y, z);
  return compiled!;
}

export function measureDispatch(
  profiler: Profiler,
  encoder: GPUCommandEncoder,
  dispatch: Dispatch,
): void {
  profiler.measure(
    encoder,
    dispatch.pipeline.label,
    (pass) => encodeDispatch(pass, dispatch, null),
    dispatch.timing?.tell ?? null,
  );
}

export function encodeTransfer(encoder: GPUCommandEncoder, command: Write | Clear | Copy): void {
  switch (command.kind) {
    case "clear": {
      const { at, bytes } = command;
      encoder.clearBuffer(at.buffer.gpu, at.offset, bytes);
      return;
    }
    case "copy": {
      const { from, to, bytes } = command;
      encoder.copyBufferToBuffer(from.buffer.gpu, from.offset, to, 0, bytes);
      return;
    }
    case "write":
      throw new Error("internal: writes go through the queue");
  }
}

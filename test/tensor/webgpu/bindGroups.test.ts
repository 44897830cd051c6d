// Bind groups are kept for the steps to come, and only so many, whatever buffers come and go.

import { describe, expect, it } from "vitest";
import { BindGroups } from "../../../src/tensor/webgpu/bindGroups.ts";
import type { PooledBuffer } from "../../../src/tensor/webgpu/bufferPool.ts";
import type { Pipeline } from "../../../src/tensor/webgpu/pipelines.ts";

const pipeline = { layoutNumber: 0, shape: { params: [] } } as unknown as Pipeline;

/** Groups of made-up buffers, and which of them were created. */
function makeGroups() {
  const created: GPUBindGroup[] = [];
  const device = {
    createBindGroup: () => {
      const group = {} as GPUBindGroup;
      created.push(group);
      return group;
    },
  } as unknown as GPUDevice;
  const groups = new BindGroups(device, {} as GPUBuffer, 256);
  const bind = (...buffers: readonly PooledBuffer[]): GPUBindGroup =>
    groups.get(
      pipeline,
      buffers.map((buffer) => ({ buffer, offset: 0, size: undefined })),
    );
  return { created, groups, bind };
}

const makeBuffer = (id: number): PooledBuffer => ({
  ...{ id, gpu: {} as GPUBuffer, size: 256, lastUse: 0, isGone: false },
});

describe("bind groups", () => {
  it("finds those of a step of 8,000 dispatches again in the next one", () => {
    const { created, bind } = makeGroups();
    const buffers = Array.from({ length: 8_000 }, (_, i) => makeBuffer(i));
    for (let step = 0; step < 3; step++) for (const buffer of buffers) bind(buffer);
    expect(created.length).toBe(8_000);
  });

  it("tells pairs of buffers that were made one after another apart", () => {
    const { created, bind } = makeGroups();
    const buffers = Array.from({ length: 80 }, (_, i) => makeBuffer(i + 1));
    const bindPairs = (): void => {
      for (const a of buffers) for (const b of buffers) bind(a, b);
    };
    bindPairs();
    bindPairs();
    expect(created.length).toBe(80 * 80);
  });

  it("lets go of those used longest ago", () => {
    const { created, bind } = makeGroups();
    const weight = makeBuffer(0);
    const buffers = Array.from({ length: 20_000 }, (_, i) => makeBuffer(i + 1));
    for (const buffer of buffers) {
      bind(weight);
      bind(weight, buffer);
    }
    expect(created.length).toBe(20_001);
    bind(weight, buffers.at(-8_000)!);
    expect(created.length).toBe(20_001);
    bind(weight, buffers.at(-9_000)!);
    expect(created.length).toBe(20_002);
  });

  it("lets go of those whose buffers are gone, before others", () => {
    const { created, groups, bind } = makeGroups();
    const kept = Array.from({ length: 4_000 }, (_, i) => makeBuffer(i));
    for (const buffer of kept) bind(buffer);
    for (let id = 10_000; id < 30_000; id++) {
      const buffer = makeBuffer(id);
      bind(buffer, kept[0]!);
      groups.forget(buffer);
    }
    expect(created.length).toBe(24_000);
    for (const buffer of kept) bind(buffer);
    expect(created.length).toBe(24_000);
  });
});

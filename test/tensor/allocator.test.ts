import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { Allocator } from "../../src/tensor/allocator.ts";

const BASE = 128;
const roundUp = (bytes: number): number => Math.ceil(Math.max(bytes, 1) / 64) * 64;

/** The allocator beside the simplest model of it: the blocks in use and the end of the memory. */
class Bench {
  end = BASE;
  growths = 0;
  readonly limit: number;
  readonly blocks = new Map<number, number>();
  readonly allocator = new Allocator(BASE, (end) => {
    if (end > this.limit) return false;
    this.growths++;
    this.end = end;
    return true;
  });

  constructor(limit = Infinity) {
    this.limit = limit;
  }

  /** Free ranges [start, size] of the model, in address order. */
  gaps(): [number, number][] {
    const gaps: [number, number][] = [];
    let start = BASE;
    for (const [offset, size] of [...this.blocks].sort(([a], [b]) => a - b)) {
      if (offset > start) gaps.push([start, offset - start]);
      start = offset + size;
    }
    if (this.end > start) gaps.push([start, this.end - start]);
    return gaps;
  }

  allocate(bytes: number): number | null {
    const size = roundUp(bytes);
    const gaps = this.gaps();
    const before = { end: this.end, growths: this.growths };
    const offset = this.allocator.allocate(bytes);
    const fitting = gaps.map(([, gap]) => gap).filter((gap) => gap >= size);
    if (offset === null) {
      expect(fitting).toEqual([]);
      expect(this.end).toBe(before.end);
      return null;
    }
    expect(offset % 64).toBe(0);
    if (fitting.length > 0) {
      // Best fit: the block comes from the smallest hole that holds it, and the memory does not grow.
      expect(this.growths).toBe(before.growths);
      const hole = gaps.find(([start, gap]) => offset >= start && offset + size <= start + gap);
      expect(hole?.[1]).toBe(Math.min(...fitting));
    } else {
      // Growth is the least possible: a hole at the end is used first.
      const last = gaps.at(-1);
      const start = last && last[0] + last[1] === before.end ? last[0] : before.end;
      expect(offset).toBe(start);
      expect(this.end).toBe(start + size);
    }
    for (const [other, otherSize] of this.blocks) {
      expect(offset + size <= other || other + otherSize <= offset).toBe(true);
    }
    this.blocks.set(offset, size);
    this.checkBytes();
    return offset;
  }

  free(offset: number): void {
    this.allocator.free(offset);
    this.blocks.delete(offset);
    this.checkBytes();
  }

  checkBytes(): void {
    const used = [...this.blocks.values()].reduce((sum, size) => sum + size, 0);
    expect(this.allocator.usedBytes).toBe(used);
    expect(this.allocator.freeBytes).toBe(this.end - BASE - used);
  }
}

/** A number is a request in bytes; { free } gives back the block at that share of the live ones. */
const steps = fc.array(
  fc.oneof(
    { weight: 3, arbitrary: fc.integer({ min: 0, max: 2000 }) },
    { weight: 2, arbitrary: fc.record({ free: fc.double({ min: 0, max: 0.999, noNaN: true }) }) },
  ),
  { maxLength: 120 },
);

function play(bench: Bench, script: readonly (number | { free: number })[]): void {
  for (const step of script) {
    if (typeof step === "number") bench.allocate(step);
    else {
      const live = [...bench.blocks.keys()];
      const offset = live[Math.floor(step.free * live.length)];
      if (offset !== undefined) bench.free(offset);
    }
  }
}

describe("Allocator", () => {
  it("keeps blocks apart and aligned, fits best, grows only when it must", () => {
    fc.assert(fc.property(steps, (script) => play(new Bench(), script)));
  });

  it("does the same when memory runs out", () => {
    fc.assert(fc.property(steps, (script) => play(new Bench(BASE + 8192), script)));
  });

  it("joins everything back into one free block", () => {
    const order = fc.infiniteStream(fc.double({ min: 0, max: 0.999, noNaN: true }));
    fc.assert(
      fc.property(steps, order, (script, picks) => {
        const bench = new Bench();
        play(bench, script);
        while (bench.blocks.size > 0) {
          const live = [...bench.blocks.keys()];
          bench.free(live[Math.floor(picks.next().value! * live.length)]!);
        }
        const total = bench.end - BASE;
        if (total === 0) return;
        const growths = bench.growths;
        expect(bench.allocator.allocate(total)).toBe(BASE);
        expect(bench.growths).toBe(growths);
      }),
    );
  });

  it("starts at a multiple of 64 at or above the base", () => {
    expect(new Allocator(1, () => true).allocate(1)).toBe(64);
    expect(new Allocator(64, () => true).allocate(1)).toBe(64);
  });

  it("refuses to free what is not allocated", () => {
    const allocator = new Allocator(64, () => true);
    const offset = allocator.allocate(10)!;
    allocator.free(offset);
    expect(() => allocator.free(offset)).toThrow(`internal: free of ${offset}`);
  });
});

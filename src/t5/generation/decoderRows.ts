// The rows of a batch that is being decoded, and the slots of the caches that they own. An item's slots belong to it until
// the last of its rows has left, for its rows may have a past in any of them.

import type { EncoderRow } from "./encoderRows.ts";

/** An input, while rows continue it. */
interface Item {
  readonly crossSlot: number;
  /** Keys that cross-attention reads. */
  readonly keys: number;
  /** Slots in the caches of self-attention. */
  readonly slots: readonly number[];
}

/** What continues an input: a beam, a sample, the one sequence of greedy search. */
interface Row {
  readonly item: Item;
  /** Where its next position goes. */
  readonly slot: number;
  /** Positions that it has fed. */
  readonly length: number;
  /** The slot of each position so far; null where all lie in `slot`. */
  readonly origins: readonly number[] | null;
}

export class DecoderRows {
  /** Slots in use and free ones, by cache: as many as the caches must have. */
  readonly slots: SlotPool;
  readonly crossSlots: SlotPool;
  readonly #rowsPerItem: number;
  #rows: Row[] = [];

  /** @param reserved slots that rows do not get, the first ones */
  constructor(rowsPerItem: number, reserved: number) {
    this.#rowsPerItem = rowsPerItem;
    this.slots = new SlotPool(reserved);
    this.crossSlots = new SlotPool(reserved);
  }

  get count(): number {
    return this.#rows.length;
  }

  /** Positions that the longest row has fed. */
  get longest(): number {
    return this.#rows.reduce((most, { length }) => Math.max(most, length), 0);
  }

  /** Keys of the longest input. */
  get mostCrossKeys(): number {
    return this.#rows.reduce((most, { item }) => Math.max(most, item.keys), 0);
  }

  /** Whether rows have a past in slots that are not their own. */
  get areBranched(): boolean {
    return this.#rows.some((row) => row.origins !== null);
  }

  /** Adds the rows of an input behind the others. @returns its slot in the caches of cross-attention */
  admit({ keys }: EncoderRow): number {
    const slots = Array.from({ length: this.#rowsPerItem }, () => this.slots.take());
    const item = { crossSlot: this.crossSlots.take(), keys, slots };
    for (const slot of slots) this.#rows.push({ item, slot, length: 0, origins: null });
    return item.crossSlot;
  }

  /** Row i goes on from what was row `rows[i]`; those not named leave. */
  keep(rows: readonly number[]): void {
    const before = this.#rows;
    const named = new Set(rows);
    const unused = new Map<Item, number[]>();
    for (const { item } of before) unused.set(item, [...item.slots]);
    const owns = (row: number): Row => before[row]!;
    for (const row of named) {
      const { item, slot } = owns(row);
      unused.set(
        item,
        unused.get(item)!.filter((other) => other !== slot),
      );
    }
    const continued = new Set<number>();
    this.#rows = rows.map((row) => {
      const origin = owns(row);
      if (!continued.has(row)) {
        continued.add(row);
        return origin;
      }
      // Its past stays where it is; from now on it writes to a slot of its own.
      const past = origin.origins ?? new Array<number>(origin.length).fill(origin.slot);
      return { ...origin, slot: unused.get(origin.item)!.pop()!, origins: past };
    });
    const alive = new Set(this.#rows.map(({ item }) => item));
    for (const item of unused.keys()) {
      if (alive.has(item)) continue;
      this.crossSlots.give(item.crossSlot);
      for (const slot of item.slots) this.slots.give(slot);
    }
  }

  /** Every row has fed one more position. */
  advance(): void {
    this.#rows = this.#rows.map(({ item, slot, length, origins }) => ({
      item,
      slot,
      length: length + 1,
      origins: origins && [...origins, slot],
    }));
  }

  /** [count, 2] Where the next position of each row goes. */
  places(): number[] {
    return this.#rows.flatMap(({ slot, length }) => [slot, length]);
  }

  /** [count, 2] Slot and last position of each row's keys in cross-attention. */
  crossPlaces(): number[] {
    return this.#rows.flatMap(({ item }) => [item.crossSlot, item.keys - 1]);
  }

  /** Writes the slot of every position of each row, the next one included: [count, capacity]. */
  writeOrigins(origins: Int32Array, capacity: number): void {
    this.#rows.forEach((row, i) => {
      const at = i * capacity;
      if (row.origins === null) origins.fill(row.slot, at, at + row.length + 1);
      else {
        origins.set(row.origins, at);
        origins[at + row.length] = row.slot;
      }
    });
  }
}

/** Numbers of slots: those given back are taken again first. */
class SlotPool {
  /** Slots there must be. */
  count: number;
  readonly #free: number[] = [];

  constructor(reserved: number) {
    this.count = reserved;
  }

  take(): number {
    return this.#free.pop() ?? this.count++;
  }

  give(slot: number): void {
    this.#free.push(slot);
  }
}

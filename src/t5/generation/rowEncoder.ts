// The encoder's side of a session: the rows of inputs become keys and values that cross-attention reads. Rows are encoded
// together where that changes no bit of what each of them gets, packed one behind another: weights are packed for products, and
// kernels started, once for some hundred tokens instead of once a row.

import { noGrad } from "../../autograd/tape.ts";
import { concatForward } from "../../kernels/moves/concat.ts";
import { writeHeadsInto } from "../../kernels/attention/headCache.ts";
import { sliceForward } from "../../kernels/moves/slice.ts";
import { MOST_DOT_ROWS } from "../../kernels/wasm/generated/constants.ts";
import { reshape } from "../../autograd/ops/shape.ts";
import { scope, type Scope } from "../../tensor/scope.ts";
import { tensor, zeros, type Tensor } from "../../tensor/tensor.ts";
import { projectKeysValues, type Context } from "../layers.ts";
import type { T5Network } from "../network.ts";
import type { EncoderRow } from "./encoderRows.ts";
import type { HeadCaches } from "./headCaches.ts";

/** Tokens of rows encoded together. More make products no faster, and keep whoever waits between two tokens waiting. */
const GROUP_TOKENS = 1024;

/** A row that comes into the batch, and its slot in the caches of cross-attention. */
export interface AdmittedRow {
  readonly item: number;
  readonly slot: number;
}

export class RowEncoder {
  readonly #network: T5Network;
  readonly #context: Context;
  readonly #rows: readonly EncoderRow[];
  readonly #memory: Scope;
  /** [L, C] of rows that are encoded and not yet admitted, by item. */
  readonly #outputs = new Map<number, Tensor>();

  /** @param memory owns what waits */
  constructor(network: T5Network, context: Context, rows: readonly EncoderRow[], memory: Scope) {
    this.#network = network;
    this.#context = context;
    this.#rows = rows;
    this.#memory = memory;
  }

  /**
   * Writes what cross-attention reads of rows, of every decoder block, to their slots.
   * @param next items that come soon, the first ones first: encoded along with these where there is room
   */
  admit(admitted: readonly AdmittedRow[], next: readonly number[], caches: HeadCaches): void {
    noGrad(() => {
      const missing = admitted.flatMap(({ item }) => (this.#outputs.has(item) ? [] : [item]));
      const wanted = new Set(missing);
      const following = next.filter((item) => !wanted.has(item) && !this.#outputs.has(item));
      for (const group of this.#groups([...missing, ...following], (item) => item)) {
        if (group.some((item) => wanted.has(item))) this.#encode(group);
      }
      for (const group of this.#groups(admitted, ({ item }) => item)) this.#project(group, caches);
    });
  }

  /** Neighbours that may be computed together: a product of a few rows adds up in another order than one of many. */
  #groups<T>(members: readonly T[], itemOf: (member: T) => number): T[][] {
    const groups: T[][] = [];
    let room = 0;
    for (const member of members) {
      const { ids, mask } = this.#rows[itemOf(member)]!;
      const isAlone = ids.length <= MOST_DOT_ROWS || mask !== null;
      if (!isAlone && ids.length <= room) groups.at(-1)!.push(member);
      else groups.push([member]);
      room = isAlone ? 0 : (ids.length <= room ? room : GROUP_TOKENS) - ids.length;
    }
    return groups;
  }

  #encode(items: readonly number[]): void {
    const rows = items.map((item) => this.#rows[item]!);
    const outputs = this.#memory.run(() =>
      scope(() => {
        const encoded = this.#encodeRows(rows);
        let begin = 0;
        return rows.map(({ ids }) => sliceForward(encoded, 0, begin, (begin += ids.length)));
      }),
    );
    for (const [i, item] of items.entries()) this.#outputs.set(item, outputs[i]!);
  }

  /** The encoder's output for rows one behind another, [tokens, C]. */
  #encodeRows(rows: readonly EncoderRow[]): Tensor {
    const { device, config } = this.#network;
    const i32 = (values: readonly number[], shape: readonly number[]): Tensor =>
      tensor(Int32Array.from(values), shape, { device });
    const [first] = rows as [EncoderRow];
    if (first.mask !== null) {
      const shape = [1, first.ids.length];
      const [ids, mask] = [i32(first.ids, shape), i32(first.mask, shape)];
      const { output } = this.#network.encode(ids, mask, false, this.#context);
      return reshape(output, [first.ids.length, config.dModel]);
    }
    const lengths = rows.map(({ ids }) => ids.length);
    const ids = rows.flatMap((row) => row.ids);
    const paddedLength = Math.max(...lengths);
    const packed = { ids: i32(ids, [ids.length]), lengths, paddedLength };
    return this.#network.encodePacked(packed, this.#context);
  }

  #project(group: readonly AdmittedRow[], caches: HeadCaches): void {
    const { device, weights } = this.#network;
    const rows = group.map(({ item }) => this.#rows[item]!);
    const outputs = group.map(({ item }) => this.#outputs.get(item)!);
    scope(() => {
      const encoded = outputs.length === 1 ? outputs[0]! : concatForward(outputs, 0);
      const values = group.flatMap(({ slot }, i) => placesOf(rows[i]!, slot));
      const places = tensor(Int32Array.from(values), [values.length / 2, 2], { device });
      weights.decoder.blocks.forEach((block, i) =>
        scope(() => {
          const { k, v } = projectKeysValues(this.#context, block.crossAttention!, encoded);
          writeHeadsInto(seenKeys(rows[0]!, k), v, caches.blocks[i]!, places);
        }),
      );
    });
    for (const [i, { item }] of group.entries()) {
      outputs[i]!.dispose();
      this.#outputs.delete(item);
    }
  }
}

/** Slot and position of every key, -1 for hidden ones: those that are seen lie one behind another. */
function placesOf({ mask, ids, keys }: EncoderRow, slot: number): number[] {
  let position = 0;
  return ids.flatMap((_, i) => [
    slot,
    mask === null || mask[i] === 1 || keys === ids.length ? position++ : -1,
  ]);
}

/** Keys of 0 have equal scores: so is a row uniform of which all is hidden. */
function seenKeys({ mask, ids, keys }: EncoderRow, k: Tensor): Tensor {
  if (mask === null || keys < ids.length) return k;
  return zeros(k.shape, { device: k.device, dtype: k.dtype });
}

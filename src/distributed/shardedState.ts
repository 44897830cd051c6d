// Moments that lie in parts on several ranks, as a checkpoint holds them: whole, under the names of PyTorch's AdamW. Rank 0 reads one
// after another while it writes the file, so that it has one whole moment in memory at a time.

import { invariant } from "../tensor/errors.ts";
import type { Dtype, StorageArray } from "../tensor/dtype.ts";
import type { Tensor } from "../tensor/tensor.ts";
import type { ProcessGroup } from "./processGroup.ts";
import { common, viewOf, type Range, type Shard } from "./shard.ts";

/** One moment of one parameter. */
export interface ShardedMoment {
  readonly dtype: Dtype;
  readonly shape: readonly number[];
  /** For rank 0, while the others answer (`answerReads`). @returns all elements as they are stored */
  read(): Promise<StorageArray>;
  /** Takes this rank's part of all elements. */
  write(all: StorageArray): void;
}

/** Tells the other ranks that nothing more will be read. */
const END = -1;

interface Place {
  readonly name: string;
  readonly parameter: Tensor;
  /** This rank's elements of the parameter; null for none. */
  readonly own: Range | null;
  /** A view of them, for the caller to dispose. */
  view(): Tensor;
}

/** The same on all ranks but for what is their own. */
function placesOf(shards: readonly Shard[]): Place[] {
  return shards.flatMap((shard) =>
    shard.pack.entries.flatMap((entry): Place[] => {
      const { name, tensor: parameter, begin } = entry;
      const range = common(entry, shard.own);
      const own = range && { begin: range.begin - begin, end: range.end - begin };
      const place = (moment: string, whole: Tensor): Place => ({
        ...{ name: `${name}.${moment}`, parameter, own },
        view: () => viewOf(whole, range!, shard.own),
      });
      return [place("exp_avg", shard.m), place("exp_avg_sq", shard.v)];
    }),
  );
}

export function shardedState(
  group: ProcessGroup,
  shards: readonly Shard[],
): Map<string, ShardedMoment> {
  const moments = placesOf(shards).map((place, i): [string, ShardedMoment] => {
    const { dtype, shape } = place.parameter;
    const read = async (): Promise<StorageArray> => {
      invariant(group.rank === 0, () => "moments are read by rank 0");
      await group.broadcast(Float64Array.of(i));
      return sumOfParts(group, place);
    };
    const write = (all: StorageArray): void => {
      const { own } = place;
      if (own === null) return;
      const view = place.view();
      view.device.write(view.storage, dtype, all.subarray(own.begin, own.end) as StorageArray);
      view.dispose();
    };
    return [place.name, { dtype, shape, read, write }];
  });
  return new Map(moments);
}

/** Ends reading on rank 0; takes part in its reads, until then, on the others. Collective. */
export async function answerReads(group: ProcessGroup, shards: readonly Shard[]): Promise<void> {
  const next = Float64Array.of(END);
  if (group.rank === 0) return group.broadcast(next);
  const places = placesOf(shards);
  for (;;) {
    await group.broadcast(next);
    if (next[0] === END) return;
    await sumOfParts(group, places[next[0]!]!);
  }
}

/**
 * Stored words travel as numbers in f32, which holds those of 16 bits, too; where other ranks have theirs, this one has zeros.
 */
async function sumOfParts(
  group: ProcessGroup,
  { parameter: { dtype, size }, own, view }: Place,
): Promise<StorageArray> {
  const sum = new Float32Array(size);
  if (own !== null) {
    const x = view();
    sum.set((await x.device.readStored(x.storage, dtype, x.size)) as ArrayLike<number>, own.begin);
    x.dispose();
  }
  await group.allreduce(sum);
  return dtype === "f32" ? sum : Uint16Array.from(sum);
}

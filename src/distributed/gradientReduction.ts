// Sums gradients over the ranks of a group, while the backward pass goes on where it can.
//
// On the cpu device gradients lie in buckets, in reverse order of the parameters, for backward comes to the last ones first (as
// PyTorch's DistributedDataParallel, Li et al. 2020, arXiv 2006.15704, section 3.2.3). A bucket whose gradients are all there is summed
// in place, between the kernels of the rest. A GPU's memory is not the host's: there the gradients are read, summed and
// written back, some MiB at a time.

import type { BackwardWatch } from "../autograd/backward.ts";
import type { AdamW } from "../optim/adamw.ts";
import type { Gradients } from "../optim/gradients.ts";
import { planPacks, type Pack } from "../optim/pack.ts";
import type { PinnedArray } from "../tensor/device.ts";
import { byteLength } from "../tensor/dtype.ts";
import { DistributedError } from "../tensor/errors.ts";
import { scope } from "../tensor/scope.ts";
import type { Tensor } from "../tensor/tensor.ts";
import type { Shard } from "./shard.ts";
import { ShardedAdamW } from "./shardedAdamW.ts";
import { startScatteredSum, startSum, type WireDtype } from "./wire.ts";
import type { ProcessGroup, GroupRequest } from "./processGroup.ts";

/** Large enough for the network's bandwidth, small enough that the first is soon full; docs/internals/measurements/distributed.md. */
export const BUCKET_BYTES = 8 * 2 ** 20;

export interface ReductionOptions {
  /** Most bytes of a bucket that holds more than one gradient. Default 8 MiB. */
  readonly bucketBytes?: number;
  /** false begins when backward is over, to measure what overlapping saves. Default true. */
  readonly overlap?: boolean;
  /** What travels. Default "f32". */
  readonly wire?: WireDtype;
  /** Packs in which gradients lie and of which each rank gets the sums of its own part alone. Default: none, every rank gets all. */
  readonly shards?: readonly Shard[];
}

interface Bucket {
  readonly pack: Pack;
  readonly shard: Shard | null;
  /** Parameters whose gradients are not complete yet. */
  missing: Set<Tensor>;
}

interface InFlight {
  readonly request: GroupRequest;
  readonly pinned: readonly PinnedArray[];
}

export class GradientReduction {
  readonly #group: ProcessGroup;
  readonly #overlap: boolean;
  readonly #wire: WireDtype;
  readonly #buckets: readonly Bucket[];
  readonly #shards: readonly Shard[];
  readonly #bucketOf = new Map<Tensor, Bucket>();
  #launched = 0;
  #inFlight: InFlight[] = [];
  /** Milliseconds that `finish` has waited, over all updates. */
  waited = 0;
  /** Bytes of the gradients that this rank put on the wire in the last update, before MPI's own algorithm multiplies them. */
  bytes = 0;

  /**
   * @param parameters all of the model, by name; those that require a gradient take part
   * @throws {DistributedError} for a parameter in f64
   */
  constructor(
    group: ProcessGroup,
    parameters: ReadonlyMap<string, Tensor>,
    {
      bucketBytes = BUCKET_BYTES,
      overlap = true,
      wire = "f32",
      shards = [],
    }: ReductionOptions = {},
  ) {
    this.#group = group;
    this.#overlap = overlap;
    this.#wire = wire;
    const trained = [...parameters].filter(([, { requiresGrad }]) => requiresGrad);
    if (group.size > 1) checkDtypes(trained);
    const isHost = trained[0]?.[1].device.kind === "cpu";
    this.#shards = shards;
    const parts: readonly { pack: Pack; shard: Shard | null }[] =
      shards.length > 0
        ? shards.map((shard) => ({ pack: shard.pack, shard }))
        : planPacks(new Map(trained.reverse()), bucketBytes).map((pack) => ({ pack, shard: null }));
    this.#buckets =
      group.size > 1 && isHost ? parts.map((part) => ({ ...part, missing: new Set() })) : [];
    for (const bucket of this.#buckets) {
      for (const { tensor } of bucket.pack.entries) this.#bucketOf.set(tensor, bucket);
    }
  }

  /** Gradients of zero, in buckets. */
  zeroGrad(optimizer: Pick<AdamW, "zeroGradIn"> | ShardedAdamW): Gradients {
    if (optimizer instanceof ShardedAdamW) return optimizer.zeroGradIn();
    return optimizer.zeroGradIn(this.#buckets.map(({ pack }) => pack));
  }

  /** For the last backward of an update: sums each bucket as it fills. Null where there is nothing to overlap. */
  watch(gradients: Gradients): BackwardWatch | null {
    if (this.#buckets.length === 0 || !this.#overlap) return null;
    for (const bucket of this.#buckets) {
      bucket.missing = new Set(bucket.pack.entries.map(({ tensor }) => tensor));
    }
    return {
      onLeaf: (leaf, sum) => {
        const bucket = this.#bucketOf.get(leaf);
        // A sum that lies elsewhere, because something views it, is moved into the bucket by `finish`.
        if (!bucket || !gradients.isPart(bucket.pack, leaf, sum)) return;
        bucket.missing.delete(leaf);
        // In one order on all ranks, as MPI asks of collectives.
        while (this.#buckets[this.#launched]?.missing.size === 0) this.#launch(gradients);
      },
      onNode: () => this.#progress(),
    };
  }

  /** Sums what is left, and waits until all is summed. Then the gradients are the same on every rank. */
  async finish(gradients: Gradients): Promise<void> {
    if (this.#group.size === 1) return;
    const begun = performance.now();
    if (this.#buckets.length === 0) {
      if (this.#shards.length > 0) await this.#scatterStaged(gradients);
      else await this.#sumStaged(gradients);
    }
    for (const { tensor } of this.#buckets.slice(this.#launched).flatMap((b) => b.pack.entries)) {
      gradients.settle(tensor);
    }
    while (this.#launched < this.#buckets.length) this.#launch(gradients);
    for (const { request, pinned } of this.#inFlight) {
      await this.#group.wait(request, "sum of the gradients");
      for (const each of pinned) each.release();
    }
    this.#inFlight = [];
    this.#launched = 0;
    this.waited += performance.now() - begun;
  }

  #launch(gradients: Gradients): void {
    if (this.#launched === 0) this.bytes = 0;
    const { pack, shard } = this.#buckets[this.#launched++]!;
    const whole = gradients.wholeOf(pack)!;
    const pinned = [whole, ...(shard ? [shard.gradient] : [])].map(({ device, storage, size }) =>
      device.pin(storage, "f32", size)!,
    );
    const [all, own] = pinned.map(({ array }) => array as Float32Array);
    const request = own
      ? startScatteredSum(this.#group, all!, own, this.#wire)
      : startSum(this.#group, all!, this.#wire);
    this.bytes += whole.size * (this.#wire === "f32" ? 4 : 2);
    this.#inFlight.push({ request, pinned });
  }

  /** Lets MPI work on the oldest sum; it works on the others as well meanwhile. */
  #progress(): void {
    const [oldest] = this.#inFlight;
    if (oldest === undefined || !oldest.request.test()) return;
    for (const each of oldest.pinned) each.release();
    this.#inFlight.shift();
  }

  /** The same with every rank's own part alone, pack by pack. */
  async #scatterStaged(gradients: Gradients): Promise<void> {
    this.bytes = 0;
    for (const { pack, gradient } of this.#shards) {
      for (const { tensor } of pack.entries) gradients.settle(tensor);
      const { device, storage, size } = gradients.wholeOf(pack)!;
      const all = (await device.readStored(storage, "f32", size)) as Float32Array;
      const own = new Float32Array(gradient.size);
      const request = startScatteredSum(this.#group, all, own, this.#wire);
      this.bytes += size * (this.#wire === "f32" ? 4 : 2);
      await this.#group.wait(request, "sum of the gradients");
      device.write(gradient.storage, "f32", own);
    }
  }

  /** Where the host cannot see the device's memory. One part is read while the one before is summed. */
  async #sumStaged(gradients: Gradients): Promise<void> {
    const ranges = scope(() => gradients.ranges());
    this.bytes = 0;
    let last: Promise<void> = Promise.resolve();
    for (const { device, storage, size } of ranges) {
      const most = BUCKET_BYTES / 4;
      for (let begin = 0; begin < size; begin += most) {
        const length = Math.min(most, size - begin);
        const part = storage.slice(byteLength("f32", begin), byteLength("f32", length));
        const values = (await device.readStored(part, "f32", length)) as Float32Array;
        await last;
        const request = startSum(this.#group, values, this.#wire);
        this.bytes += length * (this.#wire === "f32" ? 4 : 2);
        last = this.#group.wait(request, "sum of the gradients").then(() => {
          device.write(part, "f32", values);
          part.release();
        });
      }
    }
    await last;
    for (const range of ranges) range.dispose();
  }
}

function checkDtypes(trained: readonly (readonly [string, Tensor])[]): void {
  for (const [name, { dtype }] of trained) {
    if (dtype !== "f64") continue;
    throw new DistributedError(
      `train: parameters trained by several ranks must be f32 or 16-bit floats, got f64 (${name}). Train them by one process.`,
    );
  }
}

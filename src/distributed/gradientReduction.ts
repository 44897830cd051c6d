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
import { startSum, type WireDtype } from "./wire.ts";
import type { ProcessGroup, GroupRequest } from "./processGroup.ts";

/** PyTorch's bucket_cap_mb: large enough for the network's bandwidth, small enough that the first is soon full. */
export const BUCKET_BYTES = 25 * 2 ** 20;

export interface ReductionOptions {
  /** Most bytes of a bucket that holds more than one gradient. Default 25 MiB. */
  readonly bucketBytes?: number;
  /** false begins when backward is over, to measure what overlapping saves. Default true. */
  readonly overlap?: boolean;
  /** What travels. Default "f32". */
  readonly wire?: WireDtype;
}

interface Bucket {
  readonly pack: Pack;
  /** Parameters whose gradients are not complete yet. */
  missing: Set<Tensor>;
}

interface InFlight {
  readonly request: GroupRequest;
  readonly pinned: PinnedArray;
}

export class GradientReduction {
  readonly #group: ProcessGroup;
  readonly #overlap: boolean;
  readonly #wire: WireDtype;
  readonly #buckets: readonly Bucket[];
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
    { bucketBytes = BUCKET_BYTES, overlap = true, wire = "f32" }: ReductionOptions = {},
  ) {
    this.#group = group;
    this.#overlap = overlap;
    this.#wire = wire;
    const trained = [...parameters].filter(([, { requiresGrad }]) => requiresGrad);
    if (group.size > 1) checkDtypes(trained);
    const isHost = trained[0]?.[1].device.kind === "cpu";
    const packs =
      group.size > 1 && isHost ? planPacks(new Map(trained.reverse()), bucketBytes) : [];
    this.#buckets = packs.map((pack) => ({ pack, missing: new Set() }));
    for (const bucket of this.#buckets) {
      for (const { tensor } of bucket.pack.entries) this.#bucketOf.set(tensor, bucket);
    }
  }

  /** Gradients of zero, in buckets. */
  zeroGrad(optimizer: AdamW): Gradients {
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
    if (this.#buckets.length === 0) await this.#sumStaged(gradients);
    for (const { tensor } of this.#buckets.slice(this.#launched).flatMap((b) => b.pack.entries)) {
      gradients.settle(tensor);
    }
    while (this.#launched < this.#buckets.length) this.#launch(gradients);
    for (const { request, pinned } of this.#inFlight) {
      await this.#group.wait(request, "sum of the gradients");
      pinned.release();
    }
    this.#inFlight = [];
    this.#launched = 0;
    this.waited += performance.now() - begun;
  }

  #launch(gradients: Gradients): void {
    if (this.#launched === 0) this.bytes = 0;
    const whole = gradients.wholeOf(this.#buckets[this.#launched++]!.pack)!;
    const pinned = whole.device.pin(whole.storage, "f32", whole.size)!;
    const request = startSum(this.#group, pinned.array as Float32Array, this.#wire);
    this.bytes += whole.size * (this.#wire === "f32" ? 4 : 2);
    this.#inFlight.push({ request, pinned });
  }

  /** Lets MPI work on the oldest sum; it works on the others as well meanwhile. */
  #progress(): void {
    const [oldest] = this.#inFlight;
    if (oldest === undefined || !oldest.request.test()) return;
    oldest.pinned.release();
    this.#inFlight.shift();
  }

  /** Where the host cannot see the device's memory. One part is read while the one before is summed. */
  async #sumStaged(gradients: Gradients): Promise<void> {
    const ranges = scope(() =>
      gradients.ranges().map(({ device, storage, size }) => ({ device, storage, size })),
    );
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

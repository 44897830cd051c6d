// AdamW with its moments dealt out over the ranks of a group (ZeRO-1): gradients are summed so that every rank gets the sums of its own
// part, it updates that part of the weights, and the parts are put together on all ranks. Moments take 1/n of the memory; what travels
// is as much as for a sum on every rank, but for the clipping norm, which takes a number more.

import { adamwInPlace } from "../kernels/optimizer/adamw.ts";
import { gradientNormForward } from "../kernels/optimizer/gradientNorm.ts";
import { checkedOptions, decays, type AdamWOptions } from "../optim/adamw.ts";
import { checkedParameters } from "../optim/parameters.ts";
import type { Gradients } from "../optim/gradients.ts";
import { nextGradients } from "../optim/gradients.ts";
import { planPacks } from "../optim/pack.ts";
import { byteLength, type StorageArray } from "../tensor/dtype.ts";
import { keep, scope } from "../tensor/scope.ts";
import { tensor, type Tensor } from "../tensor/tensor.ts";
import type { ProcessGroup } from "./processGroup.ts";
import { ownRanges, shardOf, viewOf, type Shard } from "./shard.ts";
import { answerReads, shardedState, type ShardedMoment } from "./shardedState.ts";

export class ShardedAdamW {
  /** Updates done so far. */
  steps = 0;
  /** In reverse order of the parameters, as backward comes to them. */
  readonly shards: readonly Shard[];
  readonly #group: ProcessGroup;
  readonly #options: ReturnType<typeof checkedOptions>;
  #gradients: Gradients | null = null;
  #scale: Tensor | null = null;

  /**
   * The parameters move into storages that they share, as `AdamW`'s do on a GPU.
   * @param parameters by name; those that require no gradient are left alone
   * @param packBytes most bytes in f32 of a pack that holds more than one parameter
   * @throws as AdamW
   */
  constructor(
    group: ProcessGroup,
    parameters: ReadonlyMap<string, Tensor>,
    options: AdamWOptions,
    packBytes: number,
  ) {
    this.#group = group;
    this.#options = checkedOptions(options);
    const byDtype = new Map<string, Map<string, Tensor>>();
    for (const [name, p] of [...checkedParameters("AdamW", parameters)].reverse()) {
      byDtype.set(p.dtype, (byDtype.get(p.dtype) ?? new Map<string, Tensor>()).set(name, p));
    }
    this.shards = [...byDtype.values()]
      .flatMap((members) => planPacks(members, packBytes))
      .map((pack) => shardOf(pack, group.rank, group.size));
  }

  /** Begins an update: gradients of zero that lie in the shards' packs. */
  zeroGradIn(): Gradients {
    const packs = this.shards.map(({ pack }) => pack);
    return (this.#gradients = nextGradients(this.#gradients, this, packs));
  }

  /**
   * The norm of the gradients of all ranks' parts, after they were summed, and the factor for `step` that brings it down to `maxNorm`.
   * Collective. @returns [1]
   */
  async clip(gradients: Gradients, maxNorm: number, unscale: number): Promise<Tensor | null> {
    if (gradients.size === 0) return null;
    const own = await this.#ownNorm(gradients); // Parcel takes the brackets off (await norm) ** 2
    const squares = Float64Array.of(own * own);
    await this.#group.allreduce(squares);
    const norm = unscale * Math.sqrt(squares[0]!);
    const { device } = this.shards[0]!.p;
    this.#scale = keep(tensor([unscale * Math.min(1, maxNorm / (norm + 1e-6))], [1], { device }));
    return keep(tensor([norm], [1], { device }));
  }

  async #ownNorm(gradients: Gradients): Promise<number> {
    const norm = scope(() => {
      const views = this.shards.flatMap((shard) =>
        ownRanges(shard, ({ tensor: p }) => (gradients.get(p) ? true : null)).map(({ range }) =>
          viewOf(shard.gradient, range, shard.own),
        ),
      );
      return views.length > 0 ? gradientNormForward(views, Infinity).norm : null;
    });
    const value = (await norm?.item()) ?? 0;
    norm?.dispose();
    return value;
  }

  /** Updates this rank's part of the weights; `gather` then puts the parts together. */
  step(gradients: Gradients, learningRate: number): void {
    gradients.markStepped(this);
    this.steps++;
    const { betas, eps, weightDecay } = this.#options;
    const settings = { learningRate, beta1: betas[0], beta2: betas[1], eps, step: this.steps };
    for (const shard of this.shards) {
      scope(() => {
        const { p, m, v, gradient, own } = shard;
        const decayOf = (name: string): number => (decays(name) ? weightDecay : 0);
        const ranges = ownRanges(shard, (entry) =>
          gradients.get(entry.tensor) ? decayOf(entry.name) : null,
        );
        for (const { range, kind } of ranges) {
          const [mean, square, g] = [m, v, gradient].map((x) => viewOf(x, range, own));
          const call = { p: viewOf(p, range, null), m: mean!, v: square!, gradient: g! };
          adamwInPlace({ ...call, scale: this.#scale }, { ...settings, weightDecay: kind });
        }
      });
    }
    this.#scale?.dispose();
    this.#scale = null;
  }

  /** Every rank gets the others' parts of the weights. Collective. */
  async gather(): Promise<void> {
    for (const shard of this.shards) await this.#gatherOne(shard);
  }

  async #gatherOne({ p, own }: Shard): Promise<void> {
    const { device, storage, dtype, size } = p;
    const pinned = device.pin(storage, dtype, size);
    if (pinned !== null) {
      await this.#group.wait(this.#group.startAllgather(wireOf(pinned.array)), "weights");
      pinned.release();
      return;
    }
    const part = storage.slice(
      byteLength(dtype, own.begin),
      byteLength(dtype, own.end - own.begin),
    );
    const values = await device.readStored(part, dtype, own.end - own.begin);
    part.release();
    const all = new (values.constructor as new (length: number) => typeof values)(size);
    all.set(values as never, own.begin);
    await this.#group.wait(this.#group.startAllgather(wireOf(all)), "weights");
    device.write(storage, dtype, all);
  }

  /** The moments under `AdamW.state`'s names; each is read from all ranks and written to all ranks' parts. */
  state(): Map<string, ShardedMoment> {
    return shardedState(this.#group, this.shards);
  }

  /** Rank 0 has read what it wanted of `state`; the other ranks answer until then. Collective. */
  shareState(): Promise<void> {
    return answerReads(this.#group, this.shards);
  }

  /** Frees the moments; the parameters stay. */
  dispose(): void {
    this.#gradients?.dispose();
    this.#scale?.dispose();
    for (const { p, m, v, gradient } of this.shards)
      for (const x of [p, m, v, gradient]) x.dispose();
  }
}

/** Numbers as bytes travel. */
function wireOf({ buffer, byteOffset, byteLength: bytes }: StorageArray): Uint8Array {
  return new Uint8Array(buffer, byteOffset, bytes);
}

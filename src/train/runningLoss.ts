// The training loss between two log records. Its sum stays on the device until somebody asks for it.

import { addToSumInPlace } from "../kernels/optimizer/runningSum.ts";
import { singleProcess, type ProcessGroup } from "../distributed/processGroup.ts";
import type { Device } from "../tensor/device.ts";
import { keep } from "../tensor/scope.ts";
import { tensor, zeros, type Tensor } from "../tensor/tensor.ts";

export interface RunningLossState {
  /** Sum over the updates since the last log record. */
  readonly sum: number;
  /** Sum over the updates before it. */
  readonly logged: number;
  /** Update at which it was. */
  readonly loggedStep: number;
}

export class RunningLoss {
  /** Update of the last log record. */
  loggedStep = 0;
  readonly #filter: boolean;
  readonly #group: ProcessGroup;
  /** Of this rank alone; all others are of all ranks. */
  #sum: Tensor;
  #logged = 0;

  /**
   * @param filter lets a loss of NaN or infinity count as the mean of those before it
   * @param group whose ranks' losses are added up where one is asked for, which all of them must do then
   */
  constructor(device: Device, filter: boolean, group: ProcessGroup = singleProcess) {
    this.#sum = keep(zeros([1], { device }));
    this.#filter = filter;
    this.#group = group;
  }

  /**
   * Adds the loss of a batch.
   * @param loss one element, already divided by the number of batches of its update
   * @param step updates before this one
   */
  add(loss: Tensor, step: number): void {
    addToSumInPlace(this.#sum, loss, 1, this.#filter ? 1 + step - this.loggedStep : 0);
  }

  /** Mean over the updates since the last call, which a log record will show. */
  async take(step: number): Promise<number> {
    const sum = await this.#total();
    const mean = sum / (step - this.loggedStep);
    this.#set({ sum: 0, logged: this.#logged + sum, loggedStep: step });
    return mean;
  }

  /** Mean over all updates of the run. */
  async mean(step: number): Promise<number> {
    return (this.#logged + (await this.#total())) / Math.max(step, 0.001);
  }

  async state(): Promise<RunningLossState> {
    return { sum: await this.#total(), logged: this.#logged, loggedStep: this.loggedStep };
  }

  restore(state: RunningLossState): void {
    this.#set(this.#group.rank === 0 ? state : { ...state, sum: 0 });
  }

  async #total(): Promise<number> {
    const sum = Float64Array.of(await this.#sum.item());
    await this.#group.allreduce(sum);
    return sum[0]!;
  }

  #set({ sum, logged, loggedStep }: RunningLossState): void {
    const { device } = this.#sum;
    this.#sum.dispose();
    this.#sum = keep(tensor([sum], [1], { device }));
    this.#logged = logged;
    this.loggedStep = loggedStep;
  }

  dispose(): void {
    this.#sum.dispose();
  }
}

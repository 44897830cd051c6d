// The training loss between two log records. Its sum stays on the device until somebody asks for it.

import { addToSumInPlace } from "../kernels/optimizer/runningSum.ts";
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
  #sum: Tensor;
  #logged = 0;

  /** @param filter lets a loss of NaN or infinity count as the mean of those before it */
  constructor(device: Device, filter: boolean) {
    this.#sum = keep(zeros([1], { device }));
    this.#filter = filter;
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
    const sum = await this.#sum.item();
    const mean = sum / (step - this.loggedStep);
    this.#set({ sum: 0, logged: this.#logged + sum, loggedStep: step });
    return mean;
  }

  /** Mean over all updates of the run. */
  async mean(step: number): Promise<number> {
    return (this.#logged + (await this.#sum.item())) / Math.max(step, 0.001);
  }

  async state(): Promise<RunningLossState> {
    return { sum: await this.#sum.item(), logged: this.#logged, loggedStep: this.loggedStep };
  }

  restore(state: RunningLossState): void {
    this.#set(state);
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

// Whether trained weights are still numbers. The loss in the log does not tell: loggingNanInfFilter, transformers' default,
// shows the mean of the losses before in place of NaN, 0 after the next record.

import { countNonFiniteInto } from "../kernels/rows/countNonFinite.ts";
import { zeros } from "../tensor/tensor.ts";
import type { Metrics } from "./speed.ts";
import type { TrainableModel } from "./trainableModel.ts";
import { warn } from "../tensor/warnings.ts";

/** Trained weights that are NaN or infinite. */
async function countNonFinite(model: TrainableModel): Promise<number> {
  const counts = zeros([1, 2], { device: model.device, dtype: "u32" });
  try {
    for (const x of model.parameters().values()) {
      if (x.requiresGrad) countNonFiniteInto(x, counts, 0);
    }
    const [nan, infinite] = await counts.data();
    return Number(nan) + Number(infinite);
  } finally {
    counts.dispose();
  }
}

/** Looks at the weights of a run when there is reason to, and warns once. */
export class WeightCheck {
  readonly #model: TrainableModel;
  #isSaid = false;

  constructor(model: TrainableModel) {
    this.#model = model;
  }

  /**
   * What a log record says of weights that are not finite; nothing as long as they all are. They are counted only when the
   * figures of the last update leave it open: NaN weights make a NaN norm.
   * @param norm of the gradients; undefined where it is not known
   */
  async record(step: number, loss: number, norm: number | undefined): Promise<Metrics> {
    if (norm !== undefined && Number.isFinite(norm) && Number.isFinite(loss)) return {};
    const count = await countNonFinite(this.#model);
    if (count === 0) return {};
    if (!this.#isSaid) {
      this.#isSaid = true;
      warn(
        `train: ${count} weights are NaN or infinite after update ${step}, so nothing is learned any more; ` +
          "the loss in the log is that of finite updates alone with loggingNanInfFilter. " +
          "Go back to an earlier checkpoint with a lower learningRate; detectAnomaly finds the op that began it.",
      );
    }
    return { nonfinite_weights: count };
  }
}

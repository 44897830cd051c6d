// Measurements of the device, and checks of gradients.

export interface Peak {
  /** Floating-point operations a second of the best loop of multiply-adds. */
  readonly flops: number;
  readonly how: string;
}

export interface MatmulRequest {
  /** Rows, columns and depth. */
  readonly size: number;
}

export interface MatmulRate {
  readonly size: number;
  readonly milliseconds: number;
  readonly flops: number;
}

export interface GradientCheck {
  readonly op: string;
  /** Largest relative difference between the gradient and central differences, in f64. */
  readonly worst: number;
  readonly inputs: string;
  readonly milliseconds: number;
}

/** Ops whose gradient can be checked, as the list shows them. */
export const CHECKED_OPS = [
  "matmul",
  "softmax",
  "rmsNorm",
  "layerNorm",
  "attention",
  "crossEntropy",
  "gatedGelu",
  "embedding",
  "gelu",
  "silu",
  "sum",
  "mean",
  "mul",
  "div",
  "relativePositionBias",
] as const;

// Every mistake a caller can make has a class here. Messages read
// `<op>: <what must hold>, got <actual>. <cure>`, so that the one line the command prints is enough.

import { printable, printableMessage } from "./printable.ts";

/**
 * Base of all errors that a caller can cause; the command line prints its message and nothing else. Messages quote files
 * and servers: they are one line, control characters in them are made visible, and what is far too long is cut.
 */
export class GradloomError extends Error {
  // Written out, for a bundler that minifies gives classes other names.
  override readonly name: string = "GradloomError";

  constructor(message: string, options?: ErrorOptions) {
    super(printableMessage(message).replace(/\s*[\n\t]\s*/g, " "), options);
  }
}

/** Shapes, axes or sizes that do not fit an operation. */
export class ShapeError extends GradloomError {
  override readonly name: string = "ShapeError";
}
/** A dtype that an operation does not take, or two that differ. */
export class DtypeError extends GradloomError {
  override readonly name: string = "DtypeError";
}
/** No such device, two devices in one operation, or a device out of memory. */
export class DeviceError extends GradloomError {
  override readonly name: string = "DeviceError";
}
/** The GPU was lost: unplugged, its driver reset, or the device closed. Nothing on it can be used again. */
export class DeviceLostError extends DeviceError {
  override readonly name: string = "DeviceLostError";
}
/** A device without the memory that was asked for. */
export class OutOfMemoryError extends DeviceError {
  override readonly name: string = "OutOfMemoryError";
}
/** A kernel that this device cannot run, or whose GPU program does not compile. */
export class KernelError extends GradloomError {
  override readonly name: string = "KernelError";
  /** Name of the kernel. */
  readonly kernel: string;

  constructor(kernel: string, message: string, options?: ErrorOptions) {
    super(`${kernel}: ${message}`, options);
    this.message = printable(`${kernel}: ${message}`); // with the lines of a shader
    this.kernel = kernel;
  }
}
/** A kernel without a body for this device. */
export class MissingKernelError extends KernelError {
  override readonly name: string = "MissingKernelError";
}
/** A tensor used after it was disposed (by hand or by the end of its scope). */
export class DisposedError extends GradloomError {
  override readonly name: string = "DisposedError";
}
/** `backward` on something that has no graph, or on a graph that was already used. */
export class AutogradError extends GradloomError {
  override readonly name: string = "AutogradError";
}
/** The first value that became NaN or infinite, as `detectAnomaly` found it. */
export interface Anomaly {
  /** Public name of the op; "backward" for a gradient of a leaf, or a seed, that no op made. */
  readonly op: string;
  /** Whether its output or a gradient is not finite. */
  readonly phase: "forward" | "backward";
  /** Which call it was, of those of the op in this phase since detectAnomaly began; from 1. */
  readonly call: number;
  /** What is not finite: "output", "gradient of input 0", "seed", "sum of the gradients of a leaf". */
  readonly tensor: string;
  /** Shape of that tensor. */
  readonly shape: readonly number[];
  /** How many values it has, how many of them are NaN, and how many infinite. */
  readonly size: number;
  readonly nan: number;
  readonly infinite: number;
  /**
   * Whether what the op read was finite: its differentiable inputs in the forward, the gradient of its output in the backward.
   * If not, look at where that tensor comes from, else at the op.
   */
  readonly inputsFinite: boolean;
}
/** An op whose output or gradient became NaN or infinite; its stack is that of the op's call in the forward. */
export class AnomalyError extends GradloomError {
  override readonly name: string = "AnomalyError";
  /** What was found. */
  readonly anomaly: Anomaly;

  constructor(message: string, anomaly: Anomaly, options?: ErrorOptions) {
    super(message, options);
    this.anomaly = anomaly;
  }
}
/** A file that is not valid safetensors. */
export class SafetensorsError extends GradloomError {
  override readonly name: string = "SafetensorsError";
}
/** A field of config.json or generation_config.json that is missing or cannot be used. */
export class ConfigError extends GradloomError {
  override readonly name: string = "ConfigError";
}
/** A checkpoint whose tensors do not fit the configuration, or files that are missing. */
export class CheckpointError extends GradloomError {
  override readonly name: string = "CheckpointError";
}
/** A tokenizer file that cannot be read, or a vocabulary that does not fit the model. */
export class TokenizerError extends GradloomError {
  override readonly name: string = "TokenizerError";
}
/** Why the Hub did not give what was asked for. */
export type HubFailure = "missing" | "refused" | "unreachable" | "corrupt" | "disk";
/** A repository or file of the Hugging Face Hub that cannot be found, read, trusted or kept. */
export class HubError extends GradloomError {
  override readonly name: string = "HubError";
  readonly failure: HubFailure;

  constructor(failure: HubFailure, message: string, options?: ErrorOptions) {
    super(message, options);
    this.failure = failure;
  }
}
/** A dataset that is missing, empty, or lacks a column. */
export class DatasetError extends GradloomError {
  override readonly name: string = "DatasetError";
}
/** An argument out of its range (training arguments, generation options, command-line flags). */
export class ArgumentError extends GradloomError {
  override readonly name: string = "ArgumentError";
}
/** Processes that cannot train together: no MPI, a rank that does not answer, weights that differ between ranks. */
export class DistributedError extends GradloomError {
  override readonly name: string = "DistributedError";
}

/** States what must be true if this library is correct; a failure is our own bug. */
export function invariant(condition: unknown, message: () => string): asserts condition {
  if (!condition)
    throw new Error(`internal: ${message()}. Please report this as a bug in gradloom.`);
}

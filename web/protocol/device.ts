// Which device computes, and why that one.

export interface DeviceChoice {
  readonly kind: "auto" | "webgpu" | "cpu";
  /** cpu: default all cores. */
  readonly threads?: number | undefined;
}

export interface DeviceFacts {
  readonly kind: "webgpu" | "cpu";
  readonly threads: number;
  /** Such as "WebGPU, nvidia ampere" or "CPU, 2 threads". */
  readonly label: string;
  /** A sentence: why it is this one and no faster one; empty for the fastest kind. */
  readonly reason: string;
  readonly isIsolated: boolean;
  /** What the graphics adapter offers, where there is one, whichever device computes. */
  readonly adapter: AdapterReport | null;
}

export interface AdapterReport {
  readonly name: string;
  readonly isSoftware: boolean;
  readonly features: readonly string[];
  readonly limits: readonly (readonly [name: string, value: number])[];
}

// Which of several ways to run one call is the fastest on a device.

import { KernelError } from "../../tensor/errors.ts";
import { scope } from "../../tensor/scope.ts";
import type { Tensor } from "../../tensor/tensor.ts";
import type { WebGpuDevice } from "../../tensor/webgpu/webgpuDevice.ts";

/** Ways of one call; kernels of all ways are the same functions. */
export interface Family<T> {
  /** "large products". */
  readonly name: string;
  /** The present way first: the others must agree with its results. */
  readonly candidates: readonly T[];
  /** Makes a way the adapter's, for all plans that are made from now on. */
  apply(candidate: T): void;
  /** The call. @returns what it made, on the device */
  run(): Tensor;
  /** Floating point operations of the call. */
  readonly flops: number;
}

/** What was chosen, and how fast it is. */
export interface Fastest<T> {
  readonly candidate: T;
  readonly gflops: number;
}

/** Times a candidate goes through its call; the best counts. */
const REPEATS = 5;
/** Largest difference from the first candidate's results, relative to their largest: operands rounded to 11 bits differ by as much. */
const AGREEMENT = 5e-3;

/**
 * Measures the candidates and applies the fastest. All compile at once, and candidates whose turn comes after the deadline
 * stay out: where the first itself does, it is kept unmeasured.
 * @param deadline of performance.now()
 * @returns null where time ran out before two candidates were measured, or one of them does not compile
 */
export async function applyFastest<T>(
  device: WebGpuDevice,
  { candidates, apply, run, flops }: Family<T>,
  deadline: number,
): Promise<Fastest<T> | null> {
  const first = candidates[0] as T;
  let fastest: { readonly candidate: T; readonly seconds: number } | null = null;
  let measured = 0;
  const use = (candidate: T): void => {
    apply(candidate);
    device.forgetPlans();
  };
  try {
    const agreeing = performance.now() < deadline ? await agreeingWays() : [];
    for (const candidate of agreeing) {
      if (performance.now() >= deadline) break;
      use(candidate);
      const seconds = await secondsOf(device, run);
      measured++;
      if (fastest === null || seconds < fastest.seconds) fastest = { candidate, seconds };
    }
  } catch (error) {
    // A shape that the driver does not compile says nothing of the present one.
    if (!(error instanceof KernelError)) throw error;
    measured = 0;
    fastest = null;
  } finally {
    use(measured > 1 ? fastest!.candidate : first);
  }
  if (measured < 2 && candidates.length > 1) return null;
  return fastest && { candidate: fastest.candidate, gflops: flops / fastest.seconds / 1e9 };

  /** Candidates whose results are the first's: a driver may compile a shape wrongly, and such a one must not win. */
  async function agreeingWays(): Promise<T[]> {
    const results = candidates.map((candidate) => {
      use(candidate);
      return scope(() => run());
    });
    try {
      const expected = Float32Array.from(await results[0]!.data());
      const ways: T[] = [first];
      for (const [i, candidate] of candidates.entries()) {
        if (i > 0 && agree(await results[i]!.data(), expected)) ways.push(candidate);
      }
      return ways;
    } finally {
      for (const result of results) result.dispose();
    }
  }
}

/** Least seconds of a call that has been compiled. */
async function secondsOf(device: WebGpuDevice, run: () => Tensor): Promise<number> {
  const once = (): void => scope(() => void run());
  if (device.adapter.features.has("timestamp-query")) {
    const times = await device.profile(() => {
      for (let i = 0; i < REPEATS; i++) once();
    });
    const passes = times.length / REPEATS;
    const each = Array.from({ length: REPEATS }, (_, i) =>
      times
        .slice(i * passes, (i + 1) * passes)
        .reduce((sum, { nanoseconds }) => sum + nanoseconds / 1e9, 0),
    );
    // Browsers may round the clock to 0.1 ms; then it says nothing of a call.
    if (Math.min(...each) > 0) return Math.min(...each);
  }
  let seconds = Infinity;
  for (let i = 0; i < REPEATS; i++) {
    const begun = performance.now();
    once();
    await device.sync();
    seconds = Math.min(seconds, (performance.now() - begun) / 1000);
  }
  return seconds;
}

function agree(found: ArrayLike<number>, expected: Float32Array): boolean {
  const largest = expected.reduce((most, value) => Math.max(most, Math.abs(value)), 0);
  return expected.every((value, i) => Math.abs(value - found[i]!) <= AGREEMENT * largest);
}

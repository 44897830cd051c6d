// What a device can do at best, measured, so that a kernel's rate has something to be a share of.

/** A copy of some size: what lies in a cache is read and written faster than memory. */
export interface CopyRate {
  /** Bytes that it reads and writes. */
  readonly bytes: number;
  /** Of those, a second. */
  readonly rate: number;
}

export interface Peaks {
  /** Floating-point operations a second; a multiply-add is two. */
  readonly flops: number;
  /** Bytes read and written a second by a copy that no cache holds. */
  readonly bytes: number;
  /** Copies by size, the smallest first; missing in results of before they were measured. */
  readonly copies?: readonly CopyRate[];
}

/** What of a kernel's result decides which peak it is a share of. */
export interface Work {
  readonly flops: number;
  readonly bytes: number;
  readonly milliseconds: number;
}

/** Work a second: operations where the kernel has a count of them, else bytes. */
export function rateOf({ flops, bytes, milliseconds }: Work): number {
  return (flops > 0 ? flops : bytes) / (milliseconds / 1000);
}

/** The peak of the kind that binds the kernel: of arithmetic, or of the largest copy that is no larger than the kernel. */
export function peakFor(work: Work, peaks: Peaks): number {
  if (work.flops > 0) return peaks.flops;
  const { copies = [] } = peaks;
  const at = copyFor(work, copies);
  return at < 0 ? peaks.bytes : copies[at]!.rate;
}

function copyFor({ bytes }: Work, copies: readonly CopyRate[]): number {
  const at = copies.findLastIndex((copy) => copy.bytes <= bytes);
  return Math.max(at, Math.min(0, copies.length - 1));
}

/** The better of two measurements: a busy machine makes peaks low. */
export function better(a: Peaks, b: Peaks): Peaks {
  return {
    flops: Math.max(a.flops, b.flops),
    bytes: Math.max(a.bytes, b.bytes),
    ...(a.copies &&
      b.copies && {
        copies: a.copies.map(({ bytes, rate }, i) => {
          return { bytes, rate: Math.max(rate, b.copies![i]!.rate) };
        }),
      }),
  };
}

/** Peaks that no kernel is above: one that was faster than the loops is the best that was seen of its kind. */
export function raised(peaks: Peaks, results: readonly Work[]): Peaks {
  const copies = peaks.copies?.map((copy) => ({ ...copy }));
  let { flops, bytes } = peaks;
  for (const result of results) {
    const rate = rateOf(result);
    if (result.flops > 0) flops = Math.max(flops, rate);
    else if (copies === undefined || copies.length === 0) bytes = Math.max(bytes, rate);
    else {
      const copy = copies[copyFor(result, copies)]!;
      copy.rate = Math.max(copy.rate, rate);
    }
  }
  return { flops, bytes, ...(copies && { copies }) };
}

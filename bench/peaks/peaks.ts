// What a device can do at best, measured, so that a kernel's rate has something to be a share of.

export interface Peaks {
  /** Floating-point operations a second; a multiply-add is two. */
  readonly flops: number;
  /** Bytes read and written a second by a copy. */
  readonly bytes: number;
}

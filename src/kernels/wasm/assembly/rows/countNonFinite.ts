// The SIMD body of src/kernels/rows/countNonFinite.ts.

import { BF16, F16, F32, loadElement, loadVector, shiftOf } from "../elements";
import { INFINITY } from "../math";
import { constant } from "../simd";

// @ts-ignore: decorator
@inline
function sumOfLanes(v: v128): u32 {
  return (
    i32x4.extract_lane(v, 0) +
    i32x4.extract_lane(v, 1) +
    i32x4.extract_lane(v, 2) +
    i32x4.extract_lane(v, 3)
  );
}

/** Elements [first, stop): few enough that a lane cannot overflow. */
// @ts-ignore: decorator
@inline
function count(type: i32, x: usize, counts: usize, first: usize, stop: usize): void {
  const shift = shiftOf(type);
  let i = first;
  let nanLanes = i32x4.splat(0);
  let infiniteLanes = i32x4.splat(0);
  for (; i + 4 <= stop; i += 4) {
    const value = loadVector(type, x + (i << shift));
    // A comparison that holds gives -1.
    nanLanes = i32x4.sub(nanLanes, f32x4.ne(value, value));
    infiniteLanes = i32x4.sub(infiniteLanes, f32x4.eq(f32x4.abs(value), constant(INFINITY)));
  }
  let nans = sumOfLanes(nanLanes);
  let infinities = sumOfLanes(infiniteLanes);
  for (; i < stop; i++) {
    const value = loadElement(type, x + (i << shift));
    if (value != value) nans++;
    else if (abs<f32>(value) == Infinity) infinities++;
  }
  if (nans) atomic.add<u32>(counts, nans);
  if (infinities) atomic.add<u32>(counts + 4, infinities);
}

/** @param type of x: F32, BF16 or F16 of elements.ts; counts blocks [begin, end) of x */
export function countNonFinite(
  type: i32,
  x: usize,
  counts: usize,
  size: usize,
  block: usize,
  index: usize,
  begin: usize,
  end: usize,
): void {
  const at = counts + (index << 3);
  for (let b = begin; b < end; b++) {
    const first = b * block;
    const stop = first + block < size ? first + block : size;
    if (type == F32) count(F32, x, at, first, stop);
    else if (type == BF16) count(BF16, x, at, first, stop);
    else count(F16, x, at, first, stop);
  }
}

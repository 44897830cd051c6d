// Packing: a panel holds `width` rows of A (5 or 6) or columns of B (8 or 16), called lanes here, step by step
// along the depth, so that the tile reads memory in order. Missing lanes at an edge become zeros.

import { BF16, F16, F32, loadElement, loadVector, shiftOf } from "../elements";

/**
 * Packs ceil(lanes / width) panels.
 * @param lane bytes from one lane to the next
 * @param step bytes from one step of the depth to the next; this or `lane` is one element
 * @param width 5, 6, 8 or 16, a constant; type is F32 for 5 and 6
 */
// @ts-ignore: decorator
@inline
export function pack(
  type: i32,
  width: usize,
  source: usize,
  lane: usize,
  step: usize,
  lanes: usize,
  depth: usize,
  target: usize,
): void {
  if (type == F32) packPanels(F32, width, source, lane, step, lanes, depth, target);
  else if (type == BF16) packPanels(BF16, width, source, lane, step, lanes, depth, target);
  else packPanels(F16, width, source, lane, step, lanes, depth, target);
}

// @ts-ignore: decorator
@inline
function packPanels(
  type: i32,
  width: usize,
  source: usize,
  lane: usize,
  step: usize,
  lanes: usize,
  depth: usize,
  target: usize,
): void {
  const element = (<usize>1) << shiftOf(type);
  for (let l: usize = 0; l < lanes; l += width) {
    if (lanes - l < width) packEdge(type, width, source, lane, step, lanes - l, depth, target);
    else if (lane == element) packAdjacent(type, width, source, step, depth, target);
    else {
      packTransposed(type, width, source, lane, depth, target);
      if (width >= 8) packTransposed(type, width, source + 4 * lane, lane, depth, target + 16);
      if (width == 16) {
        packTransposed(type, width, source + 8 * lane, lane, depth, target + 32);
        packTransposed(type, width, source + 12 * lane, lane, depth, target + 48);
      }
      if (width == 6) packPair(source + 4 * lane, lane, depth, target + 16);
      if (width == 5) packOne(source + 4 * lane, depth, target + 16);
    }
    source += width * lane;
    target += depth * width << 2;
  }
}

/** Lanes that lie side by side: vectors are copied. */
// @ts-ignore: decorator
@inline
function packAdjacent(
  type: i32,
  width: usize,
  source: usize,
  step: usize,
  depth: usize,
  target: usize,
): void {
  const half = (<usize>4) << shiftOf(type);
  for (let i: usize = 0; i < depth; i++) {
    v128.store(target, loadVector(type, source));
    if (width >= 8) v128.store(target, loadVector(type, source + half), 16);
    if (width == 16) {
      v128.store(target, loadVector(type, source + 2 * half), 32);
      v128.store(target, loadVector(type, source + 3 * half), 48);
    }
    if (width == 6) store<u64>(target, load<u64>(source, 16), 16);
    if (width == 5) store<f32>(target, load<f32>(source, 16), 16);
    source += step;
    target += width << 2;
  }
}

/** Four lanes whose steps lie side by side: blocks of 4 x 4 are transposed. */
// @ts-ignore: decorator
@inline
function packTransposed(
  type: i32,
  width: usize,
  source: usize,
  lane: usize,
  depth: usize,
  target: usize,
): void {
  const element = (<usize>1) << shiftOf(type);
  const row = width << 2;
  let i: usize = 0;
  for (; i + 4 <= depth; i += 4) {
    const v0 = loadVector(type, source);
    const v1 = loadVector(type, source + lane);
    const v2 = loadVector(type, source + 2 * lane);
    const v3 = loadVector(type, source + 3 * lane);
    storeTransposed(v0, v1, v2, v3, target, row);
    source += 4 * element;
    target += 4 * row;
  }
  for (; i < depth; i++) {
    for (let l: usize = 0; l < 4; l++) {
      store<f32>(target + (l << 2), loadElement(type, source + l * lane));
    }
    source += element;
    target += row;
  }
}

/** The last two lanes of a panel of 6. */
// @ts-ignore: decorator
@inline
function packPair(source: usize, lane: usize, depth: usize, target: usize): void {
  let i: usize = 0;
  for (; i + 4 <= depth; i += 4) {
    const v0 = v128.load(source);
    const v1 = v128.load(source + lane);
    const low = v128.shuffle<f32>(v0, v1, 0, 4, 1, 5);
    const high = v128.shuffle<f32>(v0, v1, 2, 6, 3, 7);
    v128.store64_lane(target, low, 0);
    v128.store64_lane(target, low, 1, 24);
    v128.store64_lane(target, high, 0, 48);
    v128.store64_lane(target, high, 1, 72);
    source += 16;
    target += 96;
  }
  for (; i < depth; i++) {
    store<f32>(target, load<f32>(source));
    store<f32>(target, load<f32>(source + lane), 4);
    source += 4;
    target += 24;
  }
}

/** The last lane of a panel of 5. */
// @ts-ignore: decorator
@inline
function packOne(source: usize, depth: usize, target: usize): void {
  for (let i: usize = 0; i < depth; i++) {
    store<f32>(target, load<f32>(source));
    source += 4;
    target += 20;
  }
}

// @ts-ignore: decorator
@inline
function packEdge(
  type: i32,
  width: usize,
  source: usize,
  lane: usize,
  step: usize,
  lanes: usize,
  depth: usize,
  target: usize,
): void {
  for (let i: usize = 0; i < depth; i++) {
    for (let l: usize = 0; l < width; l++) {
      const value: f32 = l < lanes ? loadElement(type, source + i * step + l * lane) : 0;
      store<f32>(target + (l << 2), value);
    }
    target += width << 2;
  }
}

/** Four steps of four lanes. */
// @ts-ignore: decorator
@inline
export function storeTransposed(v0: v128, v1: v128, v2: v128, v3: v128, target: usize, row: usize): void {
  const low01 = v128.shuffle<f32>(v0, v1, 0, 4, 1, 5);
  const high01 = v128.shuffle<f32>(v0, v1, 2, 6, 3, 7);
  const low23 = v128.shuffle<f32>(v2, v3, 0, 4, 1, 5);
  const high23 = v128.shuffle<f32>(v2, v3, 2, 6, 3, 7);
  v128.store(target, v128.shuffle<f64>(low01, low23, 0, 2));
  v128.store(target + row, v128.shuffle<f64>(low01, low23, 1, 3));
  v128.store(target + 2 * row, v128.shuffle<f64>(high01, high23, 0, 2));
  v128.store(target + 3 * row, v128.shuffle<f64>(high01, high23, 1, 3));
}

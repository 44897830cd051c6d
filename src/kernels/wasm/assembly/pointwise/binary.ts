// The SIMD bodies of src/kernels/pointwise/pointwise.ts for two operands, and of accumulate.ts. Elements [begin, end) of the result.
// Memory-bound: four vectors a round. `op` is one of the ids below, exported by constants.ts; any other ends in a trap.

// @ts-ignore: decorator
@inline
export const ADD: i32 = 0;
// @ts-ignore: decorator
@inline
export const SUB: i32 = 1;
// @ts-ignore: decorator
@inline
export const MUL: i32 = 2;
// @ts-ignore: decorator
@inline
export const DIV: i32 = 3;

// Here `op` is a constant at every call, so that one branch is left after inlining.
// @ts-ignore: decorator
@inline
function vector(op: i32, a: v128, b: v128): v128 {
  if (op == ADD) return f32x4.add(a, b);
  if (op == SUB) return f32x4.sub(a, b);
  if (op == MUL) return f32x4.mul(a, b);
  if (op == DIV) return f32x4.div(a, b);
  return unreachable();
}

// @ts-ignore: decorator
@inline
function scalar(op: i32, a: f32, b: f32): f32 {
  if (op == ADD) return a + b;
  if (op == SUB) return a - b;
  if (op == MUL) return a * b;
  if (op == DIV) return a / b;
  return unreachable();
}

// @ts-ignore: decorator
@inline
function elements(op: i32, a: usize, b: usize, y: usize, count: usize): void {
  const stop = count << 2;
  let at: usize = 0;
  for (; at + 64 <= stop; at += 64) {
    v128.store(y + at, vector(op, v128.load(a + at), v128.load(b + at)));
    v128.store(y + at, vector(op, v128.load(a + at, 16), v128.load(b + at, 16)), 16);
    v128.store(y + at, vector(op, v128.load(a + at, 32), v128.load(b + at, 32)), 32);
    v128.store(y + at, vector(op, v128.load(a + at, 48), v128.load(b + at, 48)), 48);
  }
  for (; at < stop; at += 4) store<f32>(y + at, scalar(op, load<f32>(a + at), load<f32>(b + at)));
}

export function binary(
  op: i32,
  a: usize,
  b: usize,
  y: usize,
  size: usize,
  begin: usize,
  end: usize,
): void {
  const at = begin << 2;
  const count = end - begin;
  if (op == ADD) elements(ADD, a + at, b + at, y + at, count);
  else if (op == SUB) elements(SUB, a + at, b + at, y + at, count);
  else if (op == MUL) elements(MUL, a + at, b + at, y + at, count);
  else if (op == DIV) elements(DIV, a + at, b + at, y + at, count);
  else unreachable();
}

export function accumulate(x: usize, y: usize, size: usize, begin: usize, end: usize): void {
  const at = begin << 2;
  elements(ADD, y + at, x + at, y + at, end - begin);
}

/** Four elements that lie side by side, or one of them four times. */
// @ts-ignore: decorator
@inline
function loadFour(at: usize, stride: usize): v128 {
  return stride ? v128.load(at) : v128.load_splat<f32>(at);
}

/** Part of a row. @param strideA,strideB bytes from one element to the next */
// @ts-ignore: decorator
@inline
function rowPart(
  op: i32,
  a: usize,
  strideA: usize,
  b: usize,
  strideB: usize,
  y: usize,
  count: usize,
): void {
  let i: usize = 0;
  if (strideA <= 4 && strideB <= 4) {
    for (; i + 4 <= count; i += 4) {
      const x = loadFour(a + i * strideA, strideA);
      v128.store(y + (i << 2), vector(op, x, loadFour(b + i * strideB, strideB)));
    }
  }
  for (; i < count; i++) {
    store<f32>(y + (i << 2), scalar(op, load<f32>(a + i * strideA), load<f32>(b + i * strideB)));
  }
}

/** y [n0, n1, n2, n3] = a op b, read by strides in elements: 0 where an operand is repeated. */
export function binaryBroadcast(
  op: i32,
  a: usize,
  b: usize,
  y: usize,
  n0: usize,
  n1: usize,
  n2: usize,
  n3: usize,
  a0: usize,
  a1: usize,
  a2: usize,
  a3: usize,
  b0: usize,
  b1: usize,
  b2: usize,
  b3: usize,
  begin: usize,
  end: usize,
): void {
  for (let at = begin; at < end; ) {
    const l = at % n3;
    const k = (at / n3) % n2;
    const j = (at / (n3 * n2)) % n1;
    const i = at / (n3 * n2 * n1);
    const rest = n3 - l;
    const count = rest < end - at ? rest : end - at;
    const fromA = a + ((i * a0 + j * a1 + k * a2 + l * a3) << 2);
    const fromB = b + ((i * b0 + j * b1 + k * b2 + l * b3) << 2);
    const to = y + (at << 2);
    if (op == ADD) rowPart(ADD, fromA, a3 << 2, fromB, b3 << 2, to, count);
    else if (op == SUB) rowPart(SUB, fromA, a3 << 2, fromB, b3 << 2, to, count);
    else if (op == MUL) rowPart(MUL, fromA, a3 << 2, fromB, b3 << 2, to, count);
    else if (op == DIV) rowPart(DIV, fromA, a3 << 2, fromB, b3 << 2, to, count);
    else unreachable();
    at += count;
  }
}

/** y = x op s for ADD and MUL. */
export function binaryScalar(
  op: i32,
  x: usize,
  y: usize,
  size: usize,
  s: f32,
  begin: usize,
  end: usize,
): void {
  if (op != ADD && op != MUL) unreachable();
  const operand = f32x4.splat(s);
  let at = begin << 2;
  const stop = end << 2;
  for (; at + 16 <= stop; at += 16) {
    const value = v128.load(x + at);
    v128.store(y + at, op == ADD ? f32x4.add(value, operand) : f32x4.mul(value, operand));
  }
  for (; at < stop; at += 4) {
    const value = load<f32>(x + at);
    store<f32>(y + at, op == ADD ? value + s : value * s);
  }
}

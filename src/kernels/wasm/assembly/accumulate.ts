// y = a op b and y += x over elements [begin, end). Memory-bound: four vectors a round.

// @ts-ignore: decorator
@inline
const ADD: i32 = 0;
// @ts-ignore: decorator
@inline
const SUB: i32 = 1;
// @ts-ignore: decorator
@inline
const MUL: i32 = 2;
// @ts-ignore: decorator
@inline
const DIV: i32 = 3;

// `op` is a constant at every call, so that one branch is left after inlining.
// @ts-ignore: decorator
@inline
function vector(op: i32, a: v128, b: v128): v128 {
  if (op == ADD) return f32x4.add(a, b);
  if (op == SUB) return f32x4.sub(a, b);
  if (op == MUL) return f32x4.mul(a, b);
  return f32x4.div(a, b);
}

// @ts-ignore: decorator
@inline
function scalar(op: i32, a: f32, b: f32): f32 {
  if (op == ADD) return a + b;
  if (op == SUB) return a - b;
  if (op == MUL) return a * b;
  return a / b;
}

// @ts-ignore: decorator
@inline
function binary(op: i32, a: usize, b: usize, y: usize, begin: usize, end: usize): void {
  let at = begin << 2;
  const stop = end << 2;
  for (; at + 64 <= stop; at += 64) {
    v128.store(y + at, vector(op, v128.load(a + at), v128.load(b + at)));
    v128.store(y + at, vector(op, v128.load(a + at, 16), v128.load(b + at, 16)), 16);
    v128.store(y + at, vector(op, v128.load(a + at, 32), v128.load(b + at, 32)), 32);
    v128.store(y + at, vector(op, v128.load(a + at, 48), v128.load(b + at, 48)), 48);
  }
  for (; at < stop; at += 4) store<f32>(y + at, scalar(op, load<f32>(a + at), load<f32>(b + at)));
}

export function add(a: usize, b: usize, y: usize, size: usize, begin: usize, end: usize): void {
  binary(ADD, a, b, y, begin, end);
}

export function sub(a: usize, b: usize, y: usize, size: usize, begin: usize, end: usize): void {
  binary(SUB, a, b, y, begin, end);
}

export function mul(a: usize, b: usize, y: usize, size: usize, begin: usize, end: usize): void {
  binary(MUL, a, b, y, begin, end);
}

export function div(a: usize, b: usize, y: usize, size: usize, begin: usize, end: usize): void {
  binary(DIV, a, b, y, begin, end);
}

export function accumulate(x: usize, y: usize, size: usize, begin: usize, end: usize): void {
  binary(ADD, y, x, y, begin, end);
}

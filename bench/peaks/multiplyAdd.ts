// Loops of multiply-adds, as text: of WebAssembly SIMD and of WGSL. The benches and the page measure the same peaks with them.

/** multiplyAddN(rounds): N independent sums of four numbers; every round loads its factors, as the kernels do. AssemblyScript. */
export function wasmMultiplyAdd(isRelaxed: boolean, count: number): string {
  const sums = Array.from({ length: count }, (_, i) => `a${i}`);
  const step = (a: string): string =>
    isRelaxed
      ? `${a} = v128.relaxed_madd<f32>(${a}, x, y);`
      : `${a} = f32x4.add(f32x4.mul(${a}, x), y);`;
  return `
export function multiplyAdd${count}(rounds: i32): f32 {
  ${sums.map((a, i) => `let ${a} = f32x4.splat(${i}.5);`).join(" ")}
  for (let i = 0; i < rounds; i++) {
    const at = <usize>(i & 63) << 5;
    const x = v128.load(at), y = v128.load(at, 16);
    ${sums.map(step).join(" ")}
  }
  ${sums
    .slice(1)
    .map((a) => `a0 = f32x4.add(a0, ${a});`)
    .join(" ")}
  return f32x4.extract_lane(a0, 0);
}`;
}

/** Sums of an invocation of `wgslMultiplyAdd`. */
export const WGSL_SUMS = 8;
const sums = Array.from({ length: WGSL_SUMS }, (_, i) => `a${i}`);

/**
 * The body of a kernel with the params size, rounds and factor and the output y [size]: every invocation does rounds x WGSL_SUMS
 * multiply-adds of 4 numbers; the sums do not depend on one another.
 */
export const wgslMultiplyAdd = /* wgsl */ `
@compute @workgroup_size(WG)
fn main(@builtin(workgroup_id) group: vec3<u32>, @builtin(local_invocation_index) local: u32) {
  let i = globalIndex(group, local);
  if (i >= params.size) { return; }
  let x = vec4(params.factor);
  let b = vec4(f32(i), 1.0, 2.0, 3.0);
  ${sums.map((a, i) => `var ${a} = vec4(f32(i) + ${i}.5);`).join(" ")}
  for (var round = 0u; round < params.rounds; round++) {
    ${sums.map((a) => `${a} = fma(${a}, x, b);`).join(" ")}
  }
  let total = ${sums.join(" + ")};
  y[i] = total.x + total.y + total.z + total.w;
}`;

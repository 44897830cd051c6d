/** gelu_new(a) * b: 0.5 a (1 + tanh(sqrt(2/pi) (a + 0.044715 a^3))) b (transformers' NewGELUActivation). */
export function gatedGelu(a: ArrayLike<number>, b: ArrayLike<number>): Float64Array {
  return Float64Array.from(a, (x, i) => {
    const inner = Math.sqrt(2 / Math.PI) * (x + 0.044715 * Math.pow(x, 3));
    return 0.5 * x * (1 + Math.tanh(inner)) * b[i]!;
  });
}

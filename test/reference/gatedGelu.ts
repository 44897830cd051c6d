/** gelu_new(a) * b: 0.5 a (1 + tanh(sqrt(2/pi) (a + 0.044715 a^3))) b (transformers' NewGELUActivation). */
export function gatedGelu(a: ArrayLike<number>, b: ArrayLike<number>): Float64Array {
  return Float64Array.from(a, (x, i) => {
    const inner = Math.sqrt(2 / Math.PI) * (x + 0.044715 * Math.pow(x, 3));
    return 0.5 * x * (1 + Math.tanh(inner)) * b[i]!;
  });
}

const activations = {
  relu: (x: number) => (x > 0 ? x : 0),
  silu: (x: number) => x / (1 + Math.exp(-x)),
  tanh: (x: number) => 1 - 2 / (Math.exp(2 * x) + 1),
};

/** activation(a) * b. */
export function gatedActivation(
  name: "gelu" | keyof typeof activations,
  a: ArrayLike<number>,
  b: ArrayLike<number>,
): Float64Array {
  if (name === "gelu") return gatedGelu(a, b);
  return Float64Array.from(a, (x, i) => activations[name](x) * b[i]!);
}

// The standard normal distribution function in f64, of which GELU is made.

/**
 * P(Z > z) of the standard normal distribution for z >= 0, to f64: erf's series of positive terms near 0, erfc's continued
 * fraction beyond (Abramowitz & Stegun, Handbook of Mathematical Functions, 7.1.6 and 7.1.14).
 */
function normalTail(z: number): number {
  const density = Math.exp((-z * z) / 2) / Math.sqrt(2 * Math.PI);
  if (z < 2) {
    let term = z;
    let sum = z;
    for (let n = 3; term > sum * 1e-17; n += 2) sum += term *= (z * z) / n;
    return 0.5 - density * sum;
  }
  let fraction = 0;
  for (let n = 200; n > 0; n--) fraction = n / (z + fraction);
  return density / (z + fraction);
}

/** The standard normal distribution function. */
export function normal(x: number): number {
  return x < 0 ? normalTail(-x) : 1 - normalTail(x);
}

/** d (x normal(x)) / dx = normal(x) + x times the density, whose square would overflow. */
export function geluErfSlope(x: number): number {
  const z = Math.max(-40, Math.min(40, x));
  return normal(x) + (z * Math.exp((-z * z) / 2)) / Math.sqrt(2 * Math.PI);
}

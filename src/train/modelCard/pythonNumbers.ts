// Numbers as Python prints floats, so that a model card reads as one that transformers wrote.

/** repr(float(value)): the shortest digits that give the number again, "5e-05", "1.0", "1e+16", "nan". */
export function pythonFloat(value: number): string {
  if (Number.isNaN(value)) return "nan";
  if (!Number.isFinite(value)) return value > 0 ? "inf" : "-inf";
  const [digits, exponent] = value.toExponential().split("e") as [string, string];
  const power = Number(exponent);
  if (power < -4 || power >= 16) {
    const sign = power < 0 ? "-" : "+";
    return `${digits}e${sign}${String(Math.abs(power)).padStart(2, "0")}`;
  }
  const plain = power < 0 ? fraction(digits, power) : String(value);
  return Number.isInteger(value) ? `${Object.is(value, -0) ? "-0" : plain}.0` : plain;
}

/** As f"{value:.4f}" where Python's repr has more decimals than four, else that (transformers' _maybe_round). */
export function roundedFloat(value: number): string {
  const text = pythonFloat(value);
  const decimals = text.split(".")[1];
  return decimals !== undefined && decimals.length > 4 ? fourDecimals(value) : text;
}

/** 1.5 and -4 -> 0.00015, which JavaScript prints so down to 1e-6 only from its own digits. */
function fraction(digits: string, power: number): string {
  const sign = digits.startsWith("-") ? "-" : "";
  return `${sign}0.${"0".repeat(-power - 1)}${digits.replace(/[-.]/g, "")}`;
}

/** Python rounds a number half way between two to the even one, toFixed up; only odd multiples of 1/32 are half way. */
function fourDecimals(value: number): string {
  const thirtySeconds = value * 32;
  if (!Number.isInteger(thirtySeconds) || thirtySeconds % 2 === 0) return value.toFixed(4);
  const below = Math.floor(value * 10_000);
  return ((below % 2 === 0 ? below : below + 1) / 10_000).toFixed(4);
}

/** IEEE 754 binary16 from float32, rounded to nearest, ties to even (as torch's `.half()`). */
const float = new Float32Array(1);
const bits = new Uint32Array(float.buffer);

/** The 16 bits of a number; beyond the range: infinity. */
export function halfBits(value: number): number {
  float[0] = value;
  const x = bits[0] ?? 0;
  const sign = (x >>> 16) & 0x8000;
  const magnitude = x & 0x7fffffff;
  if (magnitude >= 0x7f800000) return sign | (magnitude > 0x7f800000 ? 0x7e00 : 0x7c00);
  if (magnitude >= 0x38800000) {
    // Normal: the exponent's bias falls from 127 to 15, 13 bits of the fraction are rounded away; a carry moves into the exponent.
    const rounded = magnitude - 0x38000000 + 0xfff + ((magnitude >>> 13) & 1);
    return sign | Math.min(rounded >>> 13, 0x7c00);
  }
  // Subnormal: multiples of 2^-24. The scaled number is exact, so rounding it once is rounding right.
  const units = Math.abs(value) * 2 ** 24;
  const floor = Math.floor(units);
  const rest = units - floor;
  const up = rest > 0.5 || (rest === 0.5 && floor % 2 === 1);
  return sign | (floor + (up ? 1 : 0));
}

/** The value of 16 such bits. */
export function halfValue(half: number): number {
  const sign = half & 0x8000 ? -1 : 1;
  const exponent = (half >>> 10) & 31;
  const fraction = half & 1023;
  if (exponent === 31) return fraction === 0 ? sign * Number.POSITIVE_INFINITY : Number.NaN;
  return sign * (exponent === 0 ? fraction * 2 ** -24 : (1 + fraction / 1024) * 2 ** (exponent - 15));
}

export function toHalf(values: Float32Array): Uint16Array {
  const out = new Uint16Array(values.length);
  for (let i = 0; i < values.length; i++) out[i] = halfBits(values[i] ?? 0);
  return out;
}

/** Values as they are after a trip through binary16. */
export function throughHalf(values: Float32Array): Float32Array {
  const out = new Float32Array(values.length);
  for (let i = 0; i < values.length; i++) out[i] = halfValue(halfBits(values[i] ?? 0));
  return out;
}

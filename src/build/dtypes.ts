/**
 * Number formats of checkpoints and their conversion to float32.
 * float16: IEEE 754 binary16; bfloat16: the upper half of a binary32. Both convert exactly; float64 and integers round to nearest.
 * Files are little-endian, as is every machine Node has prebuilt binaries and onnxruntime for.
 */
export type DType = 'float32' | 'float16' | 'bfloat16' | 'float64' | 'int64' | 'int32' | 'int16' | 'int8' | 'uint8' | 'bool';

export const bytesOf: Readonly<Record<DType, 1 | 2 | 4 | 8>> = {
  float32: 4,
  float16: 2,
  bfloat16: 2,
  float64: 8,
  int64: 8,
  int32: 4,
  int16: 2,
  int8: 1,
  uint8: 1,
  bool: 1,
};

export const isFloat = (dtype: DType): boolean => dtype.includes('float');

/** Elements as they lie in the file, seen through the unsigned integers of their width: they can be moved, not computed with. */
export type Words = Uint8Array<ArrayBuffer> | Uint16Array<ArrayBuffer> | Uint32Array<ArrayBuffer> | BigUint64Array<ArrayBuffer>;

export function words(dtype: DType, count: number): Words {
  switch (bytesOf[dtype]) {
    case 1:
      return new Uint8Array(count);
    case 2:
      return new Uint16Array(count);
    case 4:
      return new Uint32Array(count);
    case 8:
      return new BigUint64Array(count);
  }
}

export const asBytes = (w: Words | Float32Array<ArrayBuffer>): Uint8Array => new Uint8Array(w.buffer, w.byteOffset, w.byteLength);

let halves: Float32Array | null = null;

/** All 65 536 values of binary16 as float32: 256 KB, made at the first use. */
function halfTable(): Float32Array {
  if (halves) return halves;
  halves = new Float32Array(65_536);
  for (let bits = 0; bits < 65_536; bits++) {
    const sign = bits & 0x8000 ? -1 : 1;
    const exponent = (bits >> 10) & 31;
    const fraction = bits & 1023;
    if (exponent === 31) halves[bits] = fraction === 0 ? sign * Infinity : NaN;
    else halves[bits] = sign * (exponent === 0 ? fraction * 2 ** -24 : (1 + fraction / 1024) * 2 ** (exponent - 15));
  }
  return halves;
}

/** The elements as float32. `source` starts at its buffer's beginning. */
export function toFloat32(dtype: DType, source: Words): Float32Array<ArrayBuffer> {
  const { buffer } = source;
  switch (dtype) {
    case 'float32':
      return new Float32Array(buffer);
    case 'float16': {
      const table = halfTable();
      const bits = new Uint16Array(buffer);
      const values = new Float32Array(bits.length);
      // A plain loop: Float32Array.from with a function takes twenty times as long, and a CLIP has 150 million values.
      for (let i = 0; i < bits.length; i++) values[i] = table[bits[i] ?? 0] ?? 0;
      return values;
    }
    case 'bfloat16': {
      const bits = new Uint16Array(buffer);
      const wide = new Uint32Array(bits.length);
      for (let i = 0; i < bits.length; i++) wide[i] = (bits[i] ?? 0) << 16;
      return new Float32Array(wide.buffer);
    }
    case 'float64':
      return new Float32Array(new Float64Array(buffer));
    default:
      return new Float32Array(toIntegers(dtype, source));
  }
}

/** The elements of an integer type as numbers; int64 beyond 2^53 loses its last digits, so its caller checks the range. */
export function toIntegers(dtype: DType, source: Words): ArrayLike<number> {
  const { buffer } = source;
  switch (dtype) {
    case 'int64':
      return Float64Array.from(new BigInt64Array(buffer), Number);
    case 'int32':
      return new Int32Array(buffer);
    case 'int16':
      return new Int16Array(buffer);
    case 'int8':
      return new Int8Array(buffer);
    default:
      return new Uint8Array(buffer);
  }
}

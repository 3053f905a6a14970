/**
 * NumPy's array file, version 1.0: magic, version, header length (uint16 LE), a Python dict padded with blanks to a multiple of 64
 * bytes, then the raw values (every machine verdictd runs on, x64 and arm64, is little-endian). Source of the format: NumPy NEP 1.
 */

/** `data` (float32, C order) of the given shape as the bytes of a .npy file. Throws if shape and length disagree. */
export function npy(data: Float32Array, shape: readonly number[]): Buffer {
  const count = shape.reduce((product, side) => product * side, 1);
  if (count !== data.length) throw new Error(`npy: ${data.length} values do not fill the shape (${shape.join(', ')})`);
  const dims = shape.length === 1 ? `${shape[0]},` : shape.join(', ');
  const dict = `{'descr': '<f4', 'fortran_order': False, 'shape': (${dims}), }`;
  const head = 10;
  const padded = Math.ceil((head + dict.length + 1) / 64) * 64;
  const header = Buffer.alloc(padded, ' ');
  header.write('\x93NUMPY\x01\x00', 0, 'latin1');
  header.writeUInt16LE(padded - head, 8);
  header.write(dict, head, 'latin1');
  header.write('\n', padded - 1, 'latin1');
  return Buffer.concat([header, Buffer.from(data.buffer, data.byteOffset, data.byteLength)]);
}

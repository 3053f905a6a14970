import * as zlib from 'node:zlib';

/** CRC-32 of ISO 3309 (polynomial 0xEDB88320 reflected), as zip and PNG store it. `before` continues an earlier part. */
export type Crc32 = (bytes: Uint8Array, before?: number) => number;

const table = Int32Array.from({ length: 256 }, (_, n) => {
  let c = n;
  for (let bit = 0; bit < 8; bit++) c = c & 1 ? (c >>> 1) ^ 0xedb88320 : c >>> 1;
  return c;
});

export const crc32InScript: Crc32 = (bytes, before = 0) => {
  let c = ~before;
  for (const byte of bytes) c = (c >>> 8) ^ (table[(c ^ byte) & 255] ?? 0);
  return ~c >>> 0;
};

// zlib.crc32 came with Node 20.15; older ones of 20 take the table, about five times slower.
export const crc32: Crc32 = typeof zlib.crc32 === 'function' ? zlib.crc32 : crc32InScript;

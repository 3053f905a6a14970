/**
 * The golden picture of the texture bundle: a machined plate with holes and one scratch, made of integers and comparisons only,
 * so that every machine makes the same bytes. Stored without compression for the same reason: deflate libraries differ.
 */
import { crc32 } from '../../crc32';

/** RGB8 [size,size,3]. */
export function goldenPicture(size: number): Uint8Array {
  const rgb = new Uint8Array(size * size * 3);
  for (let y = 0; y < size; y++)
    for (let x = 0; x < size; x++) {
      const brushed = ((x * 7 + hash(y, 1)) & 15) + (hash(x >> 3, y) & 7);
      let grey = 150 + brushed - (x >> 4);
      if (hole(x, y)) grey = 36 + (hash(x, y) & 7);
      if (Math.abs(5 * (y - 150) - 2 * (x - 90)) < 6 && x > 90 && x < 150) grey += 60;
      const at = (y * size + x) * 3;
      rgb[at] = grey;
      rgb[at + 1] = grey - 4;
      rgb[at + 2] = grey - 12;
    }
  return rgb;
}

/** Holes of 28 px at a pitch of 64 px. */
function hole(x: number, y: number): boolean {
  const dx = (x & 63) - 32;
  const dy = (y & 63) - 32;
  return dx * dx + dy * dy < 196;
}

function hash(a: number, b: number): number {
  let h = Math.imul(a, 0x9e3779b1) ^ Math.imul(b, 0x85ebca77);
  h ^= h >>> 15;
  h = Math.imul(h, 0xc2b2ae3d);
  return (h ^ (h >>> 13)) >>> 0;
}

/** RGB8 as a PNG of stored blocks (PNG specification, RFC 2083; zlib and deflate, RFC 1950 and 1951). */
export function storedPng(rgb: Uint8Array, width: number, height: number): Buffer {
  const raw = Buffer.alloc(height * (width * 3 + 1)); // each row after a filter byte 0
  for (let y = 0; y < height; y++) raw.set(rgb.subarray(y * width * 3, (y + 1) * width * 3), y * (width * 3 + 1) + 1);
  const header = Buffer.alloc(13);
  header.writeUInt32BE(width, 0);
  header.writeUInt32BE(height, 4);
  header.set([8, 2], 8); // 8 bits, RGB
  const signature = Buffer.from([0x89, 0x50, 0x4e, 0x47, 0x0d, 0x0a, 0x1a, 0x0a]);
  return Buffer.concat([signature, chunk('IHDR', header), chunk('IDAT', storedZlib(raw)), chunk('IEND', Buffer.alloc(0))]);
}

function chunk(type: string, data: Buffer): Buffer {
  const body = Buffer.concat([Buffer.from(type, 'ascii'), data]);
  const frame = Buffer.alloc(8);
  frame.writeUInt32BE(data.length, 0);
  frame.writeUInt32BE(crc32(body), 4);
  return Buffer.concat([frame.subarray(0, 4), body, frame.subarray(4)]);
}

function storedZlib(raw: Buffer): Buffer {
  const parts: Buffer[] = [Buffer.from([0x78, 0x01])];
  const longest = 65535;
  for (let at = 0; at < raw.length; at += longest) {
    const block = raw.subarray(at, at + longest);
    const head = Buffer.alloc(5);
    head[0] = at + longest >= raw.length ? 1 : 0;
    head.writeUInt16LE(block.length, 1);
    head.writeUInt16LE(~block.length & 0xffff, 3);
    parts.push(head, block);
  }
  let a = 1;
  let b = 0;
  for (const byte of raw) {
    a = (a + byte) % 65521;
    b = (b + a) % 65521;
  }
  const adler = Buffer.alloc(4);
  adler.writeUInt32BE(b * 65536 + a, 0);
  return Buffer.concat([...parts, adler]);
}

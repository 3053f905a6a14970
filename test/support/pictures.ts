/** Small pictures for tests, made on the spot. */
import sharp from 'sharp';

/** RGB bytes with structure in every channel, the same each time. */
export function pixels(width: number, height: number, channels = 3): Buffer {
  const out = Buffer.alloc(width * height * channels);
  for (let i = 0; i < out.length; i++) out[i] = (Math.imul(i + 1, 2654435761) >>> 23) & 255;
  return out;
}

export function picture(width: number, height: number, channels: 1 | 2 | 3 | 4 = 3): sharp.Sharp {
  return sharp(pixels(width, height, channels), { raw: { width, height, channels } });
}

export interface BmpOptions {
  bits?: 1 | 4 | 8 | 24 | 32;
  topDown?: boolean;
  /** RGB of each palette entry (1, 4, 8 bits). */
  palette?: number[][];
  /** Bytes between header (with palette) and pixels. */
  gap?: number;
  /** Bit fields with these masks (32 bits): red, green, blue, alpha. */
  masks?: [number, number, number, number];
}

/**
 * A BMP after the Windows GDI reference, written independently of the reader. `rows[y][x]` is a palette index, [r, g, b] or
 * [r, g, b, a].
 */
export function bmp(rows: (number | number[])[][], options: BmpOptions = {}): Buffer {
  const bits = options.bits ?? 24;
  const height = rows.length;
  const width = rows[0]?.length ?? 0;
  const size = options.masks ? 108 : 40;
  const palette = options.palette ?? [];
  const offset = 14 + size + palette.length * 4 + (options.gap ?? 0);
  const stride = ((width * bits + 31) >> 5) << 2;
  const out = Buffer.alloc(offset + stride * height);
  out.write('BM', 0, 'latin1');
  out.writeUInt32LE(out.length, 2);
  out.writeUInt32LE(offset, 10);
  out.writeUInt32LE(size, 14);
  out.writeInt32LE(width, 18);
  out.writeInt32LE(options.topDown ? -height : height, 22);
  out.writeUInt16LE(1, 26);
  out.writeUInt16LE(bits, 28);
  out.writeUInt32LE(options.masks ? 3 : 0, 30);
  out.writeUInt32LE(palette.length, 46);
  for (const [i, mask] of (options.masks ?? []).entries()) out.writeUInt32LE(mask >>> 0, 54 + i * 4);
  for (const [i, [r = 0, g = 0, b = 0]] of palette.entries()) out.set([b, g, r, 0], 14 + size + i * 4);
  rows.forEach((row, y) => {
    const at = offset + (options.topDown ? y : height - 1 - y) * stride;
    row.forEach((value, x) => {
      if (typeof value === 'number') {
        const bit = x * bits;
        const byte = at + (bit >> 3);
        out[byte] = (out[byte] ?? 0) | (value << (8 - bits - (bit & 7)));
      } else {
        const [r = 0, g = 0, b = 0, a = 0] = value;
        if (options.masks) {
          const word = options.masks.reduce((sum, mask, i) => sum + ([r, g, b, a][i] ?? 0) * (mask === 0 ? 0 : (mask & -mask) >>> 0), 0);
          out.writeUInt32LE(word >>> 0, at + x * 4);
        } else out.set(bits === 32 ? [b, g, r, a] : [b, g, r], at + (x * bits) / 8);
      }
    });
  });
  return out;
}

/** An uncompressed one-page TIFF 6.0 of zeros with any sample type: `format` 1 unsigned, 3 float; photometric 1 grey, 2 RGB, 5 CMYK. */
export function tiff(width: number, height: number, samples: number, bits: number, format: 1 | 3, photometric: 1 | 2 | 5): Buffer {
  const pixels = (width * height * samples * bits) / 8;
  const tags: [number, number, number][] = [
    [256, 4, width],
    [257, 4, height],
    [258, 3, bits],
    [259, 3, 1],
    [262, 3, photometric],
    [273, 4, 8],
    [277, 3, samples],
    [278, 4, height],
    [279, 4, pixels],
    [284, 3, 1],
    [339, 3, format],
  ];
  const arrays = 8 + pixels; // BitsPerSample and SampleFormat are arrays where there are more than two samples
  const ifd = arrays + samples * 4;
  const out = Buffer.alloc(ifd + 2 + tags.length * 12 + 4);
  out.write('II*\0', 0, 'latin1');
  out.writeUInt32LE(ifd, 4);
  for (let i = 0; i < samples; i++) {
    out.writeUInt16LE(bits, arrays + i * 2);
    out.writeUInt16LE(format, arrays + samples * 2 + i * 2);
  }
  out.writeUInt16LE(tags.length, ifd);
  for (const [i, [tag, type, value]] of tags.entries()) {
    const at = ifd + 2 + i * 12;
    const array = samples > 2 && (tag === 258 || tag === 339);
    out.writeUInt16LE(tag, at);
    out.writeUInt16LE(type, at + 2);
    out.writeUInt32LE(array ? samples : 1, at + 4);
    out.writeUInt32LE(array ? (tag === 258 ? arrays : arrays + samples * 2) : value, at + 8);
  }
  return out;
}

/**
 * Windows bitmaps, read straight into RGB8 or Mono8: uncompressed, 1, 4, 8, 24 or 32 bits a pixel. Everything is checked
 * against the file's length before a byte is allocated. Source: BITMAPFILEHEADER, BITMAPINFOHEADER, BITMAPV4HEADER and
 * BITMAPV5HEADER of the Windows GDI reference.
 */
import { setImmediate as turn } from 'node:timers/promises';
import type { RawImage } from './pushed';
import { checkSize, refusal } from './refusal';

const resave = 'Save it as an uncompressed 24 bit BMP, or as PNG.';
const headerSizes = [40, 52, 56, 108, 124];
const compressions = ['none', 'RLE8', 'RLE4', 'bit fields', 'JPEG', 'PNG', 'bit fields with alpha'];

interface Header {
  offset: number; // bytes to the pixels
  width: number; // px
  height: number; // px
  bottomUp: boolean;
  bits: number; // a pixel
  stride: number; // bytes, rows are padded to 4
  palette: Uint8Array | null; // 256 x RGB
  places: [number, number, number]; // byte of red, green, blue inside a 24 or 32 bit pixel
  alpha: number | null; // byte of alpha inside a 32 bit pixel
}

/** Byte that a mask of eight bits selects, or null for any other mask. */
function byteOf(mask: number): number | null {
  const place = [0xff, 0xff00, 0xff0000, 0xff000000].indexOf(mask >>> 0);
  return place < 0 ? null : place;
}

function readHeader(bytes: Uint8Array, name: string, bound: number): Header {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  if (bytes.length < 54) throw refusal(name, `a BMP cut off after ${bytes.length} bytes`, 'a header of 54 bytes', 'Copy the file again.');
  const size = view.getUint32(14, true);
  if (!headerSizes.includes(size)) {
    throw refusal(name, `a BMP with a header of ${size} bytes`, `one of ${headerSizes.join(', ')}`, resave);
  }
  const offset = view.getUint32(10, true);
  const width = view.getInt32(18, true);
  const signedHeight = view.getInt32(22, true);
  const height = Math.abs(signedHeight);
  const bits = view.getUint16(28, true);
  const compression = view.getUint32(30, true);
  checkSize(name, width, height, bound);
  const fields = compression === 3 || compression === 6;
  if (compression !== 0 && !(fields && bits === 32)) {
    throw refusal(name, `a BMP of compression ${compressions[compression] ?? compression} at ${bits} bits`, 'an uncompressed one', resave);
  }
  if (![1, 4, 8, 24, 32].includes(bits)) throw refusal(name, `a BMP of ${bits} bits a pixel`, '1, 4, 8, 24 or 32', resave);
  const stride = Math.ceil((width * bits) / 32) * 4;
  // Masks follow a 40 byte header, and are part of the larger ones.
  const masksEnd = fields ? 14 + 40 + (compression === 6 || size >= 56 ? 16 : 12) : 14 + size;
  const colours = bits > 8 ? 0 : view.getUint32(46, true) || 2 ** bits;
  const paletteAt = Math.max(14 + size, masksEnd);
  if (colours > 2 ** bits || offset < paletteAt + colours * 4 || offset + stride * height > bytes.length) {
    throw refusal(
      name,
      `a BMP of ${width}x${height} at ${bits} bits whose file is ${bytes.length} bytes long`,
      `at least ${Math.max(offset, paletteAt + colours * 4) + stride * height} bytes and at most ${2 ** Math.min(bits, 8)} palette colours`,
      'It is truncated or damaged: copy it again.',
    );
  }
  let places: Header['places'] = [2, 1, 0];
  let alpha: number | null = null;
  if (fields) {
    const masks = [54, 58, 62].map((at) => byteOf(view.getUint32(at, true)));
    const [red, green, blue] = masks;
    if (red == null || green == null || blue == null) {
      throw refusal(name, 'a BMP with bit fields that are not whole bytes', 'eight bits a colour', resave);
    }
    places = [red, green, blue];
    alpha = masksEnd - 54 === 16 ? byteOf(view.getUint32(66, true)) : null;
  }
  let palette: Uint8Array | null = null;
  if (bits <= 8) {
    palette = new Uint8Array(256 * 3);
    for (let i = 0; i < colours; i++) {
      for (let c = 0; c < 3; c++) palette[i * 3 + c] = bytes[paletteAt + i * 4 + 2 - c] ?? 0;
    }
  }
  return { offset, width, height, bottomUp: signedHeight > 0, bits, stride, palette, places, alpha };
}

function isGrey(palette: Uint8Array): boolean {
  for (let i = 0; i < 768; i += 3) if (palette[i] !== palette[i + 1] || palette[i] !== palette[i + 2]) return false;
  return true;
}

function indexedRow(bytes: Uint8Array, at: number, h: Header, palette: Uint8Array, out: Uint8Array, to: number, channels: number): void {
  const perByte = 8 / h.bits;
  const mask = 2 ** h.bits - 1;
  for (let x = 0; x < h.width; x++) {
    const shift = 8 - h.bits * ((x % perByte) + 1);
    const index = ((bytes[at + Math.floor(x / perByte)] ?? 0) >> shift) & mask;
    for (let c = 0; c < channels; c++) out[to + x * channels + c] = palette[index * 3 + c] ?? 0;
  }
}

/** Smallest and largest alpha of a row; opaque is 255 throughout, and 0 throughout is what writers leave that know no alpha. */
function directRow(bytes: Uint8Array, at: number, h: Header, out: Uint8Array, to: number, seen: { min: number; max: number }): void {
  const step = h.bits / 8;
  const [red, green, blue] = h.places;
  for (let x = 0, from = at, put = to; x < h.width; x++, from += step, put += 3) {
    out[put] = bytes[from + red] ?? 0;
    out[put + 1] = bytes[from + green] ?? 0;
    out[put + 2] = bytes[from + blue] ?? 0;
    if (h.alpha !== null) {
      const alpha = bytes[from + h.alpha] ?? 0;
      if (alpha < seen.min) seen.min = alpha;
      if (alpha > seen.max) seen.max = alpha;
    }
  }
}

/**
 * Decodes a BMP: RGB8, or Mono8 where its palette is grey. Lets the event loop turn after every megabyte, as it works on the
 * calling thread. Throws IMAGE_UNREADABLE.
 */
export async function decodeBmp(bytes: Uint8Array, name: string, bound: number): Promise<RawImage> {
  const h = readHeader(bytes, name, bound);
  const channels = h.palette !== null && isGrey(h.palette) ? 1 : 3;
  const stride = h.width * channels;
  const data = new Uint8Array(stride * h.height);
  const seen = { min: 255, max: 0 };
  const rowsATurn = Math.max(1, Math.floor(1e6 / stride));
  for (let y = 0; y < h.height; y++) {
    const at = h.offset + (h.bottomUp ? h.height - 1 - y : y) * h.stride;
    if (h.palette === null) directRow(bytes, at, h, data, y * stride, seen);
    else indexedRow(bytes, at, h, h.palette, data, y * stride, channels);
    if (y % rowsATurn === rowsATurn - 1) await turn();
  }
  if (h.alpha !== null && seen.min < 255 && seen.max > 0) {
    throw refusal(name, 'a BMP with transparent pixels', 'an opaque picture', 'Flatten it, then save it again.');
  }
  return { width: h.width, height: h.height, stride, pixelFormat: channels === 1 ? 'Mono8' : 'RGB8', data };
}

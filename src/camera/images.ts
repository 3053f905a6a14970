/**
 * Pictures from files, as a camera would have given them: 8 bits a channel at full resolution, pixel for pixel as Pillow reads
 * them (no colour management, no gamma, EXIF orientation not applied). What cannot be judged with certainty is refused, each
 * kind with its own sentence: half a picture must never pass as a part.
 */
import { readFile, stat } from 'node:fs/promises';
import { setImmediate as turn } from 'node:timers/promises';
import sharp from 'sharp';
import { reason, VerdictdError } from '../errors';
import { decodeBmp } from './bmp';
import type { RawImage } from './pushed';
import { decodeRaw, isRawName } from './raw';
import { checkSize, maxPixels, refusal } from './refusal';
import { type ImageKind, pngFacts, sniff } from './sniff';

export { maxPixels } from './refusal';

// Every picture is decoded once: a cache of decoders would only hold memory.
sharp.cache(false);

const kinds = 'PNG, JPEG, TIFF, BMP or raw sensor data';
const copyAgain = 'The file is damaged or cut off: copy or save it again.';
/** A decoder that works longer than this on one picture is stuck. */
const decodeSeconds = 20;

/** Reads a whole regular file of bounded length (a pipe or device would never end). Throws IMAGE_UNREADABLE. */
export async function readImage(path: string, bound: number = maxPixels): Promise<Buffer> {
  let size: number;
  try {
    const found = await stat(path);
    if (!found.isFile()) throw refusal(path, found.isDirectory() ? 'a folder' : 'no regular file', `a picture (${kinds})`, 'Name a file.');
    size = found.size;
  } catch (thrown) {
    if (thrown instanceof VerdictdError) throw thrown;
    const missing = (thrown as NodeJS.ErrnoException).code === 'ENOENT';
    if (missing) throw refusal(path, 'there is no such file', `a picture (${kinds})`, 'Check the path.', thrown);
    throw refusal(path, `cannot be read (${reason(thrown)})`, 'a readable file', 'Check its permissions.', thrown);
  }
  // Eight bytes a pixel is more than any kind that is accepted needs.
  if (size > bound * 8) {
    throw refusal(
      path,
      `${Math.round(size / 1e6)} MB long`,
      `at most ${(bound * 8) / 1e6} MB`,
      'It is no picture of a part: check the path.',
    );
  }
  try {
    return await readFile(path);
  } catch (thrown) {
    throw refusal(path, `cannot be read (${reason(thrown)})`, 'a readable file', 'Check its permissions and the disk.', thrown);
  }
}

const otherKinds: Partial<Record<ImageKind, string>> = {
  gif: 'a GIF picture (256 colours, possibly animated)',
  webp: 'a WebP picture (possibly animated)',
  heif: 'a HEIF, AVIF or video file',
  jxl: 'a JPEG XL picture',
  jp2: 'a JPEG 2000 picture',
  pdf: 'a PDF document',
  svg: 'a drawing (SVG or XML)',
  npy: 'a NumPy array',
};

/** Refuses by header what sharp would decode into something else than the camera's 8 bit picture. */
function checkHeader(found: sharp.Metadata, kind: ImageKind, name: string, bound: number): void {
  checkSize(name, found.width ?? 0, found.height ?? 0, bound);
  const upper = kind.toUpperCase();
  if ((found.pages ?? 1) > 1) {
    throw refusal(name, `a ${upper} of ${found.pages} pages`, 'one picture a file', 'Save each page as a file of its own.');
  }
  if (found.space === 'cmyk') throw refusal(name, `a ${upper} in CMYK colours`, 'RGB or grey', 'It is made for print: convert it to RGB.');
  if (found.depth !== 'uchar') {
    throw refusal(name, `a ${upper} with samples of type ${found.depth}`, '8 bits a channel', 'Convert it to 8 bits with a fixed scale.');
  }
  if (found.space !== 'srgb' && found.space !== 'b-w') {
    throw refusal(name, `a ${upper} in colour space ${found.space ?? 'unknown'}`, 'RGB or grey', 'Convert it to RGB.');
  }
  const expected = found.space === 'b-w' ? 1 : 3;
  const colours = (found.channels ?? 0) - (found.hasAlpha === true ? 1 : 0);
  if (colours !== expected) {
    throw refusal(name, `a ${upper} of ${colours} colour channels`, `${expected}`, 'Convert it to RGB or grey.');
  }
}

/** Drops an alpha channel that is 255 throughout; lets the event loop turn after every megabyte. */
async function withoutAlpha(data: Uint8Array, channels: number, name: string): Promise<Uint8Array> {
  const pixels = data.length / channels;
  const kept = channels - 1;
  const out = new Uint8Array(pixels * kept);
  for (let i = 0, from = 0, to = 0; i < pixels; i++, from += channels, to += kept) {
    if (data[from + kept] !== 255) {
      throw refusal(name, 'a picture with transparent pixels', 'an opaque one', 'Flatten it onto its background, then save it again.');
    }
    for (let c = 0; c < kept; c++) out[to + c] = data[from + c] ?? 0;
    if (i % 250_000 === 249_999) await turn();
  }
  return out;
}

async function decodeWithSharp(bytes: Uint8Array, kind: ImageKind, name: string, bound: number): Promise<RawImage> {
  if (kind === 'png') {
    const facts = pngFacts(bytes);
    if (facts.animated) throw refusal(name, 'an animated PNG', 'one picture a file', 'Save the frame you mean as a file of its own.');
    if (!facts.complete) throw refusal(name, 'a PNG without its end', 'a complete file', copyAgain);
  }
  try {
    const found = await sharp(bytes, { limitInputPixels: false, failOn: 'warning' }).metadata();
    checkHeader(found, kind, name, bound);
    const grey = found.space === 'b-w';
    const { data, info } = await sharp(bytes, { limitInputPixels: bound, failOn: 'warning', ignoreIcc: true })
      .toColourspace(grey ? 'b-w' : 'srgb')
      .timeout({ seconds: decodeSeconds })
      .raw({ depth: 'uchar' })
      .toBuffer({ resolveWithObject: true });
    const expected = grey ? 1 : 3;
    const opaque = info.channels === expected ? data : await withoutAlpha(data, info.channels, name);
    const stride = info.width * expected;
    if (opaque.length !== stride * info.height) {
      throw refusal(name, `${opaque.length} decoded bytes`, `${stride * info.height}`, copyAgain);
    }
    return { width: info.width, height: info.height, stride, pixelFormat: grey ? 'Mono8' : 'RGB8', data: opaque };
  } catch (thrown) {
    if (thrown instanceof VerdictdError) throw thrown;
    const said = reason(thrown).trim().split('\n')[0] ?? '';
    throw refusal(name, `a ${kind.toUpperCase()} that does not decode (${said})`, 'a complete, sound file', copyAgain, thrown);
  }
}

/**
 * Decodes one picture to RGB8, Mono8 (grey) or, for raw sensor data, the format in its name. The kind is told by content, raw
 * data by name. `name` stands in messages for a buffer; `bound` is the largest number of pixels, checked before decoding.
 * PNG, JPEG and TIFF are decoded on native threads; BMP on the calling thread, in short turns.
 * Throws VerdictdError IMAGE_UNREADABLE: missing, empty, corrupt, truncated, too large, over 8 bits, CMYK, animated, of several
 * pages, transparent, or of another kind.
 */
export async function decodeImage(source: string | Uint8Array, name?: string, bound: number = maxPixels): Promise<RawImage> {
  const shown = name ?? (typeof source === 'string' ? source : 'picture');
  const bytes = typeof source === 'string' ? await readImage(source, bound) : source;
  if (bytes.length === 0) throw refusal(shown, 'an empty file', `a picture (${kinds})`, copyAgain);
  if (isRawName(shown)) return decodeRaw(bytes, shown, bound);
  const kind = sniff(bytes);
  if (kind === 'bmp') return await decodeBmp(bytes, shown, bound);
  if (kind === 'png' || kind === 'jpeg' || kind === 'tiff') return await decodeWithSharp(bytes, kind, shown, bound);
  throw refusal(shown, otherKinds[kind] ?? 'no picture by its first bytes', kinds, 'Convert it, or check that the file is sound.');
}

/** Raw sensor data: bytes row by row, the geometry in the file's name, as `part_4096x2160_BayerRG8.raw`. */
import { basename } from 'node:path';
import type { PixelFormat } from '../ports';
import type { RawImage } from './pushed';
import { checkSize, refusal } from './refusal';

const bytesPerPixel: Record<PixelFormat, number> = {
  BayerRG8: 1,
  BayerGB8: 1,
  BayerGR8: 1,
  BayerBG8: 1,
  Mono8: 1,
  RGB8: 3,
  BGR8: 3,
};

export function isRawName(name: string): boolean {
  return /\.(raw|bayer)$/i.test(name);
}

/** Gives the bytes a geometry; they are not copied. Throws IMAGE_UNREADABLE where name and length do not agree. */
export function decodeRaw(bytes: Uint8Array, name: string, bound: number): RawImage {
  const found = /_(\d{1,6})x(\d{1,6})_([A-Za-z0-9]+)\.[a-z]+$/i.exec(basename(name));
  const format = (Object.keys(bytesPerPixel) as PixelFormat[]).find((one) => one.toLowerCase() === found?.[3]?.toLowerCase());
  if (found === null || format === undefined) {
    throw refusal(
      name,
      'raw sensor data whose name does not give its geometry',
      `NAME_WIDTHxHEIGHT_FORMAT.raw with FORMAT one of ${Object.keys(bytesPerPixel).join(', ')}`,
      'Rename it, for example to part_4096x2160_BayerRG8.raw.',
    );
  }
  const width = Number(found[1]);
  const height = Number(found[2]);
  checkSize(name, width, height, bound);
  const stride = width * bytesPerPixel[format];
  if (bytes.length !== stride * height) {
    throw refusal(
      name,
      `${bytes.length} bytes of raw sensor data`,
      `${stride * height} bytes for ${width}x${height} ${format}`,
      'It is truncated, or its name gives another geometry than its content: save it again or rename it.',
    );
  }
  return { width, height, stride, pixelFormat: format, data: bytes };
}

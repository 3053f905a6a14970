/**
 * Golden pictures: made of integers, the same bytes on every machine. A score at the end of its scale would prove nothing on another
 * execution provider, so there are several, and the one whose score lies nearest the middle is taken.
 */
import { copyFileSync } from 'node:fs';
import { extname } from 'node:path';
import { goldenPicture, storedPng } from '../bundle/texture/golden';
import { VerdictdError } from '../errors';
import type { Staging } from './staging';

const variants: readonly ((value: number, x: number, y: number, channel: number) => number)[] = [
  (value) => value,
  (value) => 255 - value,
  (value, _x, _y, channel) => (channel === 0 ? value : value >> channel),
  (value, x, y) => (((x >> 5) + (y >> 5)) & 1 ? 255 - value : value),
  (value, x, y, channel) => (value >> 2) + ((x * (channel + 1) + y * (3 - channel)) & 127),
  (value, x, y, channel) => (Math.hypot(x - 200, y - 170) < 60 ? 40 + 50 * channel : value),
];
export const goldenCount = variants.length;

/** Picture `n` as a PNG of size x size px. */
export function goldenPng(n: number, size: number): Buffer {
  const rgb = goldenPicture(size);
  const change = variants[n];
  if (change === undefined) throw new RangeError(`golden picture ${n} of ${goldenCount}`);
  for (let at = 0; at < rgb.length; at++) {
    const pixel = Math.floor(at / 3);
    rgb[at] = change(rgb[at] ?? 0, pixel % size, Math.floor(pixel / size), at % 3);
  }
  return storedPng(rgb, size, size);
}

/** Names of the pictures to choose from, in the staging folder: the user's alone (`given`), or all procedural ones. */
export function placePictures(staging: Staging, given: string | null, size: number): string[] {
  if (given !== null) {
    const [extension = ''] = /\.[a-z0-9]{1,8}$/.exec(extname(given).toLowerCase()) ?? [];
    const name = `golden-own${extension}`;
    try {
      copyFileSync(given, staging.path(name));
    } catch (thrown) {
      throw new VerdictdError('IMAGE_UNREADABLE', `${given} cannot be read. Name a picture with --golden FILE.`, { cause: thrown });
    }
    return [name];
  }
  return Array.from({ length: goldenCount }, (_, n) => {
    const name = `golden-${n}.png`;
    staging.write(name, goldenPng(n, size));
    return name;
  });
}

/** Keeps the chosen one, under its name in the bundle, which is given back. */
export function keepGolden(staging: Staging, pictures: readonly string[], chosen: string): string {
  for (const name of pictures) if (name !== chosen) staging.drop(name);
  const name = `golden${extname(chosen)}`;
  staging.rename(chosen, name);
  return name;
}

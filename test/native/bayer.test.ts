/** Bayer input: demosaic and resize folded into one filter, against bilinear demosaic and then Pillow's bicubic. */
import { execFileSync } from 'node:child_process';
import { join } from 'node:path';
import { preprocess, type RawImage } from '../../src/native';
import type { PixelFormat } from '../../src/ports';
import { boardScene, demosaic, difference, inputSpec, mosaic, naturalScene, pillowBicubic, type Rgb } from './reference';

async function folded(raw: RawImage, width: number, height: number): Promise<Uint8Array> {
  const { resized } = await preprocess(raw, inputSpec(width, height), { resized: true });
  if (resized === undefined) throw new Error('no 8 bit grid came back');
  return resized;
}

const formats: PixelFormat[] = ['BayerRG8', 'BayerGR8', 'BayerGB8', 'BayerBG8'];
const scenes: [string, (w: number, h: number) => Rgb][] = [
  ['a natural scene', naturalScene],
  ['thin lines', boardScene],
];

describe.each(scenes)('%s', (_, scene) => {
  test.each(formats)('%s, shrunk as a camera frame is: mean within 0.3 and no value off by more than 6 steps', async (format) => {
    const raw = mosaic(scene(1012, 536), format); // 7.9 and 4.2 times the output, as 4096 x 2160 to 518 x 518
    const d = difference(await folded(raw, 128, 128), pillowBicubic(demosaic(raw), 128, 128));
    expect(d.mean).toBeLessThanOrEqual(0.3);
    expect(d.max).toBeLessThanOrEqual(6);
  });
});

// Red and blue fold exactly; only roundings separate them from the reference: three of half a step and the overshoot between.
test.each(formats)('%s: red and blue are the two-step result but for rounding', async (format) => {
  const raw = mosaic(naturalScene(300, 222, 5), format);
  const channels = [0, 2];
  const a = await folded(raw, 64, 64);
  const b = pillowBicubic(demosaic(raw), 64, 64);
  const pick = (data: Uint8Array): Uint8Array => data.filter((_, i) => channels.includes(i % 3));
  const d = difference(pick(a), pick(b));
  expect(d.max).toBeLessThanOrEqual(1);
  expect(d.mean).toBeLessThan(0.3);
});

describe('sizes', () => {
  test.each([
    [4, 4, 2, 2, 3],
    [5, 7, 3, 3, 3],
    [101, 77, 40, 30, 3], // odd sides
    [33, 1000, 16, 24, 3],
    [2000, 6, 24, 8, 3], // more taps than one block of the horizontal pass
    [64, 64, 64, 64, 3],
    [64, 48, 100, 90, 4], // enlarged: nothing smooths what green's two lattices differ by
  ])('%i x %i to %i x %i stays within %i steps of the reference', async (w, h, ow, oh, steps) => {
    const raw = mosaic(smooth(w, h), 'BayerRG8');
    const d = difference(await folded(raw, ow, oh), pillowBicubic(demosaic(raw), ow, oh));
    expect(d.max).toBeLessThanOrEqual(steps);
  });

  /** Shades without edges: green on two lattices is nearly exact here, so that a wrong index or border shows. */
  function smooth(width: number, height: number): Rgb {
    const data = new Uint8Array(width * height * 3);
    for (let y = 0; y < height; y++) {
      for (let x = 0; x < width; x++) {
        data.set([40 + (150 * x) / width, 30 + (180 * y) / height, 200 - (90 * x) / width - (60 * y) / height], (y * width + x) * 3);
      }
    }
    return { width, height, data };
  }
});

test.each([0, 1, 37, 128, 254, 255])('a frame of the one value %i stays that value', async (value) => {
  const raw: RawImage = { width: 90, height: 70, stride: 90, pixelFormat: 'BayerGB8', data: new Uint8Array(90 * 70).fill(value) };
  expect(new Set(await folded(raw, 24, 20))).toEqual(new Set([value]));
});

test('rows may be padded and start at an odd address', async () => {
  const raw = mosaic(naturalScene(64, 48), 'BayerRG8');
  const stride = 71;
  const memory = new Uint8Array(stride * 48 + 1).fill(255);
  for (let y = 0; y < 48; y++) memory.set(raw.data.subarray(y * 64, (y + 1) * 64), 1 + y * stride);
  // The last row ends where its pixels end: nothing behind them may be read.
  const padded: RawImage = { ...raw, stride, data: memory.subarray(1, 1 + stride * 47 + 64) };
  expect(await folded(padded, 20, 20)).toEqual(await folded(raw, 20, 20));
});

test('a region at odd offsets is demosaiced with the colours around it', async () => {
  const scene = naturalScene(120, 90);
  const raw = mosaic(scene, 'BayerGR8');
  const region = { x: 13, y: 7, width: 60, height: 50 };
  const full = demosaic(raw);
  const part = new Uint8Array(region.width * region.height * 3);
  for (let y = 0; y < region.height; y++) {
    const from = ((y + region.y) * 120 + region.x) * 3;
    part.set(full.data.subarray(from, from + region.width * 3), y * region.width * 3);
  }
  const { resized } = await preprocess(raw, { ...inputSpec(16, 16), region }, { resized: true });
  const expected = pillowBicubic({ width: region.width, height: region.height, data: part }, 16, 16);
  expect(difference(resized ?? new Uint8Array(), expected).max).toBeLessThanOrEqual(4);
});

test('the base and the fastest instruction set of this machine give the same bits', () => {
  const digest = (kernels: string): string =>
    execFileSync(process.execPath, [join(__dirname, 'children', 'digest.cjs')], {
      encoding: 'utf8',
      env: { ...process.env, VERDICTD_KERNELS: kernels },
    });
  expect(digest('base')).toBe(digest(''));
});

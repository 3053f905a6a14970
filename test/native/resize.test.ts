/** RGB, BGR and mono input: Pillow's bicubic, bit for bit. */
import { createHash } from 'node:crypto';
import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { native, preprocess, type RawImage } from '../../src/native';
import { packageRoot } from '../../src/package';
import { clip, inputSpec, naturalScene, pillowBicubic } from './reference';

interface Digests {
  cases: { in: [number, number]; out: [number, number]; src_sha256: string; bicubic_sha256: string }[];
}

const { floor, imul } = Math; // looked up once: in a test realm every look-up of a global is slow

const digestFile = join(packageRoot, '..', 'shared', 'vectors', 'pil-resize', 'digests.json');
const sha256 = (data: Uint8Array): string => createHash('sha256').update(data).digest('hex');

/** The integer pattern of the vectors. */
function pattern(width: number, height: number): Uint8Array {
  let hash = 0x811c9dc5;
  for (const byte of Buffer.from(`src${width}x${height}`)) hash = imul(hash ^ byte, 0x01000193) >>> 0;
  const data = new Uint8Array(width * height * 3);
  for (let y = 0, i = 0; y < height; y++) {
    for (let x = 0; x < width; x++) {
      const spot = (x + 2 * y) % 5 === 0;
      for (let c = 0; c < 3; c++, i++) {
        if (spot) {
          let v = (hash + imul(i, 0x9e3779b9)) >>> 0;
          v = imul(v ^ (v >>> 16), 0x85ebca6b);
          v = imul(v ^ (v >>> 13), 0xc2b2ae35);
          v = (v ^ (v >>> 16)) >>> 0;
          data[i] = floor((v / 2 ** 31) * 128);
        } else {
          data[i] = (floor((x * x) / 17) + 3 * y + 61 * c + floor((x * y) / 29)) & 255;
        }
      }
    }
  }
  return data;
}

async function resized(image: RawImage, width: number, height: number): Promise<Uint8Array> {
  const result = await preprocess(image, inputSpec(width, height), { resized: true });
  if (result.resized === undefined) throw new Error('no 8 bit grid came back');
  return result.resized;
}

function rgb(width: number, height: number, data: Uint8Array): RawImage {
  return { width, height, stride: width * 3, pixelFormat: 'RGB8', data };
}

if (!existsSync(digestFile)) {
  console.warn(`skipped: Pillow's digests are not there (${digestFile})`);
}
const digests: Digests = existsSync(digestFile) ? (JSON.parse(readFileSync(digestFile, 'utf8')) as Digests) : { cases: [] };
const withDigests = digests.cases.length > 0 ? describe : describe.skip;

withDigests('against the digests made with Pillow', () => {
  const cases = digests.cases.map((c) => [`${c.in.join(' x ')} to ${c.out.join(' x ')}`, c] as const);
  test.each(cases)('%s', async (_, c) => {
    const source = pattern(...c.in);
    expect(sha256(source)).toBe(c.src_sha256);
    expect(sha256(await resized(rgb(...c.in, source), ...c.out))).toBe(c.bicubic_sha256);
  });
});

describe('against the slow reference', () => {
  test.each([
    [61, 47, 32, 20],
    [61, 47, 200, 31],
    [5, 300, 17, 4],
    [1, 1, 9, 9],
    [64, 64, 64, 64],
    [64, 64, 64, 10],
    [1200, 9, 3, 9],
  ])('%i x %i to %i x %i', async (w, h, ow, oh) => {
    const scene = naturalScene(w, h);
    expect(sha256(await resized(rgb(w, h, scene.data), ow, oh))).toBe(sha256(pillowBicubic(scene, ow, oh)));
  });

  test('rows may be padded', async () => {
    const scene = naturalScene(50, 40);
    const stride = 3 * 50 + 11;
    const data = new Uint8Array(stride * 40).fill(255);
    for (let y = 0; y < 40; y++) data.set(scene.data.subarray(y * 150, (y + 1) * 150), y * stride);
    const padded: RawImage = { width: 50, height: 40, stride, pixelFormat: 'RGB8', data };
    expect(sha256(await resized(padded, 24, 24))).toBe(sha256(pillowBicubic(scene, 24, 24)));
  });

  test('BGR8 is RGB8 the other way round, Mono8 the same plane three times', async () => {
    const scene = naturalScene(70, 50);
    const bgr = scene.data.map((_, i) => scene.data[i - (i % 3) + (2 - (i % 3))] ?? 0);
    const expected = sha256(pillowBicubic(scene, 33, 33));
    expect(sha256(await resized({ ...rgb(70, 50, bgr), pixelFormat: 'BGR8' }, 33, 33))).toBe(expected);
    const grey = new Uint8Array(70 * 50).map((_, i) => scene.data[i * 3] ?? 0);
    const grey3 = { width: 70, height: 50, data: new Uint8Array(70 * 50 * 3).map((_, i) => grey[floor(i / 3)] ?? 0) };
    const mono: RawImage = { width: 70, height: 50, stride: 70, pixelFormat: 'Mono8', data: grey };
    expect(sha256(await resized(mono, 33, 33))).toBe(sha256(pillowBicubic(grey3, 33, 33)));
  });
});

test('the tensor is (value / 255 - mean) / std in float32, planes red, green, blue', async () => {
  const scene = naturalScene(31, 22);
  const f = Math.fround;
  const { tensor } = await preprocess(rgb(31, 22, scene.data), inputSpec(16, 12));
  const grid = pillowBicubic(scene, 16, 12);
  for (let c = 0; c < 3; c++) {
    for (let i = 0; i < 16 * 12; i++) {
      const value = f(f(f((grid[i * 3 + c] ?? 0) / 255) - f(clip.mean[c] ?? 0)) / f(clip.std[c] ?? 1));
      expect(tensor[c * 16 * 12 + i]).toBe(value);
    }
  }
});

test('a region is the part that the model sees', async () => {
  const scene = naturalScene(80, 60);
  const part = new Uint8Array(40 * 30 * 3);
  for (let y = 0; y < 30; y++) part.set(scene.data.subarray(((y + 11) * 80 + 7) * 3, ((y + 11) * 80 + 47) * 3), y * 40 * 3);
  const input = { ...inputSpec(16, 16), region: { x: 7, y: 11, width: 40, height: 30 } };
  const result = await native().preprocess(rgb(80, 60, scene.data), input, { resized: true });
  expect(sha256(result.resized ?? new Uint8Array())).toBe(sha256(pillowBicubic({ width: 40, height: 30, data: part }, 16, 16)));
});

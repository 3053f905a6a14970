/** Quality figures and thumbnails. */
import { preprocess, type RawImage } from '../../src/native';
import { boardScene, colourAt, difference, inputSpec, mosaic, naturalScene, type Rgb } from './reference';

const { abs } = Math;

function rgb(scene: Rgb): RawImage {
  return { width: scene.width, height: scene.height, stride: scene.width * 3, pixelFormat: 'RGB8', data: scene.data };
}

describe('quality', () => {
  test('is what a plain loop over the 8 bit grid says', async () => {
    const scene = boardScene(90, 80);
    const { quality, resized } = await preprocess(rgb(scene), inputSpec(40, 30), { resized: true });
    const grid = resized ?? new Uint8Array();
    const luma = Array.from({ length: 40 * 30 }, (_, i) =>
      Math.floor((77 * (grid[3 * i] ?? 0) + 150 * (grid[3 * i + 1] ?? 0) + 29 * (grid[3 * i + 2] ?? 0) + 128) / 256),
    );
    const at = (x: number, y: number): number => luma[y * 40 + x] ?? Number.NaN;
    let edges = 0;
    for (let y = 1; y < 29; y++) {
      for (let x = 1; x < 39; x++) edges += abs(4 * at(x, y) - at(x - 1, y) - at(x + 1, y) - at(x, y - 1) - at(x, y + 1));
    }
    expect(quality.mean).toBeCloseTo(luma.reduce((a, b) => a + b, 0) / luma.length, 9);
    expect(quality.sharpness).toBeCloseTo(edges / (28 * 38), 9);
    expect(quality.dark).toBe(luma.filter((v) => v <= 4).length / luma.length);
    expect(quality.bright).toBe(luma.filter((v) => v >= 251).length / luma.length);
  });

  test.each([
    [0, { mean: 0, dark: 1, bright: 0, sharpness: 0 }],
    [255, { mean: 255, dark: 0, bright: 1, sharpness: 0 }],
    [100, { mean: 100, dark: 0, bright: 0, sharpness: 0 }],
  ])('of a frame that is %i everywhere', async (value, expected) => {
    const raw: RawImage = { width: 64, height: 64, stride: 64, pixelFormat: 'BayerRG8', data: new Uint8Array(64 * 64).fill(value) };
    expect((await preprocess(raw, inputSpec(32, 32))).quality).toEqual(expected);
  });

  test('a defocused picture is less sharp', async () => {
    const sharp = boardScene(256, 256);
    const soft = { ...sharp, data: blur(sharp) };
    const of = async (scene: Rgb): Promise<number> => (await preprocess(mosaic256(scene), inputSpec(96, 96))).quality.sharpness;
    expect(await of(soft)).toBeLessThan(0.6 * (await of(sharp)));
  });

  const mosaic256 = (scene: Rgb): RawImage => mosaic(scene, 'BayerRG8');

  /** Box of 9 px, rows then columns. */
  function blur(scene: Rgb): Uint8Array {
    let data = scene.data;
    for (const step of [3, scene.width * 3]) {
      const next = new Uint8Array(data.length);
      for (let i = 0; i < data.length; i++) {
        let sum = 0;
        for (let k = -4; k <= 4; k++) sum += data[i + k * step] ?? data[i] ?? 0;
        next[i] = sum / 9;
      }
      data = next;
    }
    return data;
  }
});

describe('thumbnail', () => {
  async function thumbnailOf(raw: RawImage, width: number): Promise<{ width: number; height: number; data: Uint8Array }> {
    const { thumbnail } = await preprocess(raw, inputSpec(16, 16), { thumbnailWidth: width });
    if (thumbnail === undefined) throw new Error('no thumbnail came back');
    return thumbnail;
  }

  test('of RGB is the mean of boxes', async () => {
    const scene = naturalScene(192, 120);
    const { width, height, data } = await thumbnailOf(rgb(scene), 64);
    expect([width, height]).toEqual([64, 40]);
    const expected = new Uint8Array(64 * 40 * 3).map((_, i) => {
      const [x, y, c] = [Math.floor(i / 3) % 64, Math.floor(i / 192), i % 3];
      let sum = 0;
      for (let k = 0; k < 9; k++) sum += scene.data[((y * 3 + Math.floor(k / 3)) * 192 + x * 3 + (k % 3)) * 3 + c] ?? 0;
      return Math.floor(sum / 9 + 0.5);
    });
    expect(difference(data, expected).max).toBeLessThanOrEqual(1);
  });

  test('of BGR and mono has the right colours', async () => {
    const scene = naturalScene(128, 128);
    const plain = await thumbnailOf(rgb(scene), 64);
    const bgr = scene.data.map((_, i) => scene.data[i - (i % 3) + (2 - (i % 3))] ?? 0);
    expect((await thumbnailOf({ ...rgb({ ...scene, data: bgr }), pixelFormat: 'BGR8' }, 64)).data).toEqual(plain.data);
    const mono: RawImage = { width: 128, height: 128, stride: 128, pixelFormat: 'Mono8', data: new Uint8Array(128 * 128).fill(77) };
    expect(new Set((await thumbnailOf(mono, 64)).data)).toEqual(new Set([77]));
  });

  test.each(['BayerRG8', 'BayerGR8', 'BayerGB8', 'BayerBG8'] as const)('of %s: quads and colours', async (format) => {
    const raw = mosaic(naturalScene(256, 200), format);
    const { width, height, data } = await thumbnailOf(raw, 64);
    expect([width, height]).toEqual([64, 50]);
    const expected = new Uint8Array(64 * 50 * 3).map((_, i) => {
      const [x, y, c] = [Math.floor(i / 3) % 64, Math.floor(i / 192), i % 3];
      let sum = 0;
      let n = 0;
      for (let v = y * 4; v < y * 4 + 4; v++) {
        for (let u = x * 4; u < x * 4 + 4; u++) {
          if (colourAt(format, v, u) !== c) continue;
          sum += raw.data[v * 256 + u] ?? 0;
          n++;
        }
      }
      return Math.floor(sum / n + 0.5);
    });
    expect(difference(data, expected).max).toBeLessThanOrEqual(1);
  });

  test('a small Bayer frame keeps its size and looks like the scene', async () => {
    const scene = naturalScene(201, 99);
    const { width, height, data } = await thumbnailOf(mosaic(scene, 'BayerGB8'), 1024);
    expect([width, height]).toEqual([201, 99]);
    expect(difference(data, scene.data).mean).toBeLessThan(4);
  });

  test.each([
    ['Mono8', 16384, 383],
    ['RGB8', 16384, 383],
    ['BayerRG8', 16384, 766],
  ] as const)(
    'of a flat %s frame, %i x %i: one row of it is more rows than 16 bits hold the sum of',
    async (pixelFormat, width, height) => {
      const stride = width * (pixelFormat === 'RGB8' ? 3 : 1);
      const { data } = await thumbnailOf({ width, height, stride, pixelFormat, data: new Uint8Array(stride * height).fill(255) }, 64);
      expect(new Set(data)).toEqual(new Set([255]));
    },
  );

  test('of a sliver is at least one pixel high', async () => {
    const raw: RawImage = { width: 4000, height: 4, stride: 4000, pixelFormat: 'BayerRG8', data: new Uint8Array(16000).fill(9) };
    const { width, height, data } = await thumbnailOf(raw, 100);
    expect([width, height, data.length]).toEqual([100, 1, 300]);
  });
});

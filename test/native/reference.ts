/** Slow, plain references for the native preprocessing: Pillow's bicubic and OpenCV's bilinear demosaic, in doubles. */
import type { RawImage } from '../../src/native';
import type { InputSpec, PixelFormat } from '../../src/ports';

// Looked up once: in a test realm every look-up of a global is slow.
const { abs, exp, floor, hypot, imul, max, min, round, sin, trunc } = Math;

export interface Rgb {
  width: number;
  height: number;
  data: Uint8Array; // interleaved
}

/** CLIP's own mean and std. */
export const clip: Pick<InputSpec, 'mean' | 'std'> = {
  mean: [0.48145466, 0.4578275, 0.40821073],
  std: [0.26862954, 0.26130258, 0.27577711],
};

export function inputSpec(width: number, height: number): InputSpec {
  return { width, height, resize: 'bicubic', fit: 'squash', ...clip };
}

function cubic(x: number): number {
  const a = -0.5;
  const t = abs(x);
  if (t < 1) return ((a + 2) * t - (a + 3)) * t * t + 1;
  if (t < 2) return (((t - 5) * t + 8) * t - 4) * a;
  return 0;
}

function axis(size: number, out: number): { first: number; weights: number[] }[] {
  const scale = size / out;
  const filterScale = max(scale, 1);
  const support = 2 * filterScale;
  return Array.from({ length: out }, (_, i) => {
    const center = (i + 0.5) * scale;
    const first = max(trunc(center - support + 0.5), 0);
    const last = min(trunc(center + support + 0.5), size);
    const raw = Array.from({ length: last - first }, (_, k) => cubic((k + first - center + 0.5) / filterScale));
    const sum = raw.reduce((a, b) => a + b, 0);
    return { first, weights: raw.map((w) => trunc((w / sum) * 2 ** 22 + (w < 0 ? -0.5 : 0.5))) };
  });
}

const clip8 = (sum: number): number => min(255, max(0, floor((sum + 2 ** 21) / 2 ** 22)));

/** Image.resize((width, height), BICUBIC) of an 8 bit RGB picture: horizontal pass, rounded to 8 bits, then vertical. */
export function pillowBicubic(image: Rgb, width: number, height: number): Uint8Array {
  const middle = new Uint8Array(width * image.height * 3);
  const columns = axis(image.width, width);
  for (let y = 0; y < image.height; y++) {
    columns.forEach(({ first, weights }, x) => {
      for (let c = 0; c < 3; c++) {
        let sum = 0;
        weights.forEach((w, k) => {
          sum += w * (image.data[(y * image.width + first + k) * 3 + c] ?? Number.NaN);
        });
        middle[(y * width + x) * 3 + c] = clip8(sum);
      }
    });
  }
  const out = new Uint8Array(width * height * 3);
  axis(image.height, height).forEach(({ first, weights }, y) => {
    for (let x = 0; x < width * 3; x++) {
      let sum = 0;
      weights.forEach((w, k) => {
        sum += w * (middle[(first + k) * width * 3 + x] ?? Number.NaN);
      });
      out[y * width * 3 + x] = clip8(sum);
    }
  });
  return out;
}

/** 0 red, 1 green, 2 blue at a pixel of a mosaic. */
export function colourAt(format: PixelFormat, y: number, x: number): 0 | 1 | 2 {
  const order = { BayerRG8: 'RGGB', BayerGR8: 'GRBG', BayerGB8: 'GBRG', BayerBG8: 'BGGR' }[format as 'BayerRG8'];
  return 'RGB'.indexOf(order.charAt((y % 2) * 2 + (x % 2))) as 0 | 1 | 2;
}

/** What a sensor behind a colour mosaic sees of a picture. */
export function mosaic(image: Rgb, format: PixelFormat): RawImage {
  const data = new Uint8Array(image.width * image.height);
  for (let y = 0; y < image.height; y++) {
    for (let x = 0; x < image.width; x++) {
      data[y * image.width + x] = image.data[(y * image.width + x) * 3 + colourAt(format, y, x)] ?? 0;
    }
  }
  return { width: image.width, height: image.height, stride: image.width, pixelFormat: format, data };
}

/** Bilinear demosaic as OpenCV's: means of the nearest pixels of a colour, rounded; the border repeats its inner neighbour. */
export function demosaic(raw: RawImage): Rgb {
  const { width, height, stride, data, pixelFormat } = raw;
  const out = new Uint8Array(width * height * 3);
  for (let y = 0; y < height; y++) {
    for (let x = 0; x < width; x++) {
      const v = min(max(y, 1), height - 2);
      const u = min(max(x, 1), width - 2);
      const sum = [0, 0, 0];
      const n = [0, 0, 0];
      const own = colourAt(pixelFormat, v, u);
      for (let dy = -1; dy <= 1; dy++) {
        for (let dx = -1; dx <= 1; dx++) {
          const colour = colourAt(pixelFormat, v + dy, u + dx);
          if (colour === own && (dy !== 0 || dx !== 0)) continue;
          sum[colour] = (sum[colour] ?? 0) + (data[(v + dy) * stride + u + dx] ?? Number.NaN);
          n[colour] = (n[colour] ?? 0) + 1;
        }
      }
      for (let c = 0; c < 3; c++) out[(y * width + x) * 3 + c] = floor((sum[c] ?? 0) / (n[c] ?? 1) + 0.5);
    }
  }
  return { width, height, data: out };
}

/** Mean and largest absolute difference, in steps of 8 bits. */
export function difference(a: Uint8Array, b: Uint8Array): { mean: number; max: number } {
  if (a.length !== b.length || a.length === 0) throw new Error(`lengths ${a.length} and ${b.length}`);
  let sum = 0;
  let most = 0;
  for (let i = 0; i < a.length; i++) {
    const d = abs((a[i] ?? Number.NaN) - (b[i] ?? Number.NaN));
    sum += d;
    most = max(most, d);
  }
  return { mean: sum / a.length, max: most };
}

/** A deterministic generator of 0..1 (mulberry32). */
export function random(seed: number): () => number {
  let state = seed >>> 0;
  return () => {
    state = (state + 0x6d2b79f5) >>> 0;
    let t = state;
    t = imul(t ^ (t >>> 15), t | 1);
    t ^= t + imul(t ^ (t >>> 7), t | 61);
    return ((t ^ (t >>> 14)) >>> 0) / 2 ** 32;
  };
}

/** Smooth shades, a few discs and sensor noise: what cameras mostly see. */
export function naturalScene(width: number, height: number, seed = 1): Rgb {
  const next = random(seed);
  const waves = Array.from({ length: 24 }, (_, i) => {
    const f = (2 * Math.PI * (1 + i)) / width;
    return { fx: f * (next() * 2 - 1), fy: f * (next() * 2 - 1), phase: next() * 6.28, amp: 60 / (1 + i), tint: [next(), next(), next()] };
  });
  const discs = Array.from({ length: 12 }, () => ({
    x: next() * width,
    y: next() * height,
    r: (0.02 + 0.1 * next()) * width,
    tint: [next() - 0.5, next() - 0.5, next() - 0.5],
  }));
  const data = new Uint8Array(width * height * 3);
  for (let y = 0; y < height; y++) {
    for (let x = 0; x < width; x++) {
      const rgb = [120, 115, 110];
      for (const wave of waves) {
        const s = wave.amp * sin(wave.fx * x + wave.fy * y + wave.phase);
        for (let c = 0; c < 3; c++) rgb[c] = (rgb[c] ?? 0) + s * (0.5 + 0.5 * (wave.tint[c] ?? 0));
      }
      for (const disc of discs) {
        // An edge one pixel and a half wide, as a lens leaves it.
        const inside = 1 / (1 + exp((hypot(x - disc.x, y - disc.y) - disc.r) / 0.6));
        for (let c = 0; c < 3; c++) rgb[c] = (rgb[c] ?? 0) + 90 * inside * (disc.tint[c] ?? 0);
      }
      for (let c = 0; c < 3; c++) {
        data[(y * width + x) * 3 + c] = min(255, max(0, round((rgb[c] ?? 0) + (next() + next() - 1) * 4)));
      }
    }
  }
  return { width, height, data };
}

/** Thin bright lines and pads on a dark green board: the hard case for a colour mosaic. */
export function boardScene(width: number, height: number, seed = 2): Rgb {
  const next = random(seed);
  const data = new Uint8Array(width * height * 3);
  for (let i = 0; i < width * height; i++) data.set([22, 70, 40], i * 3);
  const fill = (x0: number, y0: number, w: number, h: number, rgb: number[]): void => {
    for (let y = max(0, y0); y < min(height, y0 + h); y++) {
      for (let x = max(0, x0); x < min(width, x0 + w); x++) data.set(rgb, (y * width + x) * 3);
    }
  };
  for (let i = 0; i < (width * height) / 3000; i++) {
    const x = floor(next() * width);
    const y = floor(next() * height);
    const long = floor(20 + next() * 200);
    const thin = 2 + floor(next() * 4);
    if (i % 3 === 0) fill(x, y, long, thin, [70, 130, 75]);
    else if (i % 3 === 1) fill(x, y, thin, long, [70, 130, 75]);
    else fill(x, y, 6 + thin * 2, 6 + thin, i % 2 === 0 ? [190, 180, 120] : [205, 205, 205]);
  }
  return { width, height, data };
}

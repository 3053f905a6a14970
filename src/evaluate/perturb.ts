/** Pictures as a worse day would give them: each disturbance of the owner's card, at a stated strength, the same for the same seed. */
import sharp from 'sharp';
import type { RawImage } from '../native';
import { uniform } from './random';

export interface Perturbation {
  name: string;
  /** What is done, with its strength, for people. */
  about: string;
  apply(picture: RawImage, seed: number): Promise<RawImage>;
}

interface Rgb {
  width: number;
  height: number;
  data: Uint8Array; // row major, 3 bytes a pixel
}

/** Grey and RGB pictures as packed RGB; null for raw sensor data, which no disturbance here is made for. */
function rgbOf({ width, height, stride, pixelFormat, data }: RawImage): Rgb | null {
  const grey = pixelFormat === 'Mono8';
  if (!grey && pixelFormat !== 'RGB8') return null;
  const out = new Uint8Array(width * height * 3);
  for (let y = 0, to = 0; y < height; y++)
    for (let x = 0; x < width; x++) for (let c = 0; c < 3; c++) out[to++] = data[y * stride + (grey ? x : x * 3 + c)] ?? 0;
  return { width, height, data: out };
}

const rawOf = ({ width, height, data }: Rgb): RawImage => ({ width, height, stride: width * 3, pixelFormat: 'RGB8', data });
const byte = (value: number): number => Math.min(255, Math.max(0, Math.round(value)));

function pixelwise(change: (data: Uint8Array, random: () => number) => void): Perturbation['apply'] {
  return async (picture, seed) => {
    const rgb = rgbOf(picture);
    if (rgb === null) return picture;
    change(rgb.data, uniform(seed));
    return rawOf(rgb);
  };
}

/** Gaussian by Box and Muller. */
function normal(random: () => number): number {
  return Math.sqrt(-2 * Math.log(1 - random())) * Math.cos(2 * Math.PI * random());
}

const noiseSigma = 10; // grey levels
const flipped = 0.01; // share of pixels
const blurSigma = 0.006; // of the picture's width
const brighter = 1.2;
const darker = 0.8;
const turned = 3; // degrees

function scaleBy(factor: number): Perturbation['apply'] {
  return pixelwise((data) => {
    for (let i = 0; i < data.length; i++) data[i] = byte((data[i] ?? 0) * factor);
  });
}

/** Turned about the middle, bilinear; what comes in from outside is the nearest pixel of the border. */
async function rotate(picture: RawImage): Promise<RawImage> {
  const rgb = rgbOf(picture);
  if (rgb === null) return picture;
  const { width, height, data } = rgb;
  const out = new Uint8Array(data.length);
  const [sin, cos] = [Math.sin((turned * Math.PI) / 180), Math.cos((turned * Math.PI) / 180)];
  const [cx, cy] = [(width - 1) / 2, (height - 1) / 2];
  for (let y = 0, to = 0; y < height; y++)
    for (let x = 0; x < width; x++) {
      const fx = Math.min(width - 1, Math.max(0, cx + cos * (x - cx) + sin * (y - cy)));
      const fy = Math.min(height - 1, Math.max(0, cy - sin * (x - cx) + cos * (y - cy)));
      const [x0, y0] = [Math.floor(fx), Math.floor(fy)];
      const right = x0 < width - 1 ? 3 : 0;
      const below = y0 < height - 1 ? width * 3 : 0;
      const [wx, wy] = [fx - x0, fy - y0];
      const at = (y0 * width + x0) * 3;
      for (let c = 0; c < 3; c++) {
        const top = (data[at + c] ?? 0) * (1 - wx) + (data[at + right + c] ?? 0) * wx;
        const bottom = (data[at + below + c] ?? 0) * (1 - wx) + (data[at + below + right + c] ?? 0) * wx;
        out[to++] = byte(top * (1 - wy) + bottom * wy);
      }
    }
  return rawOf({ width, height, data: out });
}

async function blur(picture: RawImage): Promise<RawImage> {
  const rgb = rgbOf(picture);
  if (rgb === null) return picture;
  const { width, height } = rgb;
  const sigma = Math.max(1, blurSigma * width);
  const data = await sharp(rgb.data, { raw: { width, height, channels: 3 } })
    .blur(sigma)
    .raw()
    .toBuffer();
  return rawOf({ width, height, data });
}

export const perturbations: readonly Perturbation[] = [
  {
    name: 'noise',
    about: `Gaussian noise, standard deviation ${noiseSigma} of 255`,
    apply: pixelwise((data, random) => {
      for (let i = 0; i < data.length; i++) data[i] = byte((data[i] ?? 0) + noiseSigma * normal(random));
    }),
  },
  {
    name: 'salt and pepper',
    about: `${flipped * 100} % of the pixels black or white`,
    apply: pixelwise((data, random) => {
      for (let i = 0; i < data.length; i += 3) {
        const hit = random();
        if (hit < flipped) data.fill(hit < flipped / 2 ? 0 : 255, i, i + 3);
      }
    }),
  },
  { name: 'blur', about: `Gaussian blur, ${blurSigma * 100} % of the width`, apply: blur },
  { name: 'brighter', about: `${Math.round((brighter - 1) * 100)} % more light`, apply: scaleBy(brighter) },
  { name: 'darker', about: `${Math.round((1 - darker) * 100)} % less light`, apply: scaleBy(darker) },
  { name: 'rotation', about: `turned by ${turned} degrees`, apply: rotate },
];

/**
 * One part as the sensor sees it. Pure: the same spec gives the same bytes on every machine, in any order, in any thread.
 * Row by row: the product's layer is read at the part's pose (bilinear), the defect is laid over it, then light, highlight,
 * texture and sensor noise turn it into 8 bits. Bayer output reads one colour per pixel, RGB all three, by the same code:
 * the Bayer frame is exactly the mosaic of the RGB frame.
 */
import type { Truth } from '../../ports';
import { partBit } from './canvas';
import { makeDefect, type Patch, type Site } from './defects';
import { keyOf, mix } from './numbers';
import { type DefectKind, drawsOf, type Light, lightOf, type PartSpec, type Pose, poseOf } from './part';
import { type Product, type ProductSpec, productOf } from './product';

export interface RenderSpec extends PartSpec, ProductSpec {
  /** Absent or null: a good part. */
  defect?: DefectKind | null;
}

/** Standard deviation of the sensor's noise in grey levels: read noise, and shot noise at full scale (in squares). */
const readNoise = 0.9;
const shotNoise = 1.7;
const noiseSize = 1 << 16;

/** Bell-shaped noise of standard deviation 32, shared by all frames, entered at a place that is hashed per row and channel. */
let noiseMemory: Int8Array | null = null;
function noiseBytes(): Int8Array {
  if (noiseMemory !== null) return noiseMemory;
  const bytes = new Int8Array(noiseSize * 2);
  const key = keyOf('sensor noise');
  for (let i = 0; i < noiseSize; i++) {
    const h = mix(key, i);
    // Sum of four bytes: mean 510, standard deviation 147.8.
    const sum = (h & 255) + ((h >>> 8) & 255) + ((h >>> 16) & 255) + (h >>> 24) - 510;
    bytes[i] = Math.max(-127, Math.min(127, Math.round((sum * 32) / 147.8)));
    bytes[i + noiseSize] = bytes[i] as number;
  }
  noiseMemory = bytes;
  return bytes;
}

/** Noise amplitude by grey level, for noise of standard deviation 32. */
const noiseGain = Float32Array.from({ length: 256 }, (_, v) => Math.sqrt(readNoise * readNoise + (shotNoise * shotNoise * v) / 255) / 32);

/** Everything of one part that the rows share. */
interface Scene {
  product: Product;
  pose: Pose;
  light: Light;
  patch: Patch | null;
  noiseKey: number;
  grainX: number;
  grainY: number;
  glossGain: Float32Array; // by surface byte
  grainGain: Float32Array; // by surface byte
  row: Float32Array; // one colour of one row
  surface: Uint8Array; // surface byte of one row
}

/** A point on the part for a defect: hashed places until one lies on it. */
function placeOnPart(spec: RenderSpec, product: Product, pose: Pose): Site {
  const draws = drawsOf(spec, 'place');
  const { width, height } = spec;
  const { layer } = product;
  const wrapped = (at: number, size: number): number => ((Math.floor(at) % size) + size) % size;
  /** Index of the layer's pixel that the sensor sees at (x, y). */
  const seen = (x: number, y: number): number => {
    const lx = wrapped(pose.x + pose.cos * x - pose.sin * y, layer.width);
    return (wrapped(pose.y + pose.sin * x + pose.cos * y, layer.height) * layer.width + lx) * 4;
  };
  let x = width / 2;
  let y = height / 2;
  for (let tries = 0; tries < 200; tries++) {
    x = draws.range(0.08, 0.92) * width;
    y = draws.range(0.1, 0.9) * height;
    if (((layer.rgba[seen(x, y) + 3] as number) & partBit) !== 0) break;
  }
  const sum = [0, 0, 0] as [number, number, number];
  for (let i = 0; i < 49; i++) {
    const at = seen(x + ((i % 7) - 3) * 0.005 * width, y + (Math.floor(i / 7) - 3) * 0.005 * width);
    for (let c = 0; c < 3; c++) sum[c as 0 | 1 | 2] += (layer.rgba[at + c] as number) / 49;
  }
  return { x, y, width, height, base: sum };
}

function sceneOf(spec: RenderSpec): Scene {
  const product = productOf(spec);
  const pose = poseOf(spec, spec.width, spec.height, product.web, product.marginPx);
  let patch: Patch | null = null;
  if (spec.defect != null) {
    patch = makeDefect(spec.defect, drawsOf(spec, `defect/${spec.defect}`), placeOnPart(spec, product, pose));
  }
  const draws = drawsOf(spec, 'texture');
  const glossGain = new Float32Array(256);
  const grainGain = new Float32Array(256);
  for (let s = 0; s < 256; s++) {
    glossGain[s] = (((s >> 3) & 7) / 7) * product.look.gloss;
    grainGain[s] = (((s & 7) / 7) * product.look.grain.amount) / 100;
  }
  return {
    product,
    pose,
    light: lightOf(spec, spec.width, spec.height),
    patch,
    noiseKey: draws.bits(),
    grainX: draws.int(product.grainSize),
    grainY: draws.int(product.grainSize),
    glossGain,
    grainGain,
    row: new Float32Array(spec.width),
    surface: new Uint8Array(spec.width),
  };
}

/** Reads colour `channel` of sensor row y at columns start, start+step ...: 16.16 fixed point, 8 bit bilinear weights, wrapped. */
function readRow(scene: Scene, y: number, channel: number, start: number, step: number): void {
  const { row, surface } = scene;
  const { width: lw, height: lh, rgba } = scene.product.layer;
  const { pose } = scene;
  const wrapX = lw << 16;
  const wrapY = lh << 16;
  const columnX = Math.round(pose.cos * 65536);
  const columnY = Math.round(pose.sin * 65536);
  const dx = columnX * step;
  const dy = columnY * step;
  let fx = (Math.round((pose.x - pose.sin * y) * 65536) + columnX * start) % wrapX;
  let fy = (Math.round((pose.y + pose.cos * y) * 65536) + columnY * start) % wrapY;
  if (fx < 0) fx += wrapX;
  if (fy < 0) fy += wrapY;
  const n = row.length;
  for (let x = start; x < n; x += step) {
    const ix = fx >> 16;
    const iy = fy >> 16;
    const right = ix + 1 === lw ? 0 : ix + 1;
    const below = iy + 1 === lh ? 0 : iy + 1;
    const wx = (fx >> 8) & 255;
    const wy = (fy >> 8) & 255;
    const a = (iy * lw + ix) * 4;
    const b = (iy * lw + right) * 4 + channel;
    const c = (below * lw + ix) * 4 + channel;
    const d = (below * lw + right) * 4 + channel;
    const va = rgba[a + channel] as number;
    const vc = rgba[c] as number;
    const top = (va << 8) + ((rgba[b] as number) - va) * wx;
    const bottom = (vc << 8) + ((rgba[d] as number) - vc) * wx;
    row[x] = ((top << 8) + (bottom - top) * wy) / 65536;
    surface[x] = rgba[a + 3] as number;
    fx += dx;
    if (fx >= wrapX) fx -= wrapX;
    fy += dy;
    if (fy >= wrapY) fy -= wrapY;
    else if (fy < 0) fy += wrapY;
  }
}

/** A pixel that a defect changes by more than this, in grey levels before light and noise, is defective in the mask. */
const visible = 6;

function layDefect(scene: Scene, patch: Patch, y: number, channel: number, mask: Uint8Array | null): void {
  const py = y - patch.y0;
  if (py < 0 || py >= patch.height) return;
  const tint = patch.tint[channel] ?? 0;
  const at = py * patch.width;
  const { row } = scene;
  for (let px = 0; px < patch.width; px++) {
    const x = patch.x0 + px;
    const sound = row[x] as number;
    const value = sound * (patch.gain[at + px] as number) + (patch.lift[at + px] as number) * tint;
    row[x] = value;
    if (mask !== null && Math.abs(value - sound) > visible) mask[y * row.length + x] = 255;
  }
}

/** Light, highlight, texture, noise, 8 bits. */
function exposeRow(scene: Scene, y: number, channel: number, at: number, { out, start, step, pitch }: Target): void {
  const { row, surface, light, glossGain, grainGain, product } = scene;
  const { columns, shineColumns } = light;
  const gain = (light.rows[y] as number) * (light.channels[channel] as number);
  const shine = light.shineRows[y] as number;
  const noise = noiseBytes();
  const noiseAt = mix(scene.noiseKey, y * 3 + channel) & (noiseSize - 1);
  const wrap = product.grainSize - 1;
  const grain = product.grain;
  const grainRow = ((y + scene.grainY) & wrap) * product.grainSize;
  const grainX = scene.grainX;
  for (let x = start; x < row.length; x += step) {
    const s = surface[x] as number;
    const value =
      (row[x] as number) * (columns[x] as number) * gain +
      (glossGain[s] as number) * (shineColumns[x] as number) * shine +
      (grainGain[s] as number) * (grain[grainRow + ((x + grainX) & wrap)] as number);
    const level = value < 0 ? 0 : value > 255 ? 255 : value | 0;
    const noisy = value + (noise[noiseAt + x] as number) * (noiseGain[level] as number) + 0.5;
    out[at + x * pitch] = noisy < 0 ? 0 : noisy > 255 ? 255 : noisy | 0;
  }
}

/** Where a row goes: columns start, start + step ... to out[at + x * pitch]. */
interface Target {
  out: Uint8Array;
  mask: Uint8Array | null;
  start: number;
  step: number;
  pitch: number;
}

function oneRow(scene: Scene, y: number, channel: number, at: number, target: Target): void {
  readRow(scene, y, channel, target.start, target.step);
  if (scene.patch !== null) layDefect(scene, scene.patch, y, channel, target.mask);
  exposeRow(scene, y, channel, at, target);
}

/** Paints the product ahead of its first part. */
export function prepareProduct(spec: ProductSpec): void {
  productOf(spec);
  noiseBytes();
}

/** A BayerRG8 frame (red at 0,0) into `out`, width * height bytes. */
export function renderBayer(spec: RenderSpec, out: Uint8Array): void {
  const scene = sceneOf(spec);
  const even: Target = { out, mask: null, start: 0, step: 2, pitch: 1 };
  const odd: Target = { ...even, start: 1 };
  for (let y = 0; y < spec.height; y++) {
    const red = (y & 1) === 0;
    oneRow(scene, y, red ? 0 : 1, y * spec.width, even);
    oneRow(scene, y, red ? 1 : 2, y * spec.width, odd);
  }
}

/** Truth of a part rendered with `defect`. */
export function truthOf(defect: DefectKind | null | undefined): Truth {
  return { good: defect == null, defect: defect ?? null };
}

/**
 * One part as RGB (row major, 3 bytes a pixel). `mask` (width * height, 255 where the defect shows, else 0) at the same scale;
 * null for a good part. For evaluation, training and benches; usable in any thread.
 */
export function renderPart(spec: RenderSpec): { rgb: Uint8Array; mask: Uint8Array | null; truth: Truth } {
  const scene = sceneOf(spec);
  const { width, height } = spec;
  const rgb = new Uint8Array(width * height * 3);
  const mask = scene.patch === null ? null : new Uint8Array(width * height);
  const target: Target = { out: rgb, mask, start: 0, step: 1, pitch: 3 };
  for (let y = 0; y < height; y++) {
    for (let channel = 0; channel < 3; channel++) oneRow(scene, y, channel, y * width * 3 + channel, target);
  }
  return { rgb, mask, truth: truthOf(spec.defect) };
}

/**
 * A product's own picture, painted once: colour and surface of every point under even light. Shapes are signed distances
 * (negative inside), so that edges are smooth at any resolution and chamfers can be shaded by their slope.
 * Lengths are in frame widths: x 0..1, y 0..aspect, with a margin around for parts that lie a little off.
 */
import { clamp } from './numbers';

export type Rgb = readonly [number, number, number]; // 0..255
/** Signed distance from an outline, in frame widths; negative inside. */
export type Distance = (x: number, y: number) => number;

export interface Box {
  x0: number;
  y0: number;
  x1: number;
  y1: number;
}

/** A surface. `tone` multiplies the colour at a point; `gloss` and `grain` (0..7) say how it takes highlights and part-to-part texture. */
export interface Surface {
  color: Rgb;
  tone?: (x: number, y: number) => number;
  gloss: number;
  grain: number;
  /** False for what lies under or around the part: no defect is put there. */
  part?: boolean;
  /** Slope at the edge: width in frame widths, strength of light and shade; negative for a recess. */
  bevel?: { width: number; strength: number };
  opacity?: number;
}

/** Light comes from the upper left, as on most inspection fixtures drawn by hand. */
const lightX = -0.6;
const lightY = -0.8;

/** Surface bits of the fourth byte: 7 part, 5..3 gloss, 2..0 grain. */
export const partBit = 0x80;

export class Canvas {
  readonly rgba: Uint8ClampedArray;
  /** Frame widths per pixel. */
  readonly pixel: number;

  /** `width` x `height` pixels; `scale` pixels are one frame width; (originX, originY) is the upper left corner in frame widths. */
  constructor(
    readonly width: number,
    readonly height: number,
    readonly scale: number,
    readonly originX: number,
    readonly originY: number,
  ) {
    this.rgba = new Uint8ClampedArray(width * height * 4);
    this.pixel = 1 / scale;
  }

  /** Paints every pixel: `at` gives r, g, b into `out` (0..255). */
  cover(surface: Omit<Surface, 'bevel' | 'opacity'>, at?: (x: number, y: number, out: Float64Array) => void): void {
    const out = new Float64Array(3);
    const [r, g, b] = surface.color;
    const bits = surfaceBits(surface);
    const { rgba, width, height, pixel } = this;
    for (let py = 0, i = 0; py < height; py++) {
      const y = this.originY + (py + 0.5) * pixel;
      for (let px = 0; px < width; px++, i += 4) {
        const x = this.originX + (px + 0.5) * pixel;
        if (at !== undefined) {
          at(x, y, out);
          rgba[i] = out[0] as number;
          rgba[i + 1] = out[1] as number;
          rgba[i + 2] = out[2] as number;
        } else {
          const tone = surface.tone === undefined ? 1 : surface.tone(x, y);
          rgba[i] = r * tone;
          rgba[i + 1] = g * tone;
          rgba[i + 2] = b * tone;
        }
        rgba[i + 3] = bits;
      }
    }
  }

  /** Paints the inside of `distance` within `box`. */
  fill(distance: Distance, box: Box, surface: Surface): void {
    const { rgba, width, pixel } = this;
    const [r, g, b] = surface.color;
    const bits = surfaceBits(surface);
    const opacity = surface.opacity ?? 1;
    const bevel = surface.bevel;
    const { left, right, top, bottom } = this.pixels(box, pixel);
    for (let py = top; py < bottom; py++) {
      const y = this.originY + (py + 0.5) * pixel;
      for (let px = left; px < right; px++) {
        const x = this.originX + (px + 0.5) * pixel;
        const d = distance(x, y);
        if (d >= 0.5 * pixel) continue;
        const cover = clamp(0.5 - d / pixel, 0, 1) * opacity;
        let tone = surface.tone === undefined ? 1 : surface.tone(x, y);
        if (bevel !== undefined && d > -bevel.width) {
          const gx = (distance(x + pixel, y) - d) / pixel;
          const gy = (distance(x, y + pixel) - d) / pixel;
          const t = 1 + d / bevel.width; // 1 at the edge, 0 at the foot of the slope
          tone += (gx * lightX + gy * lightY) * bevel.strength * t * (2 - t);
        }
        const i = (py * width + px) * 4;
        const old = 1 - cover;
        rgba[i] = (rgba[i] as number) * old + r * tone * cover;
        rgba[i + 1] = (rgba[i + 1] as number) * old + g * tone * cover;
        rgba[i + 2] = (rgba[i + 2] as number) * old + b * tone * cover;
        if (cover >= 0.5) rgba[i + 3] = bits;
      }
    }
  }

  /** Darkens around and under `distance`, shifted away from the light: contact shadow of height `reach`. */
  shadow(distance: Distance, box: Box, reach: number, strength: number): void {
    const { rgba, width, pixel } = this;
    const { left, right, top, bottom } = this.pixels(box, reach * 3);
    for (let py = top; py < bottom; py++) {
      const y = this.originY + (py + 0.5) * pixel - lightY * -reach;
      for (let px = left; px < right; px++) {
        const x = this.originX + (px + 0.5) * pixel - lightX * -reach;
        const d = distance(x, y);
        if (d >= reach) continue;
        const t = clamp((reach - d) / (2 * reach), 0, 1);
        const keep = 1 - strength * t * t * (3 - 2 * t);
        const i = (py * width + px) * 4;
        rgba[i] = (rgba[i] as number) * keep;
        rgba[i + 1] = (rgba[i + 1] as number) * keep;
        rgba[i + 2] = (rgba[i + 2] as number) * keep;
      }
    }
  }

  private pixels(box: Box, extra: number): { left: number; right: number; top: number; bottom: number } {
    const { scale } = this;
    return {
      left: clamp(Math.floor((box.x0 - extra - this.originX) * scale), 0, this.width),
      right: clamp(Math.ceil((box.x1 + extra - this.originX) * scale), 0, this.width),
      top: clamp(Math.floor((box.y0 - extra - this.originY) * scale), 0, this.height),
      bottom: clamp(Math.ceil((box.y1 + extra - this.originY) * scale), 0, this.height),
    };
  }

  /** The same picture at 1/n of the resolution: mean of colours, surface of the middle pixel. */
  reduced(n: number): Canvas {
    if (n === 1) return this;
    const small = new Canvas(Math.floor(this.width / n), Math.floor(this.height / n), this.scale / n, this.originX, this.originY);
    const middle = n >> 1;
    for (let y = 0; y < small.height; y++) {
      for (let x = 0; x < small.width; x++) {
        const to = (y * small.width + x) * 4;
        for (let c = 0; c < 3; c++) {
          let sum = 0;
          for (let sy = 0; sy < n; sy++) {
            const row = ((y * n + sy) * this.width + x * n) * 4 + c;
            for (let sx = 0; sx < n; sx++) sum += this.rgba[row + sx * 4] as number;
          }
          small.rgba[to + c] = sum / (n * n);
        }
        small.rgba[to + 3] = this.rgba[((y * n + middle) * this.width + x * n + middle) * 4 + 3] as number;
      }
    }
    return small;
  }
}

function surfaceBits(surface: Surface): number {
  return (surface.part === false ? 0 : partBit) | (surface.gloss << 3) | surface.grain;
}

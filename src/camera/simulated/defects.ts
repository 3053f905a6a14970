/**
 * Defects, drawn into a patch of the sensor image: value' = value * gain + lift * tint. Sizes are in frame widths, from barely
 * visible at the model's resolution to plain.
 */
import type { Rgb } from './canvas';
import { noiseTile, sample } from './noise';
import { bell, clamp, cosTurn, type Draws, sinTurn, smooth } from './numbers';
import type { DefectKind } from './part';

export interface Patch {
  x0: number; // px in the sensor image
  y0: number;
  width: number;
  height: number;
  gain: Float32Array;
  lift: Float32Array; // 0..1, of the tint
  tint: Rgb;
}

/** Where a defect is put. */
export interface Site {
  x: number; // px in the sensor image
  y: number;
  width: number; // px of the frame
  height: number;
  /** Mean colour of the surface there: what a defect must stand out from. */
  base: Rgb;
}

function luma(color: Rgb): number {
  return 0.299 * color[0] + 0.587 * color[1] + 0.114 * color[2];
}

interface Knot {
  x: number; // px in the sensor image
  y: number;
  half: number; // px, half width of the line there
}

/** Room for a patch around points, cut to the frame. */
function patchAround(points: readonly Knot[], reach: number, width: number, height: number, tint: Rgb): Patch {
  let x0 = width;
  let y0 = height;
  let x1 = 0;
  let y1 = 0;
  for (const { x, y, half } of points) {
    x0 = Math.min(x0, x - half - reach);
    y0 = Math.min(y0, y - half - reach);
    x1 = Math.max(x1, x + half + reach);
    y1 = Math.max(y1, y + half + reach);
  }
  x0 = clamp(Math.floor(x0), 0, width - 1);
  y0 = clamp(Math.floor(y0), 0, height - 1);
  const w = clamp(Math.ceil(x1), x0 + 1, width) - x0;
  const h = clamp(Math.ceil(y1), y0 + 1, height) - y0;
  const patch = {
    x0,
    y0,
    width: w,
    height: h,
    gain: new Float32Array(w * h),
    lift: new Float32Array(w * h),
    tint,
  };
  patch.gain.fill(1);
  return patch;
}

/** Coverage 0..1 of a line through `knots` at every pixel of the patch, shifted by (dx, dy) and widened by `grow` px. */
function lineCover(patch: Patch, knots: readonly Knot[], grow: number, dx: number, dy: number): Float32Array {
  const cover = new Float32Array(patch.width * patch.height);
  for (let k = 0; k + 1 < knots.length; k++) {
    const a = knots[k] as Knot;
    const b = knots[k + 1] as Knot;
    const ax = a.x + dx - patch.x0;
    const ay = a.y + dy - patch.y0;
    const vx = b.x - a.x;
    const vy = b.y - a.y;
    const square = vx * vx + vy * vy || 1;
    const reach = Math.max(a.half, b.half) + grow + 1;
    const left = clamp(Math.floor(Math.min(ax, ax + vx) - reach), 0, patch.width);
    const right = clamp(Math.ceil(Math.max(ax, ax + vx) + reach), 0, patch.width);
    const top = clamp(Math.floor(Math.min(ay, ay + vy) - reach), 0, patch.height);
    const bottom = clamp(Math.ceil(Math.max(ay, ay + vy) + reach), 0, patch.height);
    for (let y = top; y < bottom; y++) {
      for (let x = left; x < right; x++) {
        const px = x + 0.5 - ax;
        const py = y + 0.5 - ay;
        const t = clamp((px * vx + py * vy) / square, 0, 1);
        const ex = px - vx * t;
        const ey = py - vy * t;
        const half = a.half + (b.half - a.half) * t + grow;
        // Thinner than a pixel: fainter, as a sensor sees it.
        const faint = half < 0.5 ? half * 2 : 1;
        const c = clamp(Math.max(half, 0.5) + 0.5 - Math.sqrt(ex * ex + ey * ey), 0, 1) * faint;
        const i = y * patch.width + x;
        if (c > (cover[i] as number)) cover[i] = c;
      }
    }
  }
  return cover;
}

/** A curved line of `length` px from (x, y): heading in turns, `bend` turns over its length, `wobble` px sideways. */
function curve(
  draws: Draws,
  x: number,
  y: number,
  heading: number,
  length: number,
  bend: number,
  wobble: number,
  half: number,
  taper: boolean,
): Knot[] {
  const steps = 28;
  const knots: Knot[] = [];
  let px = x;
  let py = y;
  for (let i = 0; i <= steps; i++) {
    const t = i / steps;
    const ends = taper ? Math.sqrt(clamp(Math.min(t, 1 - t) * 6, 0.05, 1)) : 1;
    knots.push({ x: px, y: py, half: half * ends * (0.75 + 0.5 * draws.unit()) });
    const turn = heading + bend * (t - 0.5);
    const side = wobble * (draws.unit() - 0.5);
    px += cosTurn(turn) * (length / steps) - sinTurn(turn) * side;
    py += sinTurn(turn) * (length / steps) + cosTurn(turn) * side;
  }
  // Centred on (x, y).
  const middle = knots[steps / 2] as Knot;
  const mx = middle.x - x;
  const my = middle.y - y;
  return knots.map((k) => ({ x: k.x - mx, y: k.y - my, half: k.half }));
}

/** How plain a defect is, 0.45 (hard) to 1. */
function plainness(draws: Draws): number {
  return 0.45 + 0.55 * draws.unit();
}

function scratch(draws: Draws, { x, y, width, height, base }: Site): Patch {
  const plain = plainness(draws);
  const length = draws.range(0.07, 0.26) * width;
  const half = draws.range(0.0008, 0.0019) * width;
  const heading = draws.unit();
  const many = draws.chance(0.3) ? 2 + draws.int(2) : 1;
  const lines = Array.from({ length: many }, (_, i) =>
    curve(
      draws,
      x + i * draws.range(2, 5) * half,
      y + i * draws.range(2, 6) * half,
      heading + i * 0.004,
      length,
      draws.range(-0.06, 0.06),
      half * 0.6,
      half,
      true,
    ),
  );
  const patch = patchAround(lines.flat(), half * 3 + 2, width, height, luma(base) > 150 ? [84, 84, 88] : [232, 232, 228]);
  // A bright burr on a groove whose far side lies in shade.
  for (const line of lines) {
    const groove = lineCover(patch, line, half * 0.5, half * 0.9, half * 1.1);
    const burr = lineCover(patch, line, 0, 0, 0);
    for (let i = 0; i < burr.length; i++) {
      const bright = burr[i] as number;
      const dark = (groove[i] as number) * (1 - bright);
      patch.gain[i] = (patch.gain[i] as number) * (1 - 0.45 * plain * dark - 0.4 * plain * bright);
      patch.lift[i] = Math.max(patch.lift[i] as number, 0.55 * plain * bright);
    }
  }
  return patch;
}

function crack(draws: Draws, { x, y, width, height, base }: Site): Patch {
  const plain = plainness(draws);
  const length = draws.range(0.07, 0.2) * width;
  const half = draws.range(0.0009, 0.0024) * width;
  const lines: Knot[][] = [];
  const grow = (fromX: number, fromY: number, heading: number, long: number, thick: number, depth: number): void => {
    const steps = Math.max(4, Math.round(long / (0.007 * width)));
    const knots: Knot[] = [];
    let px = fromX;
    let py = fromY;
    let towards = heading;
    for (let i = 0; i <= steps; i++) {
      const t = i / steps;
      knots.push({ x: px, y: py, half: thick * (1 - 0.85 * t) * draws.range(0.6, 1.2) });
      towards += draws.range(-0.09, 0.09) + (heading - towards) * 0.3;
      const step = (long / steps) * draws.range(0.6, 1.4);
      px += cosTurn(towards) * step;
      py += sinTurn(towards) * step;
      if (depth < 2 && draws.chance(0.1)) {
        grow(px, py, towards + (draws.chance(0.5) ? 0.11 : -0.11), long * (1 - t) * 0.5, thick * (1 - 0.7 * t) * 0.7, depth + 1);
      }
    }
    lines.push(knots);
  };
  const heading = draws.unit();
  grow(x, y, heading, length * 0.55, half, 0);
  grow(x, y, heading + 0.5, length * 0.45, half, 0);
  // A dark material shows a crack by its broken edges, which catch the light; any other by its dark gap.
  const pale = luma(base) < 75;
  const patch = patchAround(lines.flat(), half * 2 + 2, width, height, [206, 204, 198]);
  for (const line of lines) {
    const open = lineCover(patch, line, 0, 0, 0);
    const lip = lineCover(patch, line, 0.2 * half, half, half);
    for (let i = 0; i < open.length; i++) {
      const o = open[i] as number;
      const l = (lip[i] as number) * (1 - o);
      if (pale) patch.lift[i] = Math.max(patch.lift[i] as number, (0.1 + 0.32 * plain) * o);
      else patch.gain[i] = (patch.gain[i] as number) * (1 - (0.25 + 0.6 * plain) * o) * (1 + 0.14 * plain * l);
    }
  }
  return patch;
}

const soils: readonly [Rgb, ...Rgb[]] = [
  [40, 34, 26], // oil
  [92, 70, 44], // rust
  [206, 202, 190], // dust, chips
  [20, 20, 22], // soot
  [150, 140, 60], // grease
];

function contamination(draws: Draws, { x, y, width, height, base }: Site): Patch {
  const plain = plainness(draws);
  // Soil of the surface's own shade is no finding: the first of a few that stands out.
  let tint = draws.pick(soils);
  for (let tries = 0; tries < 8 && Math.abs(luma(tint) - luma(base)) < 55; tries++) tint = draws.pick(soils);
  if (draws.chance(0.25)) {
    // A fibre or hair.
    const half = draws.range(0.0008, 0.0014) * width;
    const line = curve(draws, x, y, draws.unit(), draws.range(0.06, 0.13) * width, draws.range(-0.7, 0.7), half, half, true);
    const patch = patchAround(line, half * 4 + 2, width, height, tint);
    const cover = lineCover(patch, line, 0, 0, 0);
    const shade = lineCover(patch, line, half * 0.4, half * 1.4, half * 1.8);
    for (let i = 0; i < cover.length; i++) {
      const c = (cover[i] as number) * (0.55 + 0.4 * plain);
      patch.gain[i] = (1 - c) * (1 - 0.25 * (shade[i] as number));
      patch.lift[i] = c;
    }
    return patch;
  }
  const radius = draws.range(0.008, 0.024) * width;
  const spots: Knot[] = [{ x, y, half: radius }];
  for (let i = draws.int(7); i > 0; i--) {
    const away = radius * draws.range(1, 2.4);
    const turn = draws.unit();
    spots.push({ x: x + away * cosTurn(turn), y: y + away * sinTurn(turn), half: radius * draws.range(0.06, 0.3) });
  }
  const patch = patchAround(spots, radius * 0.6 + 2, width, height, tint);
  const rough = noiseTile(256, 6, 6, 4, draws.bits());
  const opacity = 0.3 + 0.55 * plain;
  const wet = draws.chance(0.5); // a film with a darker seam, or dry and grainy
  for (let py = 0, i = 0; py < patch.height; py++) {
    for (let px = 0; px < patch.width; px++, i++) {
      const gx = px + 0.5 + patch.x0;
      const gy = py + 0.5 + patch.y0;
      let inside = 0;
      for (const spot of spots) {
        const dx = (gx - spot.x) / spot.half;
        const dy = (gy - spot.y) / spot.half;
        const d = Math.sqrt(dx * dx + dy * dy) + 0.42 * sample(rough, gx / (radius * 5), gy / (radius * 5));
        const soft = Math.max(wet ? 0.12 : 0.3, 1 / spot.half);
        inside = Math.max(inside, smooth(1, 1 - soft, d) * (wet ? 0.72 + 0.28 * smooth(0.5, 0.95, d) : 1));
      }
      const grain = wet ? 1 : 0.75 + 0.25 * sample(rough, gx / (radius * 1.3), gy / (radius * 1.3));
      const c = inside * opacity * grain;
      patch.gain[i] = 1 - c;
      patch.lift[i] = c * 0.92;
    }
  }
  return patch;
}

/** A dent: light and shade across a hollow, with a brighter lip; no colour of its own. */
function dent(draws: Draws, { x, y, width, height, base }: Site): Patch {
  const plain = plainness(draws);
  const radius = draws.range(0.016, 0.04) * width;
  const long = draws.range(1, 1.6);
  const turn = draws.unit();
  const patch = patchAround([{ x, y, half: radius * long }], radius * 0.4, width, height, [255, 255, 255]);
  // A dark surface shows a dent by what it mirrors, a light one by its shade.
  const mirror = 0.08 + 0.3 * smooth(110, 40, luma(base));
  const c = cosTurn(turn);
  const s = sinTurn(turn);
  for (let py = 0, i = 0; py < patch.height; py++) {
    for (let px = 0; px < patch.width; px++, i++) {
      const dx = px + 0.5 + patch.x0 - x;
      const dy = py + 0.5 + patch.y0 - y;
      const u = (c * dx + s * dy) / (radius * long);
      const v = (c * dy - s * dx) / radius;
      const d = u * u + v * v;
      const deep = bell(d * 0.9);
      // Slope of the hollow against light from the upper left.
      const slope = ((0.6 * dx + 0.8 * dy) / radius) * deep * 1.9;
      const lip = bell((Math.sqrt(d) - 0.95) * (Math.sqrt(d) - 0.95) * 16);
      const shade = plain * (0.55 * slope - 0.1 * deep + 0.1 * lip);
      patch.gain[i] = 1 + clamp(shade, -0.6, 0.8);
      patch.lift[i] = Math.max(0, mirror * plain * slope);
    }
  }
  return patch;
}

const makers: Record<DefectKind, (draws: Draws, site: Site) => Patch> = {
  scratch,
  contamination,
  crack,
  dent,
};

/** Draws one defect of `kind` at `site`. */
export function makeDefect(kind: DefectKind, draws: Draws, site: Site): Patch {
  return makers[kind](draws, site);
}

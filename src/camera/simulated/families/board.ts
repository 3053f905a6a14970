import type { Canvas, Rgb, Surface } from '../canvas';
import { type Family, grainTone, ground } from '../family';
import type { Draws } from '../numbers';
import { circle, draw, ring, rounded, stroke, write } from '../shapes';

const masks: readonly [Rgb, ...Rgb[]] = [
  [22, 84, 44],
  [18, 66, 52],
  [24, 50, 98],
  [120, 26, 30],
  [30, 32, 34],
];
const gold: Surface = { color: [196, 164, 92], gloss: 6, grain: 1 };
const tin: Surface = { color: [176, 178, 180], gloss: 7, grain: 2 };
const plastic: Surface = { color: [38, 38, 41], gloss: 2, grain: 2 };
const ink: Surface = { color: [214, 214, 206], gloss: 1, grain: 1, opacity: 0.92 };

/** Rectangles already taken, so that parts do not stand on each other. */
class Room {
  private readonly taken: [number, number, number, number][] = [];
  take(cx: number, cy: number, hw: number, hh: number): boolean {
    if (this.taken.some(([x, y, w, h]) => Math.abs(x - cx) < w + hw && Math.abs(y - cy) < h + hh)) return false;
    this.taken.push([cx, cy, hw, hh]);
    return true;
  }
}

function pins(canvas: Canvas, cx: number, cy: number, half: number, reach: number, n: number, upright: boolean, s: number): void {
  const pitch = (half * 1.8) / n;
  for (let i = 0; i < n; i++) {
    const at = (i - (n - 1) / 2) * pitch;
    for (const side of [-1, 1]) {
      const x = upright ? cx + at : cx + side * reach;
      const y = upright ? cy + side * reach : cy + at;
      const long = 0.0048 * s;
      const thin = pitch * 0.28;
      draw(canvas, rounded(x, y, upright ? thin * 1.3 : long * 1.2, upright ? long * 1.2 : thin * 1.3, thin * 0.3), gold);
      draw(canvas, rounded(x, y, upright ? thin : long, upright ? long : thin, thin * 0.3), {
        ...tin,
        bevel: { width: thin, strength: 0.35 },
      });
    }
  }
}

function chip(canvas: Canvas, draws: Draws, cx: number, cy: number, hw: number, hh: number, s: number): void {
  const quad = hw < hh * 1.4;
  pins(canvas, cx, cy, hw, hh + 0.004 * s, Math.round((hw / s) * 150), true, s);
  if (quad) pins(canvas, cx, cy, hh, hw + 0.004 * s, Math.round((hh / s) * 150), false, s);
  const body = rounded(cx, cy, hw, hh, 0.002 * s);
  canvas.shadow(body.distance, body.box, 0.004 * s, 0.5);
  draw(canvas, body, { ...plastic, bevel: { width: 0.004 * s, strength: 0.5 } });
  draw(canvas, circle(cx - hw * 0.74, cy + hh * 0.66, 0.0034 * s), { color: [24, 24, 26], gloss: 1, grain: 1 });
  const size = Math.min(hh * 0.3, hw * 0.22);
  for (let line = 0; line < 2; line++) {
    const text = `${draws.pick(['LM', 'AT', 'PX', 'ST', 'MC'])}${100 + draws.int(900)}${draws.pick(['A', 'B', 'C', 'K'])}`;
    write(canvas, text.slice(0, 5), cx - hw * 0.7, cy - hh * 0.6 + line * size * 1.7, size, size * 0.16, {
      color: [132, 132, 130],
      gloss: 1,
      grain: 1,
    });
  }
}

function small(canvas: Canvas, draws: Draws, cx: number, cy: number, upright: boolean, s: number): void {
  const long = 0.0105 * s;
  const thin = 0.0055 * s;
  const [hw, hh] = upright ? [thin, long] : [long, thin];
  for (const side of [-1, 1]) {
    const x = upright ? cx : cx + side * long * 0.78;
    const y = upright ? cy + side * long * 0.78 : cy;
    draw(canvas, rounded(x, y, thin * 1.05, thin * 1.05, 0.001 * s), { ...tin, bevel: { width: thin * 0.7, strength: 0.35 } });
  }
  const resistor = draws.chance(0.5);
  const color: Rgb = resistor ? [30, 30, 33] : [150, 112, 76];
  draw(canvas, rounded(cx, cy, upright ? hw * 0.9 : hw * 0.62, upright ? hh * 0.62 : hh * 0.9, 0.0008 * s), {
    color,
    gloss: 3,
    grain: 2,
    bevel: { width: 0.0015 * s, strength: 0.3 },
  });
}

function trace(canvas: Canvas, draws: Draws, aspect: number, s: number, copper: Surface): void {
  let x = draws.range(0.1, 0.9);
  let y = aspect * draws.range(0.12, 0.88);
  const width = draws.range(0.0018, 0.0032) * s;
  let heading = draws.int(8);
  const steps: readonly [number, number][] = [
    [1, 0],
    [0.7, 0.7],
    [0, 1],
    [-0.7, 0.7],
    [-1, 0],
    [-0.7, -0.7],
    [0, -1],
    [0.7, -0.7],
  ];
  for (let leg = 0; leg < 3 + draws.int(4); leg++) {
    const [dx, dy] = steps[heading] ?? [1, 0];
    const length = draws.range(0.02, 0.13);
    const nx = x + dx * length;
    const ny = y + dy * length;
    if (nx < 0.08 || nx > 0.92 || ny < aspect * 0.1 || ny > aspect * 0.9) break;
    draw(canvas, stroke(x, y, nx, ny, width), copper);
    x = nx;
    y = ny;
    heading = (heading + (draws.chance(0.5) ? 1 : 7)) % 8;
  }
  draw(canvas, ring(x, y, 0.0038 * s, 0.003 * s), gold);
  draw(canvas, circle(x, y, 0.0024 * s), { color: [20, 22, 20], gloss: 0, grain: 0 });
}

/** A printed board: solder mask over copper, vias, chips, small parts, a connector, white legend. */
export const board: Family = {
  web: false,
  paint(canvas, draws, aspect, key) {
    ground(canvas, key, draws.range(52, 70));
    const s = Math.min(1, aspect * 1.9);
    const mask = draws.pick(masks);
    const outline = rounded(0.5, aspect / 2, 0.455, aspect * 0.435, 0.012 * s);
    canvas.shadow(outline.distance, outline.box, 0.007 * s, 0.55);
    const weave = grainTone(key + 3, 3, 3, 96, 96, 0.05, 2);
    const cloud = grainTone(key + 4, 1, 1, 3, 3, 0.06, 4);
    const tone = (x: number, y: number): number => weave(x, y) * cloud(x, y);
    draw(canvas, outline, { color: mask, tone, gloss: 4, grain: 2, bevel: { width: 0.0025 * s, strength: 0.5 } });
    const copper: Surface = { color: [mask[0] * 1.28 + 12, mask[1] * 1.28 + 12, mask[2] * 1.28 + 8], tone, gloss: 5, grain: 2 };
    for (let i = 0; i < 3; i++) {
      const pour = rounded(
        draws.range(0.2, 0.8),
        aspect * draws.range(0.25, 0.75),
        draws.range(0.05, 0.14),
        aspect * draws.range(0.06, 0.16),
        0.006 * s,
      );
      draw(canvas, pour, copper);
    }
    for (let i = 0; i < 42; i++) trace(canvas, draws, aspect, s, copper);

    const room = new Room();
    for (const sx of [-1, 1]) {
      for (const sy of [-1, 1]) {
        const x = 0.5 + sx * 0.43;
        const y = aspect / 2 + sy * (aspect * 0.435 - 0.025);
        room.take(x, y, 0.022 * s, 0.022 * s);
        draw(canvas, ring(x, y, 0.0125 * s, 0.009 * s), gold);
        draw(canvas, circle(x, y, 0.0085 * s), { color: [22, 22, 24], gloss: 0, grain: 0, part: false });
      }
    }
    const rowY = aspect * (draws.chance(0.5) ? 0.13 : 0.87);
    const row = 10 + draws.int(12);
    if (room.take(0.5, rowY, row * 0.0095 * s, 0.016 * s)) {
      for (let i = 0; i < row; i++) {
        const x = 0.5 + (i - (row - 1) / 2) * 0.0175 * s;
        draw(canvas, i === 0 ? rounded(x, rowY, 0.0062 * s, 0.0062 * s, 0.001 * s) : circle(x, rowY, 0.0064 * s), gold);
        draw(canvas, circle(x, rowY, 0.0034 * s), { ...tin, bevel: { width: 0.002 * s, strength: 0.4 } });
      }
      draw(canvas, ring(0.5 - (row / 2 + 0.6) * 0.0175 * s, rowY, 0.003 * s, 0.0016 * s), ink);
    }
    const chips = 2 + draws.int(3);
    for (let i = 0, tries = 0; i < chips && tries < 60; tries++) {
      const hw = draws.range(0.03, 0.062) * s;
      const hh = draws.chance(0.5) ? hw : hw * draws.range(0.45, 0.6);
      const cx = draws.range(0.16, 0.84);
      const cy = aspect * draws.range(0.24, 0.76);
      if (Math.abs(cy - aspect / 2) + hh > aspect * 0.37 || !room.take(cx, cy, hw + 0.018 * s, hh + 0.018 * s)) continue;
      chip(canvas, draws, cx, cy, hw, hh, s);
      write(canvas, `U${++i}`, cx - hw, cy - hh - 0.024 * s, 0.011 * s, 0.0018 * s, ink);
    }
    for (let i = 0, tries = 0; i < 2 && tries < 30; tries++) {
      const r = draws.range(0.016, 0.024) * s;
      const cx = draws.range(0.14, 0.86);
      const cy = aspect * draws.range(0.25, 0.75);
      if (!room.take(cx, cy, r * 1.3, r * 1.3)) continue;
      i++;
      const can = circle(cx, cy, r);
      canvas.shadow(can.distance, can.box, 0.008 * s, 0.6);
      draw(canvas, can, { color: [168, 170, 174], gloss: 6, grain: 2, bevel: { width: r * 0.3, strength: 0.4 } });
      draw(
        canvas,
        { distance: (x, y) => Math.max(can.distance(x, y), cx + r * 0.45 - x), box: can.box },
        { color: [34, 34, 38], gloss: 3, grain: 1 },
      );
    }
    const many = 34 + draws.int(26);
    for (let i = 0, tries = 0; i < many && tries < 400; tries++) {
      const cx = 0.085 + 0.83 * (Math.round(draws.unit() * 44) / 44);
      const cy = aspect * (0.12 + 0.76 * (Math.round(draws.unit() * 22) / 22));
      const upright = draws.chance(0.4);
      if (!room.take(cx, cy, (upright ? 0.009 : 0.016) * s, (upright ? 0.016 : 0.009) * s)) continue;
      small(canvas, draws, cx, cy, upright, s);
      if (i++ % 4 === 0)
        write(
          canvas,
          `${draws.pick(['R', 'C'])}${1 + draws.int(60)}`,
          cx - 0.008 * s,
          cy + (upright ? 0.014 : 0.009) * s,
          0.0075 * s,
          0.0012 * s,
          ink,
        );
    }
    return { grain: { x: 160, y: 160, octaves: 3, amount: 8 }, gloss: 30 };
  },
};

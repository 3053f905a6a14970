/** Signed distances of the shapes parts are made of, with the box each lies in. Lengths in frame widths. */
import type { Box, Canvas, Distance, Surface } from './canvas';
import { cosTurn, sinTurn } from './numbers';

export interface Shape {
  distance: Distance;
  box: Box;
}

export function circle(cx: number, cy: number, r: number): Shape {
  return {
    distance: (x, y) => Math.sqrt((x - cx) * (x - cx) + (y - cy) * (y - cy)) - r,
    box: { x0: cx - r, y0: cy - r, x1: cx + r, y1: cy + r },
  };
}

export function ring(cx: number, cy: number, r: number, width: number): Shape {
  const half = width / 2;
  return {
    distance: (x, y) => Math.abs(Math.sqrt((x - cx) * (x - cx) + (y - cy) * (y - cy)) - r) - half,
    box: { x0: cx - r - half, y0: cy - r - half, x1: cx + r + half, y1: cy + r + half },
  };
}

/** Rectangle of half sizes `hw`, `hh` with corners rounded by `r`. */
export function rounded(cx: number, cy: number, hw: number, hh: number, r: number): Shape {
  return {
    distance: (x, y) => {
      const dx = Math.abs(x - cx) - hw + r;
      const dy = Math.abs(y - cy) - hh + r;
      if (dx > 0 && dy > 0) return Math.sqrt(dx * dx + dy * dy) - r;
      return (dx > dy ? dx : dy) - r;
    },
    box: { x0: cx - hw, y0: cy - hh, x1: cx + hw, y1: cy + hh },
  };
}

/** A stroke from a to b with round ends. */
export function stroke(ax: number, ay: number, bx: number, by: number, width: number): Shape {
  const half = width / 2;
  const vx = bx - ax;
  const vy = by - ay;
  const square = vx * vx + vy * vy || 1;
  return {
    distance: (x, y) => {
      let t = ((x - ax) * vx + (y - ay) * vy) / square;
      t = t < 0 ? 0 : t > 1 ? 1 : t;
      const dx = x - ax - vx * t;
      const dy = y - ay - vy * t;
      return Math.sqrt(dx * dx + dy * dy) - half;
    },
    box: { x0: Math.min(ax, bx) - half, y0: Math.min(ay, by) - half, x1: Math.max(ax, bx) + half, y1: Math.max(ay, by) + half },
  };
}

/** The border of a shape: a band of `width` inside its edge. */
export function rim(of: Shape, width: number): Shape {
  return { distance: (x, y) => Math.abs(of.distance(x, y) + width / 2) - width / 2, box: of.box };
}

export function grown(of: Shape, by: number): Shape {
  const { x0, y0, x1, y1 } = of.box;
  return { distance: (x, y) => of.distance(x, y) - by, box: { x0: x0 - by, y0: y0 - by, x1: x1 + by, y1: y1 + by } };
}

export function without(a: Shape, b: Shape): Shape {
  return { distance: (x, y) => Math.max(a.distance(x, y), -b.distance(x, y)), box: a.box };
}

export function draw(canvas: Canvas, shape: Shape, surface: Surface): void {
  canvas.fill(shape.distance, shape.box, surface);
}

/** n points on a circle, the first at `turn`. */
export function around(cx: number, cy: number, r: number, n: number, turn: number): [number, number][] {
  return Array.from({ length: n }, (_, i) => [cx + r * cosTurn(turn + i / n), cy + r * sinTurn(turn + i / n)]);
}

/** Strokes of letters and digits on a grid of 4 x 6: points as two digits (column, row), a space lifts the pen. */
const glyphs: Record<string, string> = {
  '0': '0040460600 0046',
  '1': '102026 0646',
  '2': '004043030646',
  '3': '00404606 0343',
  '4': '000343 4046',
  '5': '400003434606',
  '6': '4000064643 4303',
  '7': '004016',
  '8': '0040460600 0343',
  '9': '4303004046',
  A: '06204643 1333',
  B: '0006364533 0333302000',
  C: '40000646',
  D: '00063645413000',
  E: '40000646 0333',
  F: '400006 0333',
  H: '0006 4046 0343',
  K: '0006 400346',
  L: '000646',
  M: '0600234046',
  N: '06004640',
  O: '0040460600',
  P: '0600404303',
  R: '0600404303 2346',
  S: '400003434606',
  T: '0040 2026',
  U: '00064640',
  V: '002640',
  X: '0046 4006',
  Z: '00400646',
  '-': '0343',
};

/** Writes `text` with its upper left corner at (x, y); `size` is the height of a letter. */
export function write(canvas: Canvas, text: string, x: number, y: number, size: number, weight: number, surface: Surface): void {
  const unit = size / 6;
  for (let i = 0; i < text.length; i++) {
    const left = x + i * unit * 6;
    for (const line of (glyphs[text[i] ?? ''] ?? '').split(' ')) {
      for (let p = 0; p + 3 < line.length; p += 2) {
        const [ax, ay, bx, by] = [...line.slice(p, p + 4)].map(Number) as [number, number, number, number];
        draw(canvas, stroke(left + ax * unit, y + ay * unit, left + bx * unit, y + by * unit, weight), surface);
      }
    }
  }
}

/** Width of `text` as `write` sets it. */
export function written(text: string, size: number): number {
  return text.length * size - size / 3;
}

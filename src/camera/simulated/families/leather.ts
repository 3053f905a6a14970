import type { Rgb } from '../canvas';
import { type Family, grainTone } from '../family';
import { mix } from '../numbers';

const hides: readonly [Rgb, ...Rgb[]] = [
  [108, 66, 42],
  [58, 50, 46],
  [150, 98, 58],
  [44, 56, 72],
  [128, 44, 40],
];

/** Grained leather: small raised cells between creases, shaded from the upper left. */
export const leather: Family = {
  web: true,
  paint(canvas, draws, aspect, key) {
    const color = draws.pick(hides);
    const nx = 70 + draws.int(50);
    const ny = Math.round(nx * aspect * draws.range(0.8, 1.2));
    const jitter = 0.85;
    const px = new Float32Array(nx * ny);
    const py = new Float32Array(nx * ny);
    for (let i = 0; i < nx * ny; i++) {
      px[i] = 0.5 + jitter * (mix(key, i * 2) / 4294967296 - 0.5);
      py[i] = 0.5 + jitter * (mix(key, i * 2 + 1) / 4294967296 - 0.5);
    }
    const fine = grainTone(key, 3, 3, 128, 128, 0.07, 2);
    const cloud = grainTone(key + 1, 1, 1, 3, 3, 0.06, 4);
    const depth = draws.range(0.3, 0.45);
    canvas.cover({ color, gloss: 4, grain: 5 }, (x, y, out) => {
      const v0 = y / aspect;
      const u = (x - Math.floor(x)) * nx;
      const v = (v0 - Math.floor(v0)) * ny;
      const ci = Math.floor(u);
      const cj = Math.floor(v);
      let best = 9;
      let second = 9;
      let bx = 0;
      let by = 0;
      for (let dj = -1; dj <= 1; dj++) {
        const row = ((cj + dj + ny) % ny) * nx;
        for (let di = -1; di <= 1; di++) {
          const cell = row + ((ci + di + nx) % nx);
          const dx = ci + di + (px[cell] as number) - u;
          const dy = cj + dj + (py[cell] as number) - v;
          const d = dx * dx + dy * dy;
          if (d < best) {
            second = best;
            best = d;
            bx = dx;
            by = dy;
          } else if (d < second) second = d;
        }
      }
      const edge = Math.sqrt(second) - Math.sqrt(best); // 0 on a crease
      const crease = edge < 0.28 ? 1 - edge / 0.28 : 0;
      const lit = 0.16 * (bx + by) * (1 - crease);
      const tone = (1 - depth * crease * crease + lit + 0.04) * fine(x, v0) * cloud(x, v0);
      out[0] = color[0] * tone;
      out[1] = color[1] * tone;
      out[2] = color[2] * tone;
    });
    return { grain: { x: 300, y: 300, octaves: 3, amount: 8 }, gloss: 22 };
  },
};

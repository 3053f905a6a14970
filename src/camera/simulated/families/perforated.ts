import type { Rgb } from '../canvas';
import { type Family, grainTone } from '../family';
import { clamp } from '../numbers';

/** Perforated sheet: staggered round or square holes with a rolled edge in brushed metal. */
export const perforated: Family = {
  web: true,
  paint(canvas, draws, aspect, key) {
    const nx = 18 + draws.int(16);
    const ny = 2 * Math.max(1, Math.round((nx * aspect * 1.155) / 2));
    const radius = draws.range(0.26, 0.34);
    const square = draws.chance(0.3);
    const level = draws.range(128, 170);
    const warm = draws.range(-5, 12);
    const color: Rgb = [level + warm, level + 1, level + 4 - warm];
    const backlit = draws.chance(0.3);
    const behind: Rgb = backlit ? [226, 228, 230] : [20, 20, 22];
    const brushed = grainTone(key, 2, 2, 4, 256, 0.07, 3);
    const cloud = grainTone(key + 1, 1, 1, 3, 3, 0.03, 4);
    const soft = nx * canvas.pixel;
    const edge = 0.075;
    canvas.cover({ color, gloss: 5, grain: 4 }, (x, y, out) => {
      const v0 = y / aspect;
      const v = (v0 - Math.floor(v0)) * ny;
      const j = Math.floor(v);
      const u = (x - Math.floor(x)) * nx + ((j & 1) === 0 ? 0 : 0.5);
      const dx = u - Math.floor(u) - 0.5;
      const dy = (v - j - 0.5) * ((aspect * nx) / ny);
      const d = (square ? Math.max(Math.abs(dx), Math.abs(dy)) : Math.sqrt(dx * dx + dy * dy)) - radius;
      let tone = brushed(x, v0) * cloud(x, v0);
      if (d < edge) {
        const t = 1 - d / edge;
        tone += (0.6 * dx + 0.8 * dy) * 0.9 * clamp(t, 0, 1);
      }
      const open = clamp(0.5 - d / soft, 0, 1);
      const glow = backlit ? 1 : 1 + 1.2 * clamp((dx + dy) * 1.5, 0, 1);
      for (let c = 0; c < 3; c++) out[c] = (color[c] ?? 0) * tone * (1 - open) + (behind[c] ?? 0) * glow * open;
    });
    return { grain: { x: 6, y: 420, octaves: 3, amount: 9 }, gloss: 26 };
  },
};

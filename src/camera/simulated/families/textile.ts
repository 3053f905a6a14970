import type { Rgb } from '../canvas';
import { type Family, grainTone } from '../family';
import { mix, sinTurn } from '../numbers';

const dyes: readonly [Rgb, ...Rgb[]] = [
  [176, 168, 150],
  [60, 74, 108],
  [120, 60, 56],
  [92, 104, 84],
  [206, 202, 192],
  [58, 56, 60],
];

/** Which yarn lies on top at crossing (i, j): plain weave, 2/1 and 2/2 twill, 5-end satin. */
const weaves: readonly [(i: number, j: number) => boolean, ...((i: number, j: number) => boolean)[]] = [
  (i, j) => ((i + j) & 1) === 0,
  (i, j) => (i + j) % 3 !== 0,
  (i, j) => ((i + j) & 3) < 2,
  (i, j) => (i + 2 * j) % 5 !== 0,
];

/** Woven cloth: yarns that cross, each with its own thickness and shade, fibres along them, and a stripe or check. */
export const textile: Family = {
  web: true,
  paint(canvas, draws, aspect, key) {
    const weave = draws.pick(weaves);
    const warp = 60 * (2 + draws.int(2)); // yarns a frame width; a multiple of every weave's repeat
    const weft = 60 * Math.max(1, Math.round((warp * aspect) / 60));
    const base = draws.pick(dyes);
    const other = draws.chance(0.6) ? base : draws.pick(dyes);
    const stripe = draws.pick([0, 0, 10, 20, 30]);
    const accent = draws.pick(dyes);
    const fibreX = grainTone(key, 2, 2, 16, 256, 0.1, 2);
    const fibreY = grainTone(key + 1, 2, 2, 256, 16, 0.1, 2);
    const cloud = grainTone(key + 2, 1, 1 / aspect, 4, 4, 0.03, 4);
    const own = (n: number, side: number): number => mix(key + side, n) / 4294967296 - 0.5;
    canvas.cover({ color: base, gloss: 1, grain: 5 }, (x, y, out) => {
      const u = (x - Math.floor(x)) * warp;
      const v = (y / aspect - Math.floor(y / aspect)) * weft;
      const i = Math.floor(u);
      const j = Math.floor(v);
      const up = weave(i, j);
      // Across the yarn on top: a round profile; along it: it dives under its neighbours.
      const n = up ? i : j;
      const across = (up ? u - i : v - j) - 0.5 - 0.14 * own(n, up ? 3 : 4);
      const along = (up ? v - j : u - i) - 0.5;
      const width = 0.47 + 0.06 * own(n, up ? 5 : 6);
      const round = 1 - (across / width) * (across / width);
      const profile = round > 0 ? 0.5 + 0.62 * Math.sqrt(round) : 0.42;
      const dive = 1 - 0.55 * along * along;
      const shade = 1 + 0.1 * own(n, up ? 7 : 8) - 0.1 * across;
      const twist = 1 + 0.05 * sinTurn((up ? v : u) * 3 + across);
      const fibre = up ? fibreY(x, y / aspect) : fibreX(x, y / aspect);
      const tone = profile * dive * shade * twist * fibre * cloud(x, y);
      const striped = stripe > 0 && n % 60 < stripe && (up || stripe === 20);
      const [r, g, b] = striped ? accent : up ? base : other;
      out[0] = r * tone;
      out[1] = g * tone;
      out[2] = b * tone;
    });
    return { grain: { x: 500, y: 500, octaves: 2, amount: 9 }, gloss: 6 };
  },
};

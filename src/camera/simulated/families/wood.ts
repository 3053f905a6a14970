import type { Rgb } from '../canvas';
import type { Family } from '../family';
import { noiseTile, sample } from '../noise';
import { mix, sinTurn } from '../numbers';

const woods: readonly [Rgb, ...Rgb[]] = [
  [186, 142, 92],
  [150, 104, 66],
  [204, 170, 122],
  [112, 74, 50],
];

/** Planed wood: annual rings drawn out along the board, fibres, fine dark pores. */
export const wood: Family = {
  web: true,
  paint(canvas, draws, aspect, key) {
    const color = draws.pick(woods);
    const rings = 8 + draws.int(9);
    const wander = noiseTile(512, 2, 4, 4, mix(key, 1));
    const fibres = noiseTile(1024, 8, 256, 3, mix(key, 2), 0.7);
    const pores = noiseTile(1024, 24, 256, 2, mix(key, 3));
    const depth = draws.range(0.07, 0.14);
    const poreDepth = draws.range(0.12, 0.3);
    canvas.cover({ color, gloss: 2, grain: 4 }, (x, y, out) => {
      const v = y / aspect;
      const bend = sample(wander, x, v);
      const phase = rings * v + 1.7 * bend;
      const saw = phase - Math.floor(phase);
      const late = saw * saw * (1 - saw) * 6.75 * 0.9; // slow rise, quick end: early and late wood
      const fibre = sample(fibres, x, v);
      const pore = sample(pores, x, v * 2) - 0.75;
      const tone =
        (1 - depth * late) * (1 + 0.05 * fibre + 0.02 * sinTurn(phase * 3)) * (pore > 0 ? 1 - poreDepth * Math.min(1, pore * 3) : 1);
      out[0] = color[0] * tone;
      out[1] = color[1] * tone * (1 - 0.05 * late);
      out[2] = color[2] * tone * (1 - 0.12 * late);
    });
    return { grain: { x: 24, y: 500, octaves: 3, amount: 8 }, gloss: 12 };
  },
};

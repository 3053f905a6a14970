import type { Rgb, Surface } from '../canvas';
import { type Family, grainTone } from '../family';
import { around, circle, draw, rounded, stroke, write } from '../shapes';

const cartons: readonly [Rgb, ...Rgb[]] = [
  [166, 128, 88],
  [52, 70, 96],
  [190, 186, 178],
  [70, 92, 72],
];
const inks: readonly [Rgb, ...Rgb[]] = [
  [26, 68, 132],
  [168, 34, 38],
  [22, 104, 76],
  [206, 120, 20],
];

/** A printed label on a carton: coloured header, sign, lines of text, a table, a bar code. */
export const label: Family = {
  web: false,
  paint(canvas, draws, aspect, key) {
    const s = Math.min(1, aspect * 1.9);
    const carton = draws.pick(cartons);
    const fibre = grainTone(key, 3, 3, 12, 96, 0.06, 3);
    const speck = grainTone(key + 1, 4, 4, 128, 128, 0.05, 2);
    canvas.cover({ color: carton, tone: (x, y) => fibre(x, y) * speck(x, y), gloss: 1, grain: 4, part: false });
    const hw = draws.range(0.36, 0.43);
    const hh = aspect * draws.range(0.36, 0.42);
    const cx = 0.5;
    const cy = aspect / 2;
    const paper = rounded(cx, cy, hw, hh, draws.range(0.006, 0.03) * s);
    canvas.shadow(paper.distance, paper.box, 0.003 * s, 0.4);
    const pulp = grainTone(key + 2, 4, 4, 110, 110, 0.012, 2);
    draw(canvas, paper, { color: [226, 225, 219], tone: pulp, gloss: 3, grain: 1, bevel: { width: 0.002 * s, strength: 0.1 } });
    const ink = draws.pick(inks);
    const black: Surface = { color: [34, 34, 38], gloss: 2, grain: 1, opacity: 0.94 };
    const colour: Surface = { color: ink, tone: pulp, gloss: 3, grain: 1 };
    const left = cx - hw + 0.025;
    const right = cx + hw - 0.025;
    const top = cy - hh + 0.022;
    const bottom = cy + hh - 0.022;
    const headHeight = (bottom - top) * draws.range(0.2, 0.28);
    draw(canvas, rounded(cx, top + headHeight / 2, (right - left) / 2, headHeight / 2, 0.004 * s), colour);
    const letters = 'ABCDEFHKLMNPRSTUVXZ';
    const word = (n: number): string => Array.from({ length: n }, () => letters[draws.int(letters.length)]).join('');
    write(canvas, word(6 + draws.int(3)), left + 0.02, top + headHeight * 0.28, headHeight * 0.46, headHeight * 0.085, {
      color: [236, 236, 230],
      gloss: 3,
      grain: 1,
    });
    const signX = right - headHeight * 0.55;
    const signY = top + headHeight / 2;
    draw(canvas, circle(signX, signY, headHeight * 0.36), { color: [236, 236, 230], gloss: 3, grain: 1 });
    for (const [x, y] of around(signX, signY, headHeight * 0.2, 3 + draws.int(4), draws.unit()))
      draw(canvas, stroke(signX, signY, x, y, headHeight * 0.07), colour);
    // Bar code, bottom right.
    const codeWidth = (right - left) * 0.36;
    const codeTop = bottom - (bottom - top) * 0.3;
    for (let x = right - codeWidth; x < right - 0.004; ) {
      const bar = (1 + draws.int(3)) * 0.0021 * s;
      draw(canvas, rounded(x + bar / 2, (codeTop + bottom) / 2 - 0.008 * s, bar / 2, (bottom - codeTop) / 2 - 0.008 * s, 0), black);
      x += bar + (1 + draws.int(3)) * 0.0021 * s;
    }
    write(canvas, `${1000000 + draws.int(8999999)}`, right - codeWidth, bottom - 0.011 * s, 0.012 * s, 0.0016 * s, black);
    // Table right of the middle, lines of text on the left.
    const rows = 3 + draws.int(3);
    const tableTop = top + headHeight + 0.018 * s;
    const step = (codeTop - 0.018 * s - tableTop) / rows;
    for (let r = 0; r <= rows; r++)
      draw(canvas, stroke(right - codeWidth, tableTop + r * step, right, tableTop + r * step, 0.0014 * s), black);
    for (let r = 0; r < rows; r++) {
      write(
        canvas,
        `${word(3)}-${10 + draws.int(90)}`,
        right - codeWidth + 0.006,
        tableTop + r * step + step * 0.3,
        step * 0.4,
        step * 0.07,
        black,
      );
    }
    const textSize = draws.range(0.011, 0.015) * s;
    const columns = Math.floor((right - codeWidth - 0.03 - left) / textSize);
    for (let y = tableTop; y < bottom - textSize; y += textSize * 1.9) {
      let line = '';
      while (line.length < columns - 3 - draws.int(5)) line += `${word(2 + draws.int(6))} `;
      write(canvas, line.slice(0, columns).trim(), left, y, textSize, textSize * 0.14, black);
    }
    return { grain: { x: 300, y: 300, octaves: 2, amount: 4 }, gloss: 14 };
  },
};

import type { Rgb, Surface } from '../canvas';
import { type Family, grainTone, ground } from '../family';
import { around, circle, draw, rim, ring, rounded, type Shape, stroke, without, write } from '../shapes';

const resins: readonly [Rgb, ...Rgb[]] = [
  [46, 47, 50],
  [38, 62, 116],
  [172, 74, 30],
  [150, 152, 148],
  [118, 30, 34],
  [58, 92, 66],
];

/** A moulded part: eroded matt surface, raised rim, ribs, bosses, an ejector pattern, the gate mark, raised letters. */
export const moulded: Family = {
  web: false,
  paint(canvas, draws, aspect, key) {
    ground(canvas, key, draws.range(92, 128));
    const s = Math.min(1, aspect * 1.9);
    const color = draws.pick(resins);
    const cx = 0.5;
    const cy = aspect / 2;
    const hw = draws.range(0.34, 0.42);
    const hh = aspect * draws.range(0.34, 0.41);
    let outline: Shape = rounded(cx, cy, hw, hh, draws.range(0.03, 0.08) * s);
    if (draws.chance(0.6)) outline = without(outline, circle(cx + hw * (draws.chance(0.5) ? 1 : -1), cy, draws.range(0.04, 0.08) * s));
    canvas.shadow(outline.distance, outline.box, 0.016 * s, 0.6);
    const eroded = grainTone(key, 6, 6, 110, 110, 0.07, 2);
    const slope = draws.range(-0.14, 0.14);
    const flow = grainTone(key + 1, 1, 1, 2, 3, 0.05, 3);
    const tone = (x: number, y: number): number => eroded(x, y) * flow(x, y) * (1 + slope * (x - 0.5) - 0.1 * (y - cy));
    const skin: Surface = { color, tone, gloss: 5, grain: 4, bevel: { width: 0.012 * s, strength: 0.45 } };
    draw(canvas, outline, skin);
    // Floor inside the rim: a step down.
    const floor: Shape = { distance: (x, y) => outline.distance(x, y) + 0.024 * s, box: outline.box };
    draw(canvas, floor, {
      color: [color[0] * 0.88, color[1] * 0.88, color[2] * 0.88],
      tone,
      gloss: 4,
      grain: 5,
      bevel: { width: 0.009 * s, strength: -0.55 },
    });
    draw(canvas, rim({ distance: (x, y) => outline.distance(x, y) + 0.008 * s, box: outline.box }, 0.004 * s), {
      ...skin,
      gloss: 7,
      opacity: 0.35,
    });
    const lighter: Rgb = [color[0] * 1.06 + 4, color[1] * 1.06 + 4, color[2] * 1.06 + 4];
    const raised: Surface = { color: lighter, tone, gloss: 6, grain: 3, bevel: { width: 0.0045 * s, strength: 0.6 } };
    const keep = hw - 0.036 * s;
    const keepY = hh - 0.036 * s;
    const ribs = 2 + draws.int(4);
    const ribWidth = draws.range(0.009, 0.013) * s;
    const put = (whole: Shape): void => {
      // Nothing stands out over the rim or a cut-out.
      const shape: Shape = { distance: (x, y) => Math.max(whole.distance(x, y), outline.distance(x, y) + 0.016 * s), box: whole.box };
      canvas.shadow(shape.distance, shape.box, 0.005 * s, 0.4);
      draw(canvas, shape, raised);
    };
    for (let i = 0; i < ribs; i++) {
      const x = cx + ((i + 0.5) / ribs - 0.5) * 2 * keep * 0.92;
      put(stroke(x, cy - keepY, x, cy + keepY, ribWidth));
    }
    const cross = cy + draws.range(-0.35, 0.35) * keepY;
    put(stroke(cx - keep, cross, cx + keep, cross, ribWidth));
    if (draws.chance(0.5)) put(stroke(cx - keep, cy - keepY, cx - keep * 0.3, cross, ribWidth));
    const bosses = 2 + draws.int(4);
    const bossR = draws.range(0.022, 0.032) * s;
    for (let i = 0; i < bosses; i++) {
      const x = cx + ((i + 0.5) / bosses - 0.5) * 2 * keep * 0.86 + draws.range(-0.01, 0.01);
      const y = cy + (i % 2 === 0 ? -1 : 1) * keepY * draws.range(0.5, 0.66);
      put(circle(x, y, bossR));
      if (draws.chance(0.7))
        for (const [px, py] of around(x, y, bossR * 1.7, 4, 0.125)) draw(canvas, stroke(x, y, px, py, ribWidth * 0.6), raised);
      draw(canvas, circle(x, y, bossR), raised);
      draw(canvas, circle(x, y, bossR * 0.5), { color: [14, 14, 15], gloss: 1, grain: 0, bevel: { width: bossR * 0.12, strength: -0.5 } });
    }
    for (let i = 0; i < 4; i++) {
      const x = cx + (i % 2 === 0 ? -1 : 1) * keep * 0.93;
      const y = cy + (i < 2 ? -1 : 1) * keepY * 0.86;
      draw(canvas, circle(x, y, 0.0115 * s), { color: lighter, tone, gloss: 6, grain: 2, bevel: { width: 0.0018 * s, strength: -0.5 } });
    }
    // Gate: a small torn nub inside a dimple.
    const gx = cx + draws.range(-0.25, 0.25) * keep;
    const gy = cy + draws.range(-0.3, 0.3) * keepY;
    const torn = grainTone(key + 7, 30, 30, 24, 24, 0.3, 3);
    draw(canvas, circle(gx, gy, 0.0125 * s), { color, tone, gloss: 6, grain: 2, bevel: { width: 0.006 * s, strength: -0.5 } });
    draw(canvas, circle(gx, gy, 0.0042 * s), {
      color: lighter,
      tone: torn,
      gloss: 5,
      grain: 3,
      bevel: { width: 0.002 * s, strength: 0.5 },
    });
    const text = `${draws.pick(['PA66', 'ABS', 'POM', 'PBT'])}-${10 + draws.int(90)}`;
    const size = 0.022 * s;
    write(canvas, text, cx - keep * 0.9, cy + keepY * draws.range(0.6, 0.72), size, 0.0036 * s, {
      ...raised,
      bevel: { width: 0.0015 * s, strength: 0.8 },
    });
    draw(canvas, ring(cx + keep * 0.8, cy + keepY * 0.6, 0.02 * s, 0.003 * s), { ...raised, bevel: { width: 0.0014 * s, strength: 0.8 } });
    return { grain: { x: 220, y: 220, octaves: 3, amount: 8 }, gloss: 40 };
  },
};

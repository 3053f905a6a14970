import type { Canvas, Rgb, Surface } from '../canvas';
import { type Family, grainTone, ground } from '../family';
import { type Draws, sinTurn } from '../numbers';
import { around, circle, draw, grown, ring, rounded, type Shape, stroke, write } from '../shapes';

const hole: Surface = { color: [17, 17, 19], gloss: 0, grain: 0, part: false };

/** Marks of a face mill: arcs around a far centre, their pitch and depth a little uneven. */
function milled(draws: Draws, key: number, depth: number): (x: number, y: number) => number {
  const cx = draws.range(-0.6, 1.6);
  const cy = draws.range(1.5, 3);
  const pitch = draws.range(110, 170);
  const cloud = grainTone(key, 1, 1, 4, 4, 1, 3);
  const lines = grainTone(key + 1, 2, 2, 2, 128, 0.05, 3);
  return (x, y) => {
    const far = Math.sqrt((x - cx) * (x - cx) + (y - cy) * (y - cy)) * pitch;
    const uneven = cloud(x, y) - 1;
    const arc = sinTurn(far + uneven * 0.5) + 0.5 * sinTurn(far * 2.37 + uneven);
    return (1 + depth * arc + 0.025 * uneven) * lines(x, y);
  };
}

/** Rings left by turning around (cx, cy). */
function turned(cx: number, cy: number, pitch: number, depth: number): (x: number, y: number) => number {
  return (x, y) => 1 + depth * sinTurn(Math.sqrt((x - cx) * (x - cx) + (y - cy) * (y - cy)) * pitch);
}

function drill(canvas: Canvas, cx: number, cy: number, r: number, steel: Rgb, chamfer: number): void {
  draw(canvas, circle(cx, cy, r + chamfer), {
    color: [steel[0] * 0.97, steel[1] * 0.97, steel[2] * 0.98],
    gloss: 6,
    grain: 1,
    bevel: { width: chamfer * 1.05, strength: -0.42 },
  });
  draw(canvas, circle(cx, cy, r), {
    ...hole,
    tone: (x, y) => 1 + 1.6 * Math.max(0, (x - cx + y - cy) / r), // the lit far wall
  });
}

/** A machined plate: milled face, chamfered edge, bore, pockets, drilled and slotted holes, a stamped number. */
export const plate: Family = {
  web: false,
  paint(canvas, draws, aspect, key) {
    ground(canvas, key, draws.range(30, 46));
    const s = Math.min(1, aspect * 1.9);
    const warm = draws.range(-6, 8);
    const level = draws.range(132, 168);
    const steel: Rgb = [level + warm, level + 2, level + 5 - warm];
    const round = draws.chance(0.35);
    const cx = 0.5;
    const cy = aspect / 2;
    const hw = round ? 0.24 * s : draws.range(0.33, 0.42);
    const hh = round ? 0.24 * s : aspect * draws.range(0.34, 0.41);
    const outline = round ? circle(cx, cy, hh) : rounded(cx, cy, hw, hh, draws.range(0.008, 0.05) * s);
    canvas.shadow(outline.distance, outline.box, 0.012 * s, 0.6);
    const face = round && draws.chance(0.6) ? turned(cx, cy, draws.range(120, 200), 0.035) : milled(draws, key, 0.028);
    draw(canvas, outline, { color: steel, tone: face, gloss: 5, grain: 4, bevel: { width: 0.006 * s, strength: 0.3 } });

    const clear: Shape[] = [];
    const free = (shape: Shape): boolean =>
      clear.every(
        (one) => one.box.x0 > shape.box.x1 || one.box.x1 < shape.box.x0 || one.box.y0 > shape.box.y1 || one.box.y1 < shape.box.y0,
      );
    const bore = draws.range(0.045, 0.075) * s;
    const boreX = round ? cx : cx + draws.range(-0.12, 0.12);
    clear.push(circle(boreX, cy, bore * 1.75));
    draw(canvas, circle(boreX, cy, bore * 1.5), {
      color: steel,
      tone: turned(boreX, cy, 260, 0.03),
      gloss: 6,
      grain: 2,
      bevel: { width: 0.004 * s, strength: -0.3 },
    });
    drill(canvas, boreX, cy, bore, steel, 0.006 * s);
    const bolts = 4 + draws.int(5);
    const bolt = draws.range(0.008, 0.013) * s;
    const circleR = round ? hh * draws.range(0.74, 0.82) : bore * 2.3;
    for (const [x, y] of around(boreX, cy, circleR, bolts, draws.unit())) {
      const room = circle(x, y, bolt * 2);
      if (outline.distance(x, y) > -bolt * 2.2) continue;
      clear.push(room);
      drill(canvas, x, y, bolt, steel, 0.0035 * s);
    }
    if (!round) {
      const corner = draws.range(0.012, 0.017) * s;
      for (const [sx, sy] of [
        [-1, -1],
        [1, -1],
        [-1, 1],
        [1, 1],
      ] as const) {
        const x = cx + sx * (hw - 0.035 * s);
        const y = cy + sy * (hh - 0.035 * s);
        clear.push(circle(x, y, corner * 2));
        draw(canvas, circle(x, y, corner * 1.7), {
          color: steel,
          tone: turned(x, y, 330, 0.04),
          gloss: 6,
          grain: 1,
          bevel: { width: 0.004 * s, strength: -0.36 },
        });
        drill(canvas, x, y, corner, steel, 0.0025 * s);
      }
      for (let tries = 0, made = 0; tries < 30 && made < 3; tries++) {
        const w = draws.range(0.03, 0.075) * s;
        const h = draws.range(0.02, 0.05) * s;
        const pocket = rounded(cx + draws.range(-0.8, 0.8) * (hw - w), cy + draws.range(-0.75, 0.75) * (hh - h), w, h, 0.012 * s);
        if (!free(grown(pocket, 0.012 * s))) continue;
        clear.push(grown(pocket, 0.008 * s));
        made++;
        if (draws.chance(0.35)) {
          const slot = rounded((pocket.box.x0 + pocket.box.x1) / 2, (pocket.box.y0 + pocket.box.y1) / 2, w, 0.011 * s, 0.011 * s);
          draw(canvas, grown(slot, 0.003 * s), { color: steel, gloss: 6, grain: 1, bevel: { width: 0.0032 * s, strength: -0.4 } });
          draw(canvas, slot, hole);
        } else {
          draw(canvas, pocket, {
            color: [steel[0] * 0.82, steel[1] * 0.82, steel[2] * 0.83],
            tone: milled(draws, key + made, 0.04),
            gloss: 4,
            grain: 4,
            bevel: { width: 0.005 * s, strength: -0.45 },
          });
        }
      }
      for (let tries = 0; tries < 20; tries++) {
        const size = 0.018 * s;
        const x = cx + draws.range(-0.9, 0.5) * hw;
        const y = cy + draws.range(-0.8, 0.7) * hh;
        const room: Shape = { distance: outline.distance, box: { x0: x - size, y0: y - size, x1: x + size * 6.5, y1: y + size * 2 } };
        if (!free(room) || room.box.x1 > outline.box.x1 - 0.03) continue;
        write(canvas, `${100 + draws.int(900)}-${draws.int(10)}${draws.pick(['A', 'B', 'C', 'R'])}`, x, y, size, 0.0024 * s, {
          color: [steel[0] * 0.5, steel[1] * 0.5, steel[2] * 0.5],
          gloss: 2,
          grain: 1,
        });
        break;
      }
    } else {
      draw(canvas, ring(cx, cy, hh * 0.6, 0.006 * s), { color: [steel[0] * 0.7, steel[1] * 0.7, steel[2] * 0.7], gloss: 4, grain: 2 });
      const a = draws.unit();
      for (const [x, y] of around(cx, cy, hh * 0.94, 2, a)) {
        draw(canvas, stroke(x, y, cx + (x - cx) * 0.86, cy + (y - cy) * 0.86, 0.012 * s), hole);
      }
    }
    return { grain: { x: 6, y: 420, octaves: 3, amount: 11 }, gloss: 34 };
  },
};

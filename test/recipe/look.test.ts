import type { InputSpec } from '../../src/ports';
import { type Look, lookOf, oddFraming, sameScene } from '../../src/recipe/look';

const side = 128;
const input: InputSpec = { width: side, height: side, resize: 'bicubic', fit: 'squash', mean: [0.5, 0.5, 0.5], std: [0.5, 0.5, 0.5] };

/** A bright disc of radius `r` px at x, y on grey, with noise of its own (standard deviation 2 grey levels). */
function disc(x: number, y: number, r: number, seed: number, scratch = false): Look {
  let s = (seed + 1) * 2654435761;
  const tensor = new Float32Array(3 * side * side);
  for (let at = 0; at < side * side; at++) {
    s = (Math.imul(s, 1664525) + 1013904223) >>> 0;
    const [px, py] = [at % side, Math.floor(at / side)];
    const mark = scratch && Math.abs(px - py) < 2 && px > 56 && px < 72 ? -80 : 0;
    const grey = (Math.hypot(px - x, py - y) < r ? 200 : 60) + mark + (s / 2 ** 32 - 0.5) * 6.9;
    for (let c = 0; c < 3; c++) tensor[c * side * side + at] = (grey / 255 - 0.5) / 0.5;
  }
  return lookOf(tensor, input);
}
const named = (looks: Look[]) => looks.map((look, i) => ({ name: `shot${i}`, look }));

test('the same part lying still is the same scene, moved by two pixels or scratched it is not', () => {
  const still = disc(64, 64, 30, 1);
  expect(sameScene(still, disc(64, 64, 30, 2))).toBe(true);
  expect(sameScene(still, disc(66, 64, 30, 2))).toBe(false);
  expect(sameScene(still, disc(64, 64, 30, 2, true))).toBe(false);
});

test('a part that lies elsewhere, and one of another size, are named; none where parts never lie alike', () => {
  const alike = [0, 1, 2, 3].map((i) => disc(64 + (i % 2), 64 - (i % 2), 30, i));
  expect(oddFraming(named(alike))).toEqual([]);
  expect(oddFraming(named([...alike, disc(80, 64, 30, 9)])).join()).toMatch(/shot4 lies elsewhere.*1[23] % to the right/);
  expect(oddFraming(named([...alike, disc(64, 64, 42, 9)])).join()).toMatch(/shot4 is of another size.*1[34]\d %/);
  const anywhere = [
    [40, 50],
    [80, 84],
    [60, 88],
    [88, 44],
    [50, 70],
  ].map(([x = 0, y = 0], i) => disc(x, y, 30, i));
  expect(oddFraming(named(anywhere))).toEqual([]);
});

test('no contour at all, or too few shots: nothing is said, and nothing throws', () => {
  const blank = lookOf(new Float32Array(3 * side * side), input);
  expect(Number.isNaN(blank.x)).toBe(true);
  expect(oddFraming(named([blank, blank, blank]))).toEqual([]);
  expect(oddFraming(named([disc(64, 64, 30, 1), disc(20, 20, 10, 2)]))).toEqual([]);
});

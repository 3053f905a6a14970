import { placer } from '../../src/inspect/boxes';
import type { RegionRules } from '../../src/inspect/regions';

const frame = { width: 4096, height: 2160 };
const everywhere: RegionRules = { include: [], ignore: [], mask: null, minArea: 0, top: 1 };

/** A map of zeros but for what `at` gives. */
function map(width: number, height: number, at: (x: number, y: number) => number) {
  return { map: { width, height, data: Float32Array.from({ length: width * height }, (_, i) => at(i % width, Math.floor(i / width))) } };
}

test('no map, and a map of which nothing counts, give no boxes', () => {
  expect(placer(1, undefined)({ map: null }, frame)).toEqual([]);
  expect(
    placer(1, undefined)(
      map(8, 8, () => Number.NaN),
      frame,
    ),
  ).toEqual([]);
});

test('a region is boxed in pixels of the frame, sides that do not divide included', () => {
  const found = map(64, 32, (x, y) => (x >= 8 && x < 12 && y >= 4 && y < 6 ? 2 : 0));
  expect(placer(1, undefined)(found, frame)).toEqual([{ x: 512, y: 270, width: 256, height: 135 }]);
  const edge = map(3, 3, (x, y) => (x === 2 && y === 2 ? 2 : 0));
  expect(placer(1, undefined)(edge, { width: 100, height: 10 })).toEqual([{ x: 66, y: 6, width: 34, height: 4 }]);
});

test('pixels that touch at a corner are one region; two apart are two, the stronger first', () => {
  const corner = map(8, 8, (x, y) => (x === y && x < 3 ? 2 : 0));
  expect(placer(1, undefined)(corner, { width: 8, height: 8 })).toEqual([{ x: 0, y: 0, width: 3, height: 3 }]);
  const two = map(8, 8, (x, y) => (y !== 0 ? 0 : x === 0 ? 2 : x === 5 ? 3 : 0));
  expect(placer(1, undefined)(two, { width: 8, height: 8 }).map(({ x }) => x)).toEqual([5, 0]);
});

test('at most 16, the strongest', () => {
  const many = map(64, 64, (x, y) => (x % 3 === 0 && y % 3 === 0 ? 1 + x + 64 * y : 0));
  const boxes = placer(1, undefined)(many, frame);
  expect(boxes).toHaveLength(16);
  expect(boxes[0]).toEqual({ x: 63 * 64, y: Math.floor(63 * 33.75), width: 64, height: 34 });
});

test('where nothing reaches the limit, the strongest place', () => {
  const found = map(16, 16, (x, y) => (x === 4 && y === 5 ? 0.3 : -1));
  expect(placer(9, undefined)(found, { width: 16, height: 16 })).toEqual([{ x: 4, y: 5, width: 1, height: 1 }]);
});

test('what the recipe leaves out is in no box', () => {
  const rules = { ...everywhere, ignore: [[0, 0, 0.5, 1]] as const };
  const found = map(16, 16, (x) => (x === 2 ? 5 : x === 12 ? 3 : 0));
  expect(placer(1, rules)(found, { width: 16, height: 16 })).toEqual([{ x: 12, y: 0, width: 1, height: 16 }]);
  expect(
    placer(1, rules)(
      map(16, 16, (x) => (x === 2 ? 5 : Number.NaN)),
      frame,
    ),
  ).toEqual([]);
});

test('a large map is looked at in cells: a box holds its region, a cell larger at most, inside the frame', () => {
  const found = map(518, 518, (x, y) => (x >= 515 && y >= 100 && y < 103 ? 2 : 0));
  const [box] = placer(1, undefined)(found, { width: 518, height: 518 });
  expect(box).toEqual({ x: 512, y: 100, width: 6, height: 4 });
});

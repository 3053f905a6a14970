import { PixelStats } from '../../src/stats/pixels';
import { regionsOf } from '../../src/stats/regions';
import { testWithVectors } from '../build/vectors';
import { readMetrics } from './vectors';

const map = (width: number, height: number, ...values: number[]) => ({ width, height, data: Float32Array.from(values) });

test('NaN, and a mask of another size, are refused', () => {
  const stats = new PixelStats();
  expect(() => stats.add(map(2, 1, 0, Number.NaN), null)).toThrow(/pixel 1 of the map is NaN/);
  expect(() => stats.add(map(2, 1, 0, 1), [1])).toThrow(/2 values and a mask of 1 for 2 x 1/);
});

test('nothing defective, or everything: null', () => {
  expect(new PixelStats().figures()).toBeNull();
  const good = new PixelStats();
  good.add(map(2, 1, 0, 1), null);
  expect(good.figures()).toBeNull();
  const bad = new PixelStats();
  bad.add(map(2, 1, 0, 1), [1, 1]);
  expect(bad.figures()).toBeNull();
});

test('a map of one value: chance, and no overlap curve', () => {
  const stats = new PixelStats();
  stats.add(map(4, 1, 2, 2, 2, 2), [1, 0, 0, 0]);
  expect(stats.figures()).toEqual({ auroc: 0.5, ap: 0.25, f1: 0.4, aupro: null, pixels: 4, defective: 1, regions: 1 });
});

test('negative, zero and tiny scores keep their order', () => {
  const stats = new PixelStats();
  stats.add(map(3, 2, -5, -1e-20, 0, 1e-20, 3, 1e20), [0, 0, 0, 1, 1, 1]);
  expect(stats.figures()).toMatchObject({ auroc: 1, ap: 1, f1: 1 });
});

test('regions touch over corners; a snake of a region is one', () => {
  expect(regionsOf([1, 0, 0, 1, 0, 1, 0, 0, 0, 0, 0, 1], 4, 3).areas).toEqual([2, 1, 1]);
  const side = 400;
  const snake = new Uint8Array(side * side).map((_, i) => {
    const y = Math.floor(i / side);
    return y % 2 === 0 || i % side === (y % 4 === 1 ? side - 1 : 0) ? 1 : 0;
  });
  expect(regionsOf(snake, side, side).areas).toHaveLength(1);
});

testWithVectors("pixel AUROC, AP, F1 and AUPRO as scikit-learn and the authors' code give them", () => {
  const { maps, expected } = readMetrics();
  const stats = new PixelStats();
  const size = maps.width * maps.height;
  for (let i = 0; i < maps.count; i++)
    stats.add(
      { width: maps.width, height: maps.height, data: maps.maps.subarray(i * size, (i + 1) * size) },
      maps.masks.subarray(i * size, (i + 1) * size),
    );
  const found = stats.figures();
  expect(found?.auroc).toBeCloseTo(expected.pix?.auroc ?? 0, 6);
  expect(found?.ap).toBeCloseTo(expected.pix?.ap ?? 0, 5);
  expect(found?.f1).toBeCloseTo(expected.pix?.f1max ?? 0, 5);
  expect(found?.aupro).toBeCloseTo(expected.pix?.['aupro_authors_200steps_fpr0.3'] ?? 0, 5);
});

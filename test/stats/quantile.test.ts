import { quantile } from '../../src/stats/quantile';

test('no values: NaN, not 0', () => {
  expect(quantile([], 0.5)).toBeNaN();
});

test('type 7 of Hyndman and Fan, as NumPy prints it', () => {
  expect(quantile([3, 1, 2, 4], 0.5)).toBe(2.5);
  expect(quantile([1, 2, 3, 4, 10], 0.99)).toBeCloseTo(9.76, 10);
  expect(quantile([7], 0.3)).toBe(7);
});

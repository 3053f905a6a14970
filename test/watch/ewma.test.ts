import { centreOf, learn, nothingLearned } from '../../src/watch/baseline';
import { advance, clip, lambda, limit, width } from '../../src/watch/ewma';
import { Trend } from '../../src/watch/trend';
import { averageRunLength, draws } from './run_length';

describe('the average run length', () => {
  // Lucas and Saccucci 1990, table 3: zero-state average run lengths of two-sided charts.
  test.each([
    [0.1, 2.814, 0, 500],
    [0.1, 2.814, 1, 10.3],
    [0.25, 3, 0, 500],
    [0.25, 3, 1, 11.1],
    [0.4, 3.054, 1, 14.2],
  ])('of a textbook chart, lambda %d, L %d, shift %d: %d', (weight, L, shift, expected) => {
    expect(averageRunLength(weight, L, shift) / expected).toBeCloseTo(1, 1.5);
  });

  test('of ours: no false alarm in a million parts, a shift of one standard deviation found within forty', () => {
    expect(averageRunLength(lambda, width, 0)).toBeGreaterThan(1_000_000);
    const found = averageRunLength(lambda, width, 1);
    expect(found).toBeGreaterThan(20);
    expect(found).toBeLessThan(40);
  });
});

test('one value far off is no drift: it counts as four standard deviations', () => {
  expect(clip * lambda).toBeLessThan(limit / 2);
  expect(advance(0, 1e9, { mean: 0, sd: 1 })).toBeCloseTo(clip * lambda, 12);
  expect(advance(0, Number.NaN, { mean: 0, sd: 1 })).toBe(0);
});

const learnedFrom = 1_000; // parts: the default of watch.baseline

/** A line of good parts whose brightness has the given shift, in standard deviations: how many until alarm 805. */
function untilFound(seed: number, shift: number): number {
  const next = draws(seed);
  const part = (by: number) => ({ score: 0.5 + 0.05 * next(), brightness: 120 + 3 * (next() + by), sharpness: 20 + 2 * next() });
  const trend = new Trend(learnedFrom, 'bank', null);
  while (trend.missing > 0) trend.good(part(0), 1);
  for (let n = 1; n <= 1_000; n++) {
    trend.good(part(shift), 1);
    expect([trend.has('score'), trend.has('sharpness')]).toEqual([false, false]);
    if (trend.has('brightness')) return n;
  }
  throw new Error(`a shift of ${shift} standard deviations was not found in 1000 parts (seed ${seed})`);
}

// Seeded draws; the figures of docs/watch.md.
test('a shift of one standard deviation is found in each of 100 lines, one of two in half of the parts', () => {
  const found = (shift: number) => Array.from({ length: 100 }, (_, seed) => untilFound(seed + 1, shift)).sort((a, b) => a - b);
  const [one, two] = [found(1), found(2)];
  const at = (runs: number[], share: number) => runs[Math.floor(share * (runs.length - 1))] ?? Number.NaN;
  process.stdout.write(
    `parts until found: 1 sd median ${at(one, 0.5)}, 95 of 100 within ${at(one, 0.95)}, most ${at(one, 1)}; 2 sd median ${at(two, 0.5)}, most ${at(two, 1)}\n`,
  );
  expect(at(one, 0.5)).toBeLessThan(40);
  expect(at(one, 0.95)).toBeLessThan(100);
  expect(at(two, 0.5)).toBeLessThan(20);
});

test('without a shift: 10 charts of 50 000 parts, each with a baseline of its own', () => {
  let alarms = 0;
  for (let seed = 1; seed <= 10; seed++) {
    const next = draws(5_000 + seed);
    let learned = nothingLearned;
    for (let n = 0; n < learnedFrom; n++) learned = learn(learned, { score: 0, brightness: 100 + next(), sharpness: 0 });
    const centre = centreOf(learned, 'brightness', 1);
    let deviation = 0;
    let n = 0;
    while (n < 50_000 && Math.abs(deviation) <= limit) {
      deviation = advance(deviation, 100 + next(), centre);
      n++;
    }
    if (n < 50_000) alarms++;
  }
  process.stdout.write(`false alarms: ${alarms} in 10 charts of 50 000 parts\n`);
  expect(alarms).toBeLessThanOrEqual(2);
});

import { clopperPearson, incompleteBeta, neverSeenBound } from '../../src/stats/interval';
import { kappa } from '../../src/stats/kappa';
import { auroc, averagePrecision, f1Max, meanOf, rank } from '../../src/stats/rank';
import { testWithVectors } from '../build/vectors';
import { readMetrics } from './vectors';

describe('what cannot be ranked', () => {
  test('a score that is not finite is refused, not sorted somewhere', () => {
    expect(() => rank([1, Number.NaN], [true, false])).toThrow(/score 1 is NaN/);
    expect(() => rank([1], [true, false])).toThrow(/1 scores for 2 truths/);
  });

  test.each([
    ['no part', [], []],
    ['good parts only', [1, 2], [0, 0]],
    ['bad parts only', [1, 2], [1, 1]],
  ])('%s: null, never NaN', (_, scores, bad) => {
    const ranking = rank(scores, bad);
    expect([auroc(ranking), averagePrecision(ranking), f1Max(ranking)]).toEqual([null, null, null]);
    expect(meanOf([auroc(ranking), null])).toBeNull();
  });
});

test('all scores equal: chance, whatever the order', () => {
  const ranking = rank([3, 3, 3, 3], [1, 0, 0, 1]);
  expect(auroc(ranking)).toBe(0.5);
  expect(averagePrecision(ranking)).toBe(0.5);
  expect(f1Max(ranking)).toEqual({ f1: 2 / 3, threshold: 3, precision: 0.5, recall: 1 });
});

testWithVectors('AUROC, AP and F1-max as scikit-learn gives them, ties too', () => {
  const { sets, expected } = readMetrics();
  for (const [name, { score, label }] of Object.entries(sets)) {
    const ranking = rank(score, label);
    const wanted = expected[name];
    expect(auroc(ranking)).toBeCloseTo(wanted?.auroc ?? Number.NaN, 12);
    expect(averagePrecision(ranking)).toBeCloseTo(wanted?.ap ?? Number.NaN, 12);
    expect(f1Max(ranking)?.f1).toBeCloseTo(wanted?.f1max ?? Number.NaN, 12);
  }
  expect(Object.keys(sets)).toHaveLength(4);
});

describe('intervals', () => {
  test('impossible counts are refused; no parts say nothing', () => {
    expect(() => clopperPearson(3, 2)).toThrow(/3 of 2/);
    expect(clopperPearson(0, 0)).toBeNull();
    expect(neverSeenBound(0)).toBeNull();
  });

  test('Clopper-Pearson inverts the binomial itself', () => {
    const choose = (n: number, k: number): number => (k === 0 ? 1 : (choose(n, k - 1) * (n - k + 1)) / k);
    const atMost = (k: number, n: number, p: number) =>
      Array.from({ length: k + 1 }, (_, i) => choose(n, i) * p ** i * (1 - p) ** (n - i)).reduce((a, b) => a + b);
    for (const [count, total] of [
      [1, 10],
      [7, 10],
      [3, 50],
      [49, 50],
    ] as const) {
      const interval = clopperPearson(count, total);
      expect(atMost(count, total, interval?.high ?? 0)).toBeCloseTo(0.025, 9);
      expect(1 - atMost(count - 1, total, interval?.low ?? 0)).toBeCloseTo(0.025, 9);
    }
    expect(clopperPearson(0, 50)).toEqual({ low: 0, high: expect.closeTo(1 - 0.025 ** (1 / 50), 12) });
    expect(clopperPearson(50, 50)?.high).toBe(1);
  });

  test('the rule of three: 0 of 50 shows less than 5.8 %, 0 of 300 less than 1 %', () => {
    expect(neverSeenBound(50)).toBeCloseTo(0.0582, 4);
    expect(neverSeenBound(300)).toBeLessThan(0.01);
  });

  test('the incomplete beta function far out: no overflow, and symmetric', () => {
    expect(incompleteBeta(0.3, 2, 3)).toBeCloseTo(0.3483, 10); // 6 x^2 - 8 x^3 + 3 x^4
    expect(incompleteBeta(0.01, 50, 5000)).toBeCloseTo(1 - incompleteBeta(0.99, 5000, 50), 12);
  });
});

test('kappa: null where nobody disagrees by design, 1 where all agree, 0 by chance', () => {
  expect(kappa({ bothGood: 0, bothBad: 0, onlyFirstBad: 0, onlySecondBad: 0 })).toBeNull();
  expect(kappa({ bothGood: 9, bothBad: 0, onlyFirstBad: 0, onlySecondBad: 0 })).toBeNull();
  expect(kappa({ bothGood: 5, bothBad: 5, onlyFirstBad: 0, onlySecondBad: 0 })).toBe(1);
  expect(kappa({ bothGood: 5, bothBad: 5, onlyFirstBad: 5, onlySecondBad: 5 })).toBe(0);
});

import { VerdictdError } from '../../src/errors';
import { allowedAbove, binomialCdf, goodPartsNeeded, limitByPromise, studentQuantile } from '../../src/recipe/limit';

/** mulberry32: a fixed sequence of 0..1. */
function random(seed: number): () => number {
  let s = seed;
  return () => {
    s = (s + 0x6d2b79f5) >>> 0;
    let t = Math.imul(s ^ (s >>> 15), s | 1);
    t ^= t + Math.imul(t ^ (t >>> 7), t | 61);
    return ((t ^ (t >>> 14)) >>> 0) / 2 ** 32;
  };
}

test.each([0, -0.1, 0.6, Number.NaN])('a promise of %p is refused', (promise) => {
  expect(() => limitByPromise([1, 2], [1], promise)).toThrow(VerdictdError);
});

test.each<[string, number[], number[]]>([
  ['no score at all', [], []],
  ['NaN', [1, Number.NaN], [1]],
  ['infinity', [1], [Number.POSITIVE_INFINITY]],
  ['a negative score', [-1], [1]],
])('%s is refused', (_, heldOut, shots) => {
  expect(() => limitByPromise(heldOut, shots, 0.005)).toThrow(expect.objectContaining({ code: 'TEACH_REFUSED' }) as Error);
});

test('never 0, NaN or infinity, whatever few scores there are', () => {
  for (const scores of [[1], [0], [0, 0, 0], [1e-9, 5], new Array<number>(700).fill(0), [1e6, 1e-6, 3, 3, 3, 3]])
    for (const promise of [0.0001, 0.005, 0.5]) {
      const { value } = limitByPromise(scores, [1], promise);
      expect(Number.isFinite(value) && value > 0).toBe(true);
    }
});

test('how many good parts a promise needs', () => {
  expect(goodPartsNeeded(0.005)).toBe(598);
  expect(goodPartsNeeded(0.05)).toBe(59);
  expect(goodPartsNeeded(0.01)).toBe(299);
});

test('the exact binomial', () => {
  expect(binomialCdf(1, 2, 0.5)).toBeCloseTo(0.75, 12);
  expect(binomialCdf(0, 598, 0.005)).toBeLessThanOrEqual(0.05);
  expect(binomialCdf(0, 597, 0.005)).toBeGreaterThan(0.05);
  expect(allowedAbove(597, 0.005)).toBe(-1);
  expect(allowedAbove(598, 0.005)).toBe(0);
  // Tolerance tables: 95 % coverage with 95 % confidence takes 59, 93, 124 parts with 0, 1, 2 above.
  expect([58, 59, 92, 93, 123, 124].map((m) => allowedAbove(m, 0.05))).toEqual([-1, 0, 0, 1, 1, 2]);
});

test('Student t', () => {
  for (const [p, freedom, t] of [
    [0.995, 4, 4.604],
    [0.995, 10, 3.169],
    [0.95, 30, 1.697],
  ] as const)
    expect(Math.abs(studentQuantile(p, freedom) / t - 1)).toBeLessThan(0.01);
});

test('enough parts: the limit is one of their scores, and no more lie above it than the promise allows', () => {
  const scores = Array.from({ length: 700 }, (_, i) => 1 + i / 1000);
  const limit = limitByPromise(scores, [1], 0.005);
  expect(limit).toMatchObject({ provisional: false, goodParts: 700, goodPartsNeeded: 598, value: scores.at(-1) });
  expect(limitByPromise(scores, [1], 0.05).value).toBe(scores.at(-1 - allowedAbove(700, 0.05)));
});

test('too few parts: provisional, said so, and one bad part among them does not move it far', () => {
  const good = Array.from({ length: 30 }, (_, i) => 0.9 + i / 150);
  const limit = limitByPromise(good, [1, 1], 0.005);
  expect(limit.provisional).toBe(true);
  expect(limit.rule).toMatch(/provisional.*no promise/);
  expect(limit.value).toBeGreaterThan(Math.max(...good));
  expect(limitByPromise([...good, 5], [1, 1], 0.005).value).toBeLessThan(limit.value * 1.1);
  expect(limitByPromise([], [1], 0.005).value).toBeGreaterThan(1.2);
});

test('the promise is kept: 200 draws of held-out parts, a realised rate above 5 % in at most 16 of them', () => {
  const next = random(5);
  const draw = (): number => Math.exp(0.2 * Math.sqrt(-2 * Math.log(1 - next())) * Math.cos(2 * Math.PI * next()));
  const parts = Array.from({ length: 5000 }, draw);
  let broken = 0;
  for (let i = 0; i < 200; i++) {
    const heldOut = Array.from({ length: 120 }, draw);
    const { value, provisional } = limitByPromise(heldOut, [1], 0.05);
    expect(provisional).toBe(false);
    if (parts.filter((score) => score > value).length > 0.05 * parts.length) broken++;
  }
  expect(broken).toBeLessThanOrEqual(16);
});

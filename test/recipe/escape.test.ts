import { escapeOf, escapeText, escapeWarnings, passes, raiseFor } from '../../src/recipe/escape';
import type { Limit } from '../../src/recipe/limit';

const limit: Limit = { value: 1.5, provisional: false, goodParts: 60, goodPartsNeeded: 59, rule: 'the rule' };
const parts = (...scores: number[]) => scores.map((score, i) => ({ name: `part${i}`, score }));

test.each([Number.NaN, Number.POSITIVE_INFINITY, -1])('a score of %p is refused', (score) => {
  const refused = expect.objectContaining({ code: 'TEACH_REFUSED' }) as Error;
  expect(() => escapeOf(parts(score), 1.5, 0)).toThrow(refused);
  expect(() => raiseFor(limit, parts(1, score), 0)).toThrow(refused);
});

test('no bad part: nothing is known, and nothing is claimed', () => {
  expect(escapeOf([], 1.5, 0)).toBeNull();
});

test('the exact bound: Clopper-Pearson, one-sided 95 %; the rule of three where none escaped', () => {
  for (const bad of [1, 50, 150, 300]) {
    const found = escapeOf(parts(...new Array<number>(bad).fill(2)), 1.5, 0);
    expect(found?.escaped).toBe(0);
    expect(found?.bound).toBeCloseTo(1 - 0.05 ** (1 / bad), 9);
  }
  // Tables of the binomial: 1 of 10 -> 0.394163, 2 of 20 -> 0.282619 (one-sided 95 %).
  expect(escapeOf(parts(1, ...new Array<number>(9).fill(2)), 1.5, 0)?.bound).toBeCloseTo(0.394163, 5);
  expect(escapeOf(parts(1, 1, ...new Array<number>(18).fill(2)), 1.5, 0)?.bound).toBeCloseTo(0.282619, 5);
  expect(escapeOf(parts(1, 1, 1), 1.5, 0)?.bound).toBe(1);
  const none = escapeOf(parts(...new Array<number>(50).fill(2)), 1.5, 0);
  expect(none === null ? '' : escapeText(none)).toMatch(/0 of 50.*at most 5.8 %.*rule of three about 3\/50/);
});

test('a bad part in the grey zone does not escape; one exactly at the limit does', () => {
  expect(escapeOf(parts(1.45), 1.5, 0.1)?.escaped).toBe(0);
  expect(escapeOf(parts(1.5), 1.5, 0)?.escaped).toBe(1);
  expect(passes(1.39, 1.5, 0.1)).toBe(true);
});

test('a limit sample raises the limit until it passes, also outside of the grey zone; never lowers it', () => {
  expect(raiseFor(limit, [], 0)).toBe(limit);
  expect(raiseFor(limit, parts(1.2), 0)).toBe(limit);
  for (const grey of [0, 0.2]) {
    const raised = raiseFor(limit, parts(1.2, 1.9), grey);
    expect(passes(1.9, raised.value, grey)).toBe(true);
    expect(raised.rule).toMatch(/raised from 1\.500.*part1.*before: the rule/);
  }
});

test('a bad part that would pass is named, and whether a limit sample stands in the way', () => {
  const said = escapeWarnings(parts(1.4, 1.1, 3), parts(1.2), 1.5, 0);
  expect(said).toHaveLength(2);
  expect(said[0]).toMatch(/part0 is known to be bad and would pass \(1\.400, limit 1\.500\): a lower limit/);
  expect(said[1]).toMatch(/part1 .*cannot tell the two apart/);
});

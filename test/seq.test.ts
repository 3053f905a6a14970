import { furthest, isAhead, nextSeq, seqDistance, seqMax } from '../src/seq';

test('what is no number of the range is never ahead', () => {
  for (const seq of [0, -1, seqMax + 1, 1.5, Number.NaN, Number.POSITIVE_INFINITY]) expect(isAhead(seq, 5)).toBe(false);
});

test('the same and older numbers are not ahead, across the wrap too', () => {
  expect(isAhead(7, 7)).toBe(false);
  expect(isAhead(6, 7)).toBe(false);
  expect(isAhead(seqMax, 1)).toBe(false);
  expect(isAhead(seqMax - 5, 3)).toBe(false);
});

test('newer numbers are ahead, across the wrap too; after none, all are', () => {
  expect(isAhead(8, 7)).toBe(true);
  expect(isAhead(1, seqMax)).toBe(true);
  expect(isAhead(4, seqMax - 5)).toBe(true);
  expect(isAhead(seqMax, 0)).toBe(true);
});

test('of two different numbers exactly one is ahead of the other', () => {
  const numbers = [1, 2, 3, (seqMax - 1) / 2, (seqMax + 1) / 2, (seqMax + 3) / 2, seqMax - 1, seqMax];
  for (const a of numbers) for (const b of numbers) if (a !== b) expect(isAhead(a, b)).not.toBe(isAhead(b, a));
});

test('next wraps to 1 and never gives 0', () => {
  expect([nextSeq(0), nextSeq(1), nextSeq(seqMax - 1), nextSeq(seqMax)]).toEqual([1, 2, seqMax, 1]);
  expect(seqDistance(seqMax, 1)).toBe(1);
  expect(seqDistance(1, seqMax)).toBe(seqMax - 1);
});

test('the furthest of the last numbers, across the wrap too; free-run parts have none', () => {
  expect(furthest([])).toBe(0);
  expect(furthest([0, 0])).toBe(0);
  expect(furthest([seqMax - 1, 1, seqMax, 0])).toBe(1);
});

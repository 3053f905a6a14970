import { type Lived, live, type Reading } from '../../src/store/lived';

const day = 86_400_000;
const noon = Date.UTC(2026, 10, 20, 12);
const at = (over: Partial<Reading>): Reading => ({ wall: noon, trusted: true, mono: 1_000_000, kernelBoot: 'a', ...over });
const before: Lived = { ...at({}), elapsed: 10 * day };
const later = (now: Partial<Reading>) => live(before, at(now));

describe('how long the station has lived', () => {
  test('begins at nothing', () => {
    expect(live(null, at({}))).toEqual({ lived: { ...at({}), elapsed: 0 }, step: null });
  });

  test('within one start of the kernel its own clock counts', () => {
    const { lived, step } = later({ wall: noon + 600_000, mono: 1_600_000 });
    expect([lived.elapsed - before.elapsed, step]).toEqual([600_000, null]);
  });

  test.each([
    ['1970 to now', 56 * 365 * day],
    ['a day back', -day],
    ['an hour ahead', 3_600_000],
    ['ten years ahead', 3650 * day],
  ])('a wall clock that is set by %s moves the life by nothing, and is told', (_, jump) => {
    const { lived, step } = later({ wall: noon + jump + 5_000, mono: 1_005_000 });
    expect([lived.elapsed - before.elapsed, step]).toEqual([5_000, jump]);
  });

  test.each([
    ['a night', 14 * 3_600_000, true, 14 * 3_600_000],
    ['a long weekend', 3 * day, true, 3 * day],
    ['longer than any weekend: rather a clock that was set', 30 * day, true, 0],
    ['backwards', -5_000, true, 0],
    ['a clock nobody trusts', 3_600_000, false, 0],
  ])('switched off for %s', (_, off, trusted, counts) => {
    const { lived, step } = later({ wall: noon + off, trusted, mono: 60_000, kernelBoot: 'b' });
    expect([lived.elapsed - before.elapsed, step]).toEqual([counts, null]);
  });

  test('a kernel clock that goes back within one start is no longer believed', () => {
    expect(later({ mono: 5, wall: noon - 1 }).lived.elapsed).toBe(before.elapsed);
  });
});

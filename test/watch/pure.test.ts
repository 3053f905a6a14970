import { Code } from '../../src/codes';
import { centreOf, learn, nothingLearned } from '../../src/watch/baseline';
import { FaultyPictures } from '../../src/watch/faulty';
import { Runs } from '../../src/watch/runs';
import { Silence } from '../../src/watch/silence';
import { Trend, trendSchema } from '../../src/watch/trend';

describe('runs', () => {
  test('five rejects in a row, and again after five more; one good part ends it', () => {
    const runs = new Runs({ rejectsInRow: 5, noReject: 0 });
    expect([1, 2, 3, 4].map(() => runs.part(false))).toEqual([false, false, false, false]);
    expect(runs.manyRejects).toBe(false);
    expect(runs.part(false)).toBe(true);
    expect([1, 2, 3, 4, 5].map(() => runs.part(false))).toEqual([false, false, false, false, true]);
    expect([runs.manyRejects, runs.rejectsInRow]).toEqual([true, 10]);
    runs.part(true);
    expect([runs.manyRejects, runs.rejectsInRow, runs.sinceReject]).toEqual([false, 0, 1]);
  });

  test('a reject among good parts is no run, and ends theirs', () => {
    const runs = new Runs({ rejectsInRow: 2, noReject: 3 });
    for (const good of [true, false, true, false, true, true]) runs.part(good);
    expect([runs.manyRejects, runs.noReject]).toEqual([false, false]);
    runs.part(true);
    expect(runs.noReject).toBe(true);
    runs.part(false);
    expect(runs.noReject).toBe(false);
  });

  test('acknowledged: counted from zero; 0 is never', () => {
    const runs = new Runs({ rejectsInRow: 2, noReject: 2 });
    runs.part(false);
    runs.part(false);
    runs.acknowledge();
    expect([runs.manyRejects, runs.rejectsInRow]).toEqual([false, 0]);
    const never = new Runs({ rejectsInRow: 0, noReject: 0 });
    for (let n = 0; n < 100; n++) expect(never.part(n > 50)).toBe(false);
    expect([never.manyRejects, never.noReject]).toEqual([false, false]);
  });
});

describe('silence', () => {
  const minute = 60_000;
  const on = { shift: true, operational: true, triggers: 7 };

  test('is told after its minutes, and ends with a trigger', () => {
    const silence = new Silence(30 * minute);
    expect(silence.look({ ...on, now: 0 })).toBe(false);
    expect(silence.look({ ...on, now: 30 * minute - 1 })).toBe(false);
    expect(silence.look({ ...on, now: 30 * minute })).toBe(true);
    expect(silence.look({ ...on, now: 31 * minute, triggers: 8 })).toBe(false);
  });

  test.each([{ shift: false }, { operational: false }])('with %j no trigger is due, and the count begins anew', (idle) => {
    const silence = new Silence(30 * minute);
    silence.look({ ...on, now: 0 });
    expect(silence.look({ ...on, ...idle, now: 40 * minute })).toBe(false);
    expect(silence.look({ ...on, now: 41 * minute })).toBe(false);
    expect(silence.look({ ...on, now: 70 * minute })).toBe(false);
    expect(silence.look({ ...on, now: 71 * minute })).toBe(true);
  });

  test('acknowledged: told again after as long', () => {
    const silence = new Silence(minute);
    silence.look({ ...on, now: 0 });
    expect(silence.look({ ...on, now: minute })).toBe(true);
    silence.acknowledge();
    expect(silence.look({ ...on, now: 2 * minute - 1 })).toBe(false);
    expect(silence.look({ ...on, now: 2 * minute })).toBe(true);
    expect(new Silence(0).look({ ...on, now: 1e9 })).toBe(false);
  });
});

describe('faulty pictures', () => {
  test('above 1 % of a minute, by code; forgotten after it', () => {
    const faulty = new FaultyPictures();
    for (let n = 0; n < 198; n++) faulty.part(n * 100, Code.ok);
    faulty.part(19_900, Code.blur);
    faulty.part(19_950, Code.blur);
    expect(faulty.above(20_000)).toEqual(new Set()); // 2 of 200: not above 1 %
    faulty.part(19_960, Code.blur);
    faulty.part(19_970, Code.cameraLost); // has its own alarm
    expect(faulty.above(20_000)).toEqual(new Set([Code.blur]));
    expect(faulty.above(80_000)).toEqual(new Set());
  });
});

describe('the baseline', () => {
  const seen = (score: number) => ({ score, brightness: 100, sharpness: 20 });

  test('mean and standard deviation; what is no number is left out', () => {
    let learned = nothingLearned;
    for (const score of [1, 2, Number.NaN, 3, Number.POSITIVE_INFINITY]) learned = learn(learned, seen(score));
    expect(learned.parts).toBe(3);
    expect(centreOf(learned, 'score', 1)).toEqual({ mean: 2, sd: 1 });
  });

  test('equal pictures have a least spread, so that nothing is divided by zero', () => {
    let learned = nothingLearned;
    for (let n = 0; n < 50; n++) learned = learn(learned, seen(0.5));
    expect(centreOf(learned, 'score', 2)).toEqual({ mean: 0.5, sd: 0.02 });
    expect(centreOf(learned, 'brightness', 2)).toEqual({ mean: 100, sd: 0.25 });
    expect(centreOf(learned, 'sharpness', 2)).toEqual({ mean: 20, sd: 0.2 });
  });
});

describe('the charts of a recipe', () => {
  const usual = (n: number) => ({ score: 0.5 + 0.05 * (n % 3), brightness: 120 + (n % 5), sharpness: 20 + (n % 4) });
  const darker = (n: number) => ({ ...usual(n), brightness: 110 + (n % 5) });
  function taught(): Trend {
    const trend = new Trend(100, 'bank', null);
    expect(trend.deviation).toEqual({ score: null, brightness: null, sharpness: null });
    for (let n = 0; n < 99; n++) expect(trend.good(usual(n), 1)).toBe(false);
    expect(trend.missing).toBe(1);
    expect(trend.good(usual(99), 1)).toBe(true);
    return trend;
  }

  test('a lamp that grows dark: that chart alone tells, and ends when it is bright again', () => {
    const trend = taught();
    for (let n = 0; n < 200; n++) trend.good(usual(n), 1);
    expect([trend.has('score'), trend.has('brightness'), trend.has('sharpness')]).toEqual([false, false, false]);
    for (let n = 0; n < 60; n++) trend.good(darker(n), 1);
    expect([trend.has('score'), trend.has('brightness'), trend.has('sharpness')]).toEqual([false, true, false]);
    expect(trend.words('brightness')).toMatch(/^-3\.\d\d standard deviations from 122\.0, the mean of the first 100 good parts/);
    for (let n = 0; n < 200; n++) trend.good(usual(n), 1);
    expect(trend.has('brightness')).toBe(false);
  });

  test('comes back from its file as it was, alarm and all; with another bank it learns anew', () => {
    const trend = taught();
    for (let n = 0; n < 60; n++) trend.good(darker(n), 1);
    const stored = trendSchema.parse(JSON.parse(JSON.stringify(trend.toFile())));
    const again = new Trend(100, 'bank', stored);
    expect([again.missing, again.deviation, again.has('brightness')]).toEqual([0, trend.deviation, true]);
    expect(new Trend(100, 'other', stored).missing).toBe(100);
  });

  test('acknowledged: ended, and told again while it lasts', () => {
    const trend = taught();
    for (let n = 0; n < 60; n++) trend.good(darker(n), 1);
    trend.acknowledge();
    expect(trend.has('brightness')).toBe(false);
    for (let n = 0; n < 60; n++) trend.good(darker(n), 1);
    expect(trend.has('brightness')).toBe(true);
  });
});

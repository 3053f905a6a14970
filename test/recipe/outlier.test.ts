/** Who is odd among the shots: a place that sticks out, a part that is strange all over, another product; and who is not. Pure. */
import { leastAlike, outliers, type Standing, type Strangeness, standings } from '../../src/recipe/outlier';

const columns = 20;
const count = columns * columns;
const top = 0.01; // 4 patches

/** Distances of a part's patches: `level` with a spread of its own, and `spot` at some patches around (15, 5). */
function patches(seed: number, level = 1, spot = 0): Strangeness {
  let s = seed * 7919 + 1;
  const next = () => {
    s = (Math.imul(s, 1664525) + 1013904223) >>> 0;
    return s / 2 ** 32;
  };
  const values = Float32Array.from({ length: count }, () => level * (0.6 + 0.4 * next()));
  for (const at of [5 * columns + 15, 5 * columns + 16, 6 * columns + 15, 6 * columns + 16]) values[at] = (values[at] ?? 0) + spot;
  return { patches: values, columns, top };
}
/** Tokens of a part whose features have these means, and the same spread. */
const tokens = (...means: number[]): Float32Array[] => [
  Float32Array.from({ length: means.length * 40 }, (_, i) => (means[i % means.length] ?? 0) + ((Math.floor(i / means.length) % 5) - 2)),
];

interface Part {
  strange: Strangeness;
  score?: number;
  seen?: Float32Array[];
}
const stand = (parts: readonly Part[]): Standing[] =>
  standings(
    parts.map(({ seen }) => seen ?? tokens(0, 1)),
    [2],
    parts.map(({ score = 1 }) => score),
    parts.map(({ strange }) => strange),
  );
const named = (all: readonly Standing[]) =>
  outliers(
    all.map((_, i) => `shot ${i}`),
    all,
  ).map((words) => Number(/^shot (\d+) /.exec(words)?.[1]));
const good = (n: number): Part[] => Array.from({ length: n }, (_, i) => ({ strange: patches(i), score: 0.95 + 0.1 * (i / n) }));

describe('what cannot be told', () => {
  test('below three shots there is no majority, below four none is named to look at again', () => {
    expect(stand(good(2))).toEqual([]);
    expect(leastAlike(stand(good(3)))).toEqual([]);
    expect(outliers([], [])).toEqual([]);
  });

  test('a score or a distance that is no number is odd, never hidden', () => {
    const broken = patches(9);
    broken.patches.fill(Number.NaN);
    expect(named(stand([...good(6), { strange: broken }]))).toContain(6);
    expect(named(stand([...good(6), { strange: patches(9), score: Number.NaN }]))).toContain(6);
  });

  test('shots without any difference are all alike', () => {
    const same = Array.from({ length: 6 }, () => ({ strange: patches(1) }));
    expect(named(stand(same))).toEqual([]);
  });
});

test('a place that sticks out of a part is found, named by where it is, though its score is like the others', () => {
  const all = stand([...good(7), { strange: patches(8, 1, 0.8) }]);
  expect(named(all)).toEqual([7]);
  expect(all[7]).toMatchObject({ x: expect.closeTo(0.8, 1), y: expect.closeTo(0.3, 1) });
  expect(outliers(['a', 'b', 'c', 'd', 'e', 'f', 'g', 'bad.png'], all)[0]).toMatch(
    /^bad\.png does not look like the other shots \(score .*at (78|83) % from the left, (28|33) % from the top\): look there/,
  );
});

test('a part that differs a little all over has no such place; one that differs much all over is told by its score', () => {
  expect(named(stand([...good(7), { strange: patches(8, 1.3), score: 1.3 }]))).toEqual([]);
  expect(named(stand([...good(7), { strange: patches(8, 3), score: 3 }]))).toEqual([7]);
});

test('one more defect, or one less, changes nothing for the good ones beside it', () => {
  const bad = [8, 9].map((seed) => ({ strange: patches(seed, 1, 0.8) }));
  expect(named(stand([...good(8), ...bad]))).toEqual([8, 9]);
});

test('another product, though its parts are like each other; a feature that never moves does not decide alone', () => {
  const other = [8, 9].map((seed) => ({ strange: patches(seed), seen: tokens(9, -8) }));
  expect(named(stand([...good(8), ...other]))).toEqual([8, 9]);
  const moved = { strange: patches(8), seen: [tokens(0, 1)[0]?.map((x, i) => (i % 2 === 0 ? x : x * 1.02)) ?? new Float32Array(0)] };
  expect(named(stand([...good(8), moved]))).toEqual([]);
});

test('those to look at again: the oddest first, one in four and at least two', () => {
  const names = (all: readonly Standing[]) => leastAlike(all).map((one) => all.indexOf(one));
  const eight = stand([...good(6), { strange: patches(8, 1, 0.3) }, { strange: patches(9, 1, 0.8) }]);
  expect(names(eight)).toEqual([7, 6]);
  const other = [8, 9].map((seed) => ({ strange: patches(seed), seen: tokens(9, -8) }));
  expect(names(stand([...good(6), ...other])).sort()).toEqual([6, 7]);
  expect(leastAlike(stand(good(4)))).toHaveLength(2);
  expect(leastAlike(stand(good(16)))).toHaveLength(4);
});

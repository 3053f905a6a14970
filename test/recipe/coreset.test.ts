import { coreset, rowsFor } from '../../src/recipe/coreset';

function random(seed: number): () => number {
  let s = seed;
  return () => {
    s = (Math.imul(s, 1664525) + 1013904223) >>> 0;
    return s / 2 ** 32;
  };
}
const cloud = (count: number, dim: number, seed: number): Float32Array => {
  const next = random(seed);
  return Float32Array.from({ length: count * dim }, next);
};

test('no such tap is refused', () => {
  expect(() => rowsFor([{ rows: 2, columns: 2, dim: 8 }], 1)).toThrow(RangeError);
});

test('rows that are all the same: as many as asked for, each once, no hang', () => {
  const same = coreset({ rows: new Float32Array(50 * 4).fill(2), count: 50 }, 4, 7);
  expect(same.count).toBe(7);
  expect([...same.rows]).toEqual(new Array(28).fill(2));
});

test('a bank that is small enough stays as it is', () => {
  const rows = cloud(10, 4, 1);
  expect(coreset({ rows, count: 10 }, 4, 10)).toEqual({ rows, count: 10 });
});

test.each([4, 24, 80])('of dimension %i: the same bytes each time, every row one of the old, none twice', (dim) => {
  const rows = cloud(300, dim, 2);
  const first = coreset({ rows, count: 300 }, dim, 40);
  expect(coreset({ rows: Float32Array.from(rows), count: 300 }, dim, 40)).toEqual(first);
  const old = new Set(Array.from({ length: 300 }, (_, i) => rows.subarray(i * dim, (i + 1) * dim).join()));
  const kept = Array.from({ length: 40 }, (_, i) => first.rows.subarray(i * dim, (i + 1) * dim).join());
  expect(new Set(kept).size).toBe(40);
  expect(kept.every((row) => old.has(row))).toBe(true);
});

test('a rare cluster is kept: no row lies far from the coreset, as some do from a random draw', () => {
  const dim = 80;
  const rows = cloud(500, dim, 3);
  for (let i = 490 * dim; i < rows.length; i++) rows[i] = (rows[i] ?? 0) + 20; // ten rows far away
  const { rows: kept, count } = coreset({ rows, count: 500 }, dim, 50);
  const far = Array.from({ length: count }, (_, i) => kept[i * dim] ?? 0).filter((value) => value > 10);
  expect(far.length).toBeGreaterThan(0);
});

test('the size stays within the work that is stated, whatever the taps', () => {
  for (const taps of [
    [{ rows: 16, columns: 16, dim: 768 }],
    new Array(4).fill({ rows: 16, columns: 16, dim: 768 }) as { rows: number; columns: number; dim: number }[],
    [{ rows: 32, columns: 32, dim: 80 }],
  ]) {
    const work = taps.reduce((sum, { rows, columns, dim }, t) => sum + rows * columns * dim * rowsFor(taps, t), 0);
    expect(work).toBeLessThanOrEqual(0.04 * 22e9);
  }
});

test('a bank of several groups: as many rows as asked for, in their old order, the same bytes each time', () => {
  const rows = cloud(5001, 24, 4);
  const first = coreset({ rows, count: 5001 }, 24, 1000);
  expect(first.count).toBe(1000);
  expect(coreset({ rows: Float32Array.from(rows), count: 5001 }, 24, 1000)).toEqual(first);
  const place = new Map(Array.from({ length: 5001 }, (_, i) => [rows.subarray(i * 24, (i + 1) * 24).join(), i] as const));
  const order = Array.from({ length: 1000 }, (_, i) => place.get(first.rows.subarray(i * 24, (i + 1) * 24).join()) ?? -1);
  expect(order.every((row, i) => row > (order[i - 1] ?? -1))).toBe(true);
});

import { choose, isSample, type Kept, type Kind } from '../../src/store/pruning';

const kept = (journalSeq: number, kind: Kind, bytes = 10): Kept => ({ resultId: `P${journalSeq}`, journalSeq, kind, names: [], bytes });
const chosen = (...args: Parameters<typeof choose>): string[] =>
  choose(...args).map(({ picture, reason }) => `${picture.journalSeq} ${reason}`);
const young = { ok: 0, notOk: 0, unreviewed: 0, protect: 1000 };
const enough = { most: 1e9, space: 0 };

describe('which pictures go', () => {
  test('none, where nothing is old and there is room', () => {
    expect(chosen([kept(1, 'ok'), kept(2, 'unreviewed')], young, enough)).toEqual([]);
    expect(chosen([], young, { most: 0, space: 1e9 })).toEqual([]);
  });

  test('by age, each kind by its own', () => {
    const all = [1, 2, 3].flatMap((n) => (['ok', 'sample', 'notOk', 'unreviewed'] as const).map((kind, i) => kept(n * 10 + i, kind)));
    expect(chosen(all, { ok: 30, notOk: 22, unreviewed: 13, protect: 0 }, enough)).toEqual(
      [10, 11, 12, 13, 20, 21, 22, 30].map((n) => `${n} age`),
    );
  });

  test('for size and space: passes first, the oldest of them first; no more than needed', () => {
    const all = [kept(1, 'unreviewed'), kept(2, 'ok'), kept(3, 'notOk'), kept(4, 'ok'), kept(5, 'sample')];
    expect(chosen(all, young, { most: 35, space: 0 })).toEqual(['2 size', '4 size']);
    expect(chosen(all, young, { most: 35, space: 5 })).toEqual(['2 space', '4 size']);
    expect(chosen(all, young, { most: 1e9, space: 45 })).toEqual(['2 space', '4 space', '5 space', '3 space', '1 space']);
  });

  test('what is young and not reviewed stays, whatever the need', () => {
    const all = [kept(1, 'unreviewed'), kept(2, 'unreviewed'), kept(3, 'notOk')];
    expect(chosen(all, { ...young, protect: 1 }, { most: 0, space: 1e9 })).toEqual(['3 space', '1 space']);
    expect(chosen(all, { ...young, protect: 0 }, { most: 0, space: 1e9 })).toEqual(['3 space']);
  });

  test('what age takes counts for the need', () => {
    const all = [kept(1, 'ok'), kept(2, 'ok'), kept(3, 'ok')];
    expect(chosen(all, { ...young, ok: 1 }, { most: 20, space: 10 })).toEqual(['1 age']);
  });
});

test('one in n by the hash of the record: the same at each question, and about as many', () => {
  const hashes = Array.from({ length: 2000 }, (_, i) => {
    const hash = Buffer.alloc(32);
    hash.writeUInt32BE(Math.imul(i + 1, 2654435761) >>> 0);
    return hash;
  });
  const some = hashes.filter((hash) => isSample(hash, 10));
  expect(some.length).toBeGreaterThan(120);
  expect(some.length).toBeLessThan(280);
  expect(hashes.every((hash) => isSample(hash, 1))).toBe(true);
});

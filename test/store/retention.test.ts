import { createHash } from 'node:crypto';
import { existsSync, mkdirSync, readdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import Database from 'better-sqlite3';
import { monotonicMs, systemClock } from '../../src/clock';
import type { Reading } from '../../src/store/lived';
import type { SqliteLog } from '../../src/store/log';
import { Retention, type RetentionRules } from '../../src/store/retention';
import { verifyLog } from '../../src/store/verify';
import { keptDiagnostics } from '../plc/support';
import { clean, dataDir, fill, query, start, stop, verdict } from './support/station';

afterAll(clean);

const kept = keptDiagnostics();

const day = 86_400_000;
const path = (dir: string): string => join(dir, 'log.db');
const rules: RetentionRules = {
  okDays: 30,
  notOkDays: 60,
  unreviewedDays: 90,
  protectDays: 5,
  oneIn: 1_000_000,
  maxBytes: 1e12,
  minFreeBytes: 0,
  keepDays: 120,
  keepRows: 1e9,
  outbox: 1e9,
};

/** A station's life that goes on as the test says. */
class Life {
  private reading: Reading = { wall: Date.UTC(2026, 10, 20), trusted: true, mono: 0, kernelBoot: 'k1' };

  /** Time goes by, with the daemon running. */
  pass(days: number): void {
    this.reading = { ...this.reading, wall: this.reading.wall + days * day, mono: this.reading.mono + days * day };
  }

  set(over: Partial<Reading>): void {
    this.reading = { ...this.reading, ...over };
  }

  read = (): Reading => this.reading;
}

let dropped = 0; // records that went undelivered
function retention(dir: string, log: SqliteLog, life: Life, over: Partial<RetentionRules> = {}, newestKept = 1): Retention {
  const told = (records: number): void => {
    dropped += records;
  };
  const options = { dir, rules: { ...rules, ...over }, newestKept, dropped: told };
  return new Retention(options, log, systemClock, kept.diagnostics, life.read);
}

async function picture(dir: string, log: SqliteLog, n: number): Promise<void> {
  mkdirSync(join(dir, 'images'), { recursive: true });
  const resultId = verdict(n).part.resultId;
  for (const [name, kind] of [
    [`${resultId}.jpg`, 'picture'],
    [`${resultId}-map.jpg`, 'heatmap'],
  ] as const) {
    const bytes = Buffer.from(`${name} `.repeat(300));
    writeFileSync(join(dir, 'images', name), bytes);
    await log.image({ resultId, name, kind, sha256: createHash('sha256').update(bytes).digest('hex'), bytes: bytes.length });
  }
}

const numbersLeft = (dir: string): number[] =>
  readdirSync(join(dir, 'images'))
    .filter((name) => name.endsWith('-map.jpg'))
    .map((name) => Number(name.slice(1, 14)))
    .sort((a, b) => a - b);

const deletions = (dir: string): object[] =>
  query<{ detail: string }>(dir, "SELECT detail FROM events WHERE kind = 'picturesDeleted' ORDER BY journal_seq").map(
    ({ detail }) => JSON.parse(detail) as object,
  );

/** Six parts, 3 and 6 rejected, each with its pictures. */
async function sixParts(dir: string): Promise<{ log: SqliteLog; life: Life }> {
  const { log } = await start(dir);
  await fill(log, 1, 6);
  for (let n = 1; n <= 6; n++) await picture(dir, log, n);
  return { log, life: new Life() };
}

test('a clock that is set is in the log at the next look, once; one that goes on is not', async () => {
  const dir = dataDir();
  const { log } = await start(dir);
  const life = new Life();
  const sweeper = retention(dir, log, life);
  await sweeper.sweep();
  await sweeper.look();
  const steps = () => query(dir, "SELECT detail FROM events WHERE kind = 'clockStep' ORDER BY journal_seq");
  const went = (ms: number, set = 0) => life.set({ wall: life.read().wall + ms + set, mono: life.read().mono + ms });
  went(10_000);
  await sweeper.look();
  went(10_000, 50_000); // within what clocks may drift
  await sweeper.look();
  expect(steps()).toEqual([]);
  went(10_000, -3_600_000);
  await sweeper.look();
  await sweeper.look();
  expect(steps()).toEqual([{ detail: 'the wall clock was set by -3550 s' }]);
  went(10_000, 3_600_000);
  await sweeper.look();
  expect(steps()).toHaveLength(2);
  await stop(log);
});

describe('pictures', () => {
  test('a clock that jumps, and files the log knows nothing of: nothing is deleted', async () => {
    const dir = dataDir();
    const { log, life } = await sixParts(dir);
    writeFileSync(join(dir, 'images', 'ZZZZZZZZZZZZZZ.jpg'), 'of another log');
    writeFileSync(join(dir, 'images', 'notes.txt'), 'x'.repeat(100_000));
    mkdirSync(join(dir, 'images', 'P0000000000001.d'));
    const sweeper = retention(dir, log, life, { maxBytes: 1e9 });
    await sweeper.sweep();
    for (const jump of [3650 * day, -3650 * day, 400 * day]) {
      life.set({ wall: life.read().wall + jump, mono: life.read().mono + 60_000 });
      await sweeper.sweep();
    }
    life.set({ wall: life.read().wall + 365 * day, kernelBoot: 'k2', mono: 1000 }); // switched off, and on with another time
    await sweeper.sweep();
    expect(numbersLeft(dir)).toEqual([1, 2, 3, 4, 5, 6]);
    expect(deletions(dir)).toEqual([]);
    expect(query(dir, "SELECT count(*) AS n FROM events WHERE kind = 'clockStep'")).toEqual([{ n: 3 }]);
    for (const name of ['ZZZZZZZZZZZZZZ.jpg', 'notes.txt', 'P0000000000001.d']) expect(existsSync(join(dir, 'images', name))).toBe(true);
    await stop(log);
  });

  test('go by age: passes first, then what was judged, last what nobody judged; the log says so and holds', async () => {
    const dir = dataDir();
    const { log, life } = await sixParts(dir);
    await log.label({ resultId: verdict(3).part.resultId, label: 'bad', description: '', by: 'anna' });
    const sweeper = retention(dir, log, life);
    await sweeper.sweep();
    const left: number[][] = [];
    for (const days of [29, 3, 27, 3, 27, 3]) {
      life.pass(days);
      await sweeper.sweep();
      left.push(numbersLeft(dir));
    }
    expect(left).toEqual([[1, 2, 3, 4, 5, 6], [3, 6], [3, 6], [6], [6], []]);
    expect(deletions(dir)).toMatchObject([
      { reason: 'age', kind: 'ok', parts: 4, first: verdict(1).part.resultId, last: verdict(5).part.resultId },
      { reason: 'age', kind: 'notOk', parts: 1 },
      { reason: 'age', kind: 'unreviewed', parts: 1, first: verdict(6).part.resultId },
    ]);
    await stop(log);
    expect(await verifyLog(path(dir))).toMatchObject({ ok: true, pictures: 12, missingPictures: 12 });
  });

  test('one in n passes stays as long as a reject', async () => {
    const dir = dataDir();
    const { log, life } = await sixParts(dir);
    const sweeper = retention(dir, log, life, { oneIn: 1 });
    await sweeper.sweep();
    life.pass(40);
    await sweeper.sweep();
    expect(numbersLeft(dir)).toEqual([1, 2, 3, 4, 5, 6]);
    life.pass(25);
    await sweeper.sweep();
    expect(numbersLeft(dir)).toEqual([3, 6]);
    await stop(log);
  });

  test('for size, and for a disk that has no space: young ones nobody judged stay', async () => {
    const dir = dataDir();
    const { log, life } = await sixParts(dir);
    await log.label({ resultId: verdict(3).part.resultId, label: 'good', description: '', by: 'anna' });
    await retention(dir, log, life, { maxBytes: 70_000 }).sweep();
    const afterSize = numbersLeft(dir);
    expect(afterSize.length).toBeLessThan(6);
    expect(afterSize).toEqual(expect.arrayContaining([3, 6]));
    await retention(dir, log, life, { minFreeBytes: 1e18 }).sweep();
    expect(numbersLeft(dir)).toEqual([6]);
    life.pass(6);
    await retention(dir, log, life, { minFreeBytes: 1e18 }).sweep();
    expect(numbersLeft(dir)).toEqual([]);
    expect(deletions(dir)).toMatchObject([
      { reason: 'size', kind: 'ok' },
      ...(afterSize.length > 2 ? [{ reason: 'space', kind: 'ok' }] : []),
      { reason: 'space', kind: 'notOk', parts: 1 },
      { reason: 'space', kind: 'unreviewed', parts: 1 },
    ]);
    await stop(log);
  });

  test('a station without pictures yet, and one whose images is no folder: told, not the end', async () => {
    const dir = dataDir();
    const { log } = await start(dir);
    const sweeper = retention(dir, log, new Life());
    await sweeper.sweep();
    const before = kept.lines.length;
    writeFileSync(join(dir, 'images'), '');
    await sweeper.sweep();
    expect(kept.lines.slice(before)).toMatchObject([{ level: 50, msg: expect.stringContaining('tried again') }]);
    await sweeper.stop(monotonicMs() + 5_000);
    await sweeper.sweep();
    await stop(log);
  });
});

describe('records', () => {
  const first = (dir: string): number =>
    query<{ n: number }>(
      dir,
      'SELECT min(journal_seq) AS n FROM (SELECT journal_seq FROM inspections UNION ALL SELECT journal_seq FROM events)',
    )[0]?.n ?? 0;

  test('stay while they are to be delivered, while their pictures are there, and the newest always', async () => {
    const dir = dataDir();
    const { log, life } = await sixParts(dir);
    const sweeper = retention(dir, log, life, { keepDays: 1, okDays: 50 });
    await sweeper.sweep();
    life.pass(20);
    await sweeper.sweep();
    expect(first(dir)).toBe(1); // not delivered
    await log.delivered(18);
    await sweeper.sweep();
    expect(first(dir)).toBe(1); // pictures
    life.pass(100);
    await retention(dir, log, life, { keepDays: 1 }, 1000).sweep();
    expect(first(dir)).toBe(1); // too few are left
    expect(await log.forget({ upTo: 1e9, most: 10, keep: -5, why: 'test' })).toEqual({ rows: 10, undelivered: 0, more: true }); // never all of them
    expect(await log.forget({ upTo: 1e9, most: 1000, keep: -5, why: 'test' })).toEqual({ rows: 8, undelivered: 0, more: false });
    await stop(log);
    expect(await verifyLog(path(dir))).toMatchObject({ ok: true });
  });

  test('go oldest first in batches; what stays is proven from its anchor on, and numbers go on', async () => {
    const dir = dataDir();
    mkdirSync(join(dir, 'images'));
    const { log } = await start(dir);
    const life = new Life();
    const sweeper = retention(dir, log, life, { keepDays: 10 });
    await fill(log, 1, 450);
    await log.label({ resultId: verdict(1).part.resultId, label: 'good', description: '', by: 'anna' });
    await sweeper.sweep(); // takes note of the hour
    life.pass(11);
    await fill(log, 451, 460);
    await log.delivered(460);
    await sweeper.sweep();
    expect(first(dir)).toBe(451);
    const found = await verifyLog(path(dir));
    expect(found).toMatchObject({ ok: true, begins: { after: 450, reason: 'older than 10 days' } });
    expect(query(dir, "SELECT count(*) AS n FROM audit WHERE action = 'recordsRemoved'")).toEqual([{ n: 3 }]);
    expect(query(dir, 'SELECT label FROM labels')).toEqual([{ label: 'good' }]); // what people said stays
    await stop(log);
    const second = await start(dir);
    expect(second.notices).toEqual([]);
    expect(second.started).toMatchObject({ lastSeq: 460, bootNumber: 2 });
    await stop(second.log);
    expect(await verifyLog(path(dir))).toMatchObject({ ok: true });
  });

  test('above a number of records', async () => {
    const dir = dataDir();
    mkdirSync(join(dir, 'images'));
    const { log } = await start(dir);
    await fill(log, 1, 300);
    await log.delivered(300);
    await retention(dir, log, new Life(), { keepRows: 100 }).sweep();
    expect(first(dir)).toBe(201);
    await stop(log);
    expect(await verifyLog(path(dir))).toMatchObject({ ok: true, begins: { after: 200 } });
  });

  test('what the broker never took stays; above log.outbox the oldest go, counted, and delivery goes on behind them', async () => {
    const dir = dataDir();
    mkdirSync(join(dir, 'images'));
    const { log } = await start(dir);
    await fill(log, 1, 300);
    await log.delivered(20);
    dropped = 0;
    await retention(dir, log, new Life(), { keepRows: 100, outbox: 1000 }).sweep();
    expect([first(dir), dropped]).toEqual([21, 0]); // 20 were delivered; 280 wait, and may
    await retention(dir, log, new Life(), { keepRows: 100, outbox: 150 }).sweep();
    const anchors = query<{ detail: string }>(dir, "SELECT detail FROM events WHERE kind = 'anchor' ORDER BY journal_seq");
    expect(JSON.parse(anchors.at(-1)?.detail ?? '{}')).toMatchObject({ reason: 'more than 100 records', undelivered: dropped });
    expect(dropped).toBe(first(dir) - 21);
    expect(dropped).toBeGreaterThan(100);
    expect((await log.backlog(0, 1))[0]?.journalSeq).toBe(first(dir));
    await stop(log);
    expect(await verifyLog(path(dir))).toMatchObject({ ok: true });
  });

  test('the table lets nothing go that was not announced, and more than announced is found', async () => {
    const dir = dataDir();
    const { log } = await start(dir);
    await fill(log, 1, 30);
    await log.delivered(30);
    await log.forget({ upTo: 10, most: 100, keep: 1, why: 'test' });
    await stop(log);
    const db = new Database(path(dir));
    expect(() => db.exec('DELETE FROM inspections WHERE journal_seq = 11')).toThrow('append-only');
    expect(() => db.exec('DELETE FROM inspections WHERE journal_seq = 20')).toThrow('append-only');
    db.exec("UPDATE meta SET value = 12 WHERE name = 'prunedUpTo'");
    db.exec('DELETE FROM inspections WHERE journal_seq <= 12');
    db.close();
    expect(await verifyLog(path(dir))).toMatchObject({ ok: false });
  });

  test('removal beside a reader that verifies: no false alarm', async () => {
    const dir = dataDir();
    const { log } = await start(dir);
    await fill(log, 1, 1200);
    await log.delivered(1200);
    const verifying = verifyLog(path(dir));
    await log.forget({ upTo: 1100, most: 1100, keep: 1, why: 'test' });
    expect(await verifying).toMatchObject({ ok: true });
    await stop(log);
  });
});

import { copyFileSync, mkdirSync, readdirSync, readFileSync, rmSync, statSync, truncateSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import Database from 'better-sqlite3';
import { monotonicMs } from '../../src/clock';
import { bootId, bootNumberOf, ResultIds } from '../../src/line/ids';
import type { LogStart } from '../../src/ports';
import { SqliteLog } from '../../src/store/log';
import { columns, laterColumns } from '../../src/store/record';
import { verifyLog } from '../../src/store/verify';
import { bootName, clean, dataDir, fill, part, query, start, stop, tamper, verdict } from './support/station';

afterAll(clean);

const path = (dir: string): string => join(dir, 'log.db');
const opening = (dir: string): Promise<unknown> => new SqliteLog({ dir, bootId: bootName }).start(new AbortController().signal);

test('a log from before boxes is brought up to date; its hashes are what they were', async () => {
  const dir = dataDir();
  const first = await start(dir);
  await fill(first.log, 1, 5);
  await stop(first.log);
  const db = new Database(path(dir));
  db.exec('ALTER TABLE inspections DROP COLUMN boxes');
  db.pragma('user_version = 3');
  db.close();
  const { log } = await start(dir);
  const boxes = [{ x: 16, y: 0, width: 65535, height: 9 }];
  await log.commit(verdict(6, { evaluation: 2, code: 101, released: 0, boxes }));
  expect((await log.find(6))?.verdict.boxes).toEqual(boxes);
  expect((await log.find(5))?.verdict).not.toHaveProperty('boxes');
  await stop(log);
  expect(await verifyLog(path(dir))).toMatchObject({ ok: true, rows: 6 });
  tamper(dir, (file) => file.exec('UPDATE inspections SET boxes = NULL WHERE seq = 6'));
  expect(await verifyLog(path(dir))).toMatchObject({ ok: false });
});

describe('places and files that cannot be a log', () => {
  test('a data directory that cannot be made', async () => {
    const file = join(dataDir(), 'file');
    writeFileSync(file, '');
    await expect(opening(join(file, 'data'))).rejects.toMatchObject({
      code: 'LOG_UNAVAILABLE',
      message: expect.stringContaining('Choose a place'),
    });
    await expect(opening('/proc/verdictd')).rejects.toMatchObject({ code: 'LOG_UNAVAILABLE' });
  });

  test('log.db is a directory', async () => {
    const dir = dataDir();
    mkdirSync(path(dir));
    await expect(opening(dir)).rejects.toMatchObject({ code: 'LOG_UNAVAILABLE' });
  });

  test('a log of a newer verdictd is refused and left as it is', async () => {
    const dir = dataDir();
    const { log } = await start(dir);
    await fill(log, 1, 2);
    await stop(log);
    const db = new Database(path(dir));
    db.pragma('user_version = 99');
    db.close();
    const before = readFileSync(path(dir));
    await expect(opening(dir)).rejects.toMatchObject({ code: 'LOG_UNAVAILABLE', message: expect.stringContaining('newer verdictd') });
    await expect(verifyLog(path(dir))).rejects.toMatchObject({ message: expect.stringContaining('newer verdictd') });
    expect(readFileSync(path(dir)).equals(before)).toBe(true);
  });

  test('a database of another program is refused and left as it is', async () => {
    const dir = dataDir();
    const db = new Database(path(dir));
    db.exec('CREATE TABLE recipes (id)');
    db.close();
    await expect(opening(dir)).rejects.toMatchObject({ code: 'LOG_UNAVAILABLE', message: expect.stringContaining('another program') });
    expect(query(dir, 'SELECT * FROM recipes')).toEqual([]);
  });

  test('no log there to verify', async () => {
    await expect(verifyLog(path(dataDir()))).rejects.toMatchObject({
      code: 'LOG_UNAVAILABLE',
      message: expect.stringContaining('--data-dir'),
    });
  });

  test('a start that is aborted leaves nothing running', async () => {
    const stopper = new AbortController();
    const log = new SqliteLog({ dir: dataDir(), bootId: bootName });
    const starting = log.start(stopper.signal);
    stopper.abort();
    await expect(starting).rejects.toMatchObject({ code: 'ABORTED' });
    await expect(log.open(part(1))).rejects.toMatchObject({ code: 'LOG_UNAVAILABLE' });
    await log.stop(monotonicMs());
  });
});

describe('a damaged file', () => {
  // every kind of damage, done to a stopped log of 60 verdicts
  const damages: [string, (file: string) => void][] = [
    ['cut to half', (file) => truncateSync(file, Math.floor(readFileSync(file).length / 2))],
    ['cut within a page', (file) => truncateSync(file, 20_001)],
    ['not SQLite at all', (file) => writeFileSync(file, 'hello '.repeat(2000))],
    [
      'pages overwritten',
      (file) => {
        const bytes = readFileSync(file);
        bytes.fill(0xa5, 3 * 4096, bytes.length - 4096);
        writeFileSync(file, bytes);
      },
    ],
  ];

  test.each(damages)('%s: set aside, numbers go on, nothing is used twice', async (_, damage) => {
    const dir = dataDir();
    const first = await start(dir);
    await fill(first.log, 1, 60);
    await stop(first.log);
    damage(path(dir));

    const second = await start(dir);
    expect(readdirSync(dir).filter((name) => /^log\.db\.corrupt-\d{4}-\d\d-\d\d-1$/.test(name))).toHaveLength(1);
    expect(second.started).toMatchObject({ lastSeq: 60, bootNumber: 2 });
    expect(second.notices.join()).toMatch(/log\.db\.corrupt-[\d-]+-1: the log begins anew after record \d+/);
    const committed = await second.log.commit(verdict(61));
    expect(committed.journalSeq).toBe(62); // 61 says in the chain where it goes on from
    expect((await second.log.backlog(60, 10)).map((entry) => [entry.journalSeq, entry.type])).toEqual([
      [61, 'event'],
      [62, 'verdict'],
    ]);
    await stop(second.log);
    expect(await verifyLog(path(dir))).toMatchObject({ ok: true, rows: 2, begins: { after: 60 } });

    const third = await start(dir);
    expect(third.started).toMatchObject({ lastSeq: 61, bootNumber: 3 });
    expect(third.notices).toEqual([]);
    await stop(third.log);
  });

  test('a second damaged file does not overwrite the first', async () => {
    const dir = dataDir();
    for (let i = 0; i < 2; i++) {
      writeFileSync(path(dir), 'not a database, and long enough to be looked at'.repeat(50));
      const { log } = await start(dir);
      await stop(log);
    }
    expect(
      readdirSync(dir)
        .map((name) => /^log\.db\.corrupt-.*-(\d+)$/.exec(name)?.[1] ?? '')
        .filter(Boolean)
        .sort(),
    ).toEqual(['1', '2']);
  });

  test('log.db removed: numbers go on from the high-water file', async () => {
    const dir = dataDir();
    const first = await start(dir);
    await fill(first.log, 1, 5);
    await stop(first.log);
    rmSync(path(dir));
    const second = await start(dir);
    expect(second.started).toMatchObject({ lastSeq: 5, bootNumber: 2 });
    expect(second.notices.join()).toContain('missing');
    await stop(second.log);
    expect(await verifyLog(path(dir))).toMatchObject({ ok: true, begins: { after: 5 } });
  });

  test('log.db lost after an unclean stop: the mark may lag, so numbers are left out', async () => {
    const dir = dataDir();
    const first = await start(dir);
    await fill(first.log, 1, 5);
    copyFileSync(join(dir, 'log.highwater'), join(dir, 'unclean'));
    await fill(first.log, 6, 9); // what the mark missed
    await stop(first.log);
    copyFileSync(join(dir, 'unclean'), join(dir, 'log.highwater'));
    rmSync(path(dir));
    const second = await start(dir);
    expect((await second.log.commit(verdict(10))).journalSeq).toBeGreaterThan(9);
    await stop(second.log);
    expect(await verifyLog(path(dir))).toMatchObject({ ok: true, rows: 2 });
  });

  test('both gone, and files that are no pictures of a run: numbers begin at 1', async () => {
    const dir = dataDir();
    mkdirSync(join(dir, 'images'));
    for (const name of ['notes.txt', '0000700000000I.jpg', '0000700000000.jpg', '000070000000000.jpg', 'ZZZZZZZZZZZZZZ.jpg']) {
      writeFileSync(join(dir, 'images', name), '');
    }
    const log = new SqliteLog({ dir, bootId, bootNumberOf });
    expect((await log.start(new AbortController().signal)).bootNumber).toBe(1);
    await stop(log);
  });

  test('log.db and the high-water file both removed: the pictures tell how many runs there were', async () => {
    const dir = dataDir();
    const notices: string[] = [];
    const run = async (): Promise<LogStart> => {
      const log = new SqliteLog({ dir, bootId, bootNumberOf, notice: (text) => notices.push(text) });
      const started = await log.start(new AbortController().signal);
      await stop(log);
      return started;
    };
    expect((await run()).bootNumber).toBe(1);
    expect((await run()).bootNumber).toBe(2);
    for (const name of ['log.db', 'log.highwater']) rmSync(join(dir, name));
    const images = join(dir, 'images', '2026-11');
    mkdirSync(images, { recursive: true });
    for (const boot of [1, 2, 40]) writeFileSync(join(images, `${new ResultIds(boot).next()}-map.jpg`), '');
    expect(notices).toEqual([]);
    expect((await run()).bootNumber).toBe(41);
    expect(notices.join()).toMatch(/pictures of start 40.*begin at 1 again/);
    expect((await run()).bootNumber).toBe(42); // from the log again
    expect(await verifyLog(path(dir))).toMatchObject({ ok: true });
  });

  test('damaged, and without its high-water file: what is readable still counts', async () => {
    const dir = dataDir();
    const first = await start(dir);
    await fill(first.log, 1, 60);
    await stop(first.log);
    rmSync(join(dir, 'log.highwater'));
    const db = new Database(path(dir));
    const size = Number(db.pragma('page_size', { simple: true }));
    const page = db.prepare("SELECT rootpage FROM sqlite_schema WHERE name = 'inspections_seq'").pluck().get() as number;
    db.close();
    const bytes = readFileSync(path(dir));
    bytes.fill(0xa5, (page - 1) * size, page * size);
    writeFileSync(path(dir), bytes);
    const second = await start(dir);
    expect(second.started).toMatchObject({ lastSeq: 60, bootNumber: 2 });
    expect((await second.log.commit(verdict(61))).journalSeq).toBeGreaterThan(60);
    await stop(second.log);
  });
});

describe('what an earlier run left', () => {
  test('open parts are closed as Aborted, once, and are in the journal', async () => {
    const dir = dataDir();
    const first = await start(dir);
    await fill(first.log, 1, 2);
    const waiting = part(3);
    await first.log.open(waiting, 'L3');
    await first.log.open(part(4, { simulated: true }));
    await stop(first.log); // with both still open
    const second = await start(dir);
    expect(second.started).toEqual({ lastSeq: 4, bootNumber: 2, aborted: 2 });
    const found = (await second.log.find(3))?.verdict;
    expect(found).toMatchObject({
      evaluation: 0,
      state: 3,
      code: 402,
      released: 0,
      lot: 'L3',
      part: { partId: 'A3', opened: waiting.opened }, // as written: whoever asks works out whether it is young
    });
    const entries = (await second.log.backlog(2, 10)).map((entry) => JSON.parse(entry.payload) as Record<string, unknown>);
    expect(entries).toEqual([
      expect.objectContaining({
        journalSeq: 3,
        seq: 3,
        verdict: 'ERROR',
        released: 0,
        resultState: 3,
        resultEvaluationCode: 402,
        bootId: 'boot1',
      }),
      expect.objectContaining({ journalSeq: 4, seq: 4, verdict: 'ERROR', released: 0 }),
    ]);
    await stop(second.log);
    const third = await start(dir);
    expect(third.started.aborted).toBe(0);
    await stop(third.log);
    expect(query(dir, 'SELECT * FROM pending')).toEqual([]);
    expect(await verifyLog(path(dir))).toMatchObject({ ok: true, rows: 4 });
  });

  test('journal numbers and chain go on over restarts without a gap', async () => {
    const dir = dataDir();
    for (let run = 0; run < 4; run++) {
      const { log, started, notices } = await start(dir);
      expect(started).toEqual({ lastSeq: run * 5, bootNumber: run + 1, aborted: 0 });
      expect(notices).toEqual([]);
      await fill(log, run * 5 + 1, run * 5 + 5);
      await log.event('shift', `run ${run}`);
      await stop(log);
    }
    const numbers = query<{ n: number }>(
      dir,
      'SELECT journal_seq AS n FROM inspections UNION ALL SELECT journal_seq FROM events ORDER BY 1',
    ).map((row) => row.n);
    expect(numbers).toEqual(Array.from({ length: 24 }, (_, i) => i + 1));
    expect(await verifyLog(path(dir))).toMatchObject({ ok: true, rows: 24 });
  });

  test('the last number is the furthest used, also past the end of the range', async () => {
    const dir = dataDir();
    const first = await start(dir);
    for (const [n, seq] of [
      [1, 2147483646],
      [2, 2147483647],
      [3, 2],
      [4, 1],
      [5, 0],
    ] as const) {
      await first.log.commit(verdict(n, seq === 0 ? { released: 0, code: 207 } : {}, { seq }));
    }
    await stop(first.log);
    rmSync(join(dir, 'log.highwater'));
    const second = await start(dir);
    expect(second.started.lastSeq).toBe(2);
    await stop(second.log);
  });

  test('an older high-water mark (power cut) is no fault, and a copy of log.db alone is told', async () => {
    const dir = dataDir();
    const first = await start(dir);
    await fill(first.log, 1, 3);
    copyFileSync(join(dir, 'log.highwater'), join(dir, 'old'));
    await fill(first.log, 4, 6);
    await stop(first.log);
    copyFileSync(join(dir, 'old'), join(dir, 'log.highwater'));
    expect(await verifyLog(path(dir))).toMatchObject({ ok: true, rows: 6 });
    const second = await start(dir);
    expect(second.notices).toEqual([]);
    expect(second.started.lastSeq).toBe(6);
    await stop(second.log);
  });
});

describe('the file', () => {
  test('its WAL has its size from the start, so that commits overwrite what is there; what is not a frame is not read', async () => {
    const dir = dataDir();
    const { log } = await start(dir);
    const size = (): number => statSync(`${path(dir)}-wal`).size;
    const before = size();
    expect(before).toBe(4 * 1024 * 1024);
    await fill(log, 1, 60);
    expect(size()).toBe(before);
    for (const name of ['log.db', 'log.db-wal']) copyFileSync(join(dir, name), join(dir, `copy${name.slice(3)}`)); // as a killed process leaves it
    const db = new Database(join(dir, 'copy.db'));
    expect(db.pragma('integrity_check', { simple: true })).toBe('ok');
    expect(db.prepare('SELECT count(*) FROM inspections').pluck().get()).toBe(60);
    db.close();
    await stop(log);
  });

  test('is a write-ahead log; the hash covers every column of the schema', async () => {
    const dir = dataDir();
    const { log } = await start(dir);
    await stop(log);
    expect(query(dir, 'PRAGMA journal_mode')).toEqual([{ journal_mode: 'wal' }]);
    for (const table of ['inspections', 'images', 'events'] as const) {
      const names = query<{ name: string; type: string }>(dir, `PRAGMA table_info(${table})`).map((row) => [
        row.name,
        row.type.toLowerCase(),
      ]);
      expect(names).toEqual([...columns[table], ['prev_hash', 'blob'], ['hash', 'blob'], ...laterColumns[table]]);
    }
  });
});

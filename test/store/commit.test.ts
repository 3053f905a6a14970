import { execFileSync } from 'node:child_process';
import { renameSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import Database from 'better-sqlite3';
import { monotonicMs } from '../../src/clock';
import { type Code, codes } from '../../src/codes';
import type { Verdict } from '../../src/ports';
import { SqliteLog } from '../../src/store/log';
import { listVerdicts } from '../../src/store/read';
import { verifyLog } from '../../src/store/verify';
import { wordOf } from '../../src/verdict_word';
import { bootName, clean, dataDir, fill, part, query, start, stop, verdict } from './support/station';

afterAll(clean);

const path = (dir: string): string => join(dir, 'log.db');
const all = { last: 1000, verdict: null, recipe: null, lot: null, since: null, until: null };

describe('what the log does not take', () => {
  test('a release that is none: refused, not acknowledged, no row', async () => {
    const dir = dataDir();
    const { log } = await start(dir);
    const wrong: Partial<Verdict>[] = [
      { evaluation: 2, code: 101 },
      { evaluation: 3, code: 102 },
      { evaluation: 0, state: 4, code: 403 },
      { state: 3 },
      { code: 402 },
    ];
    for (const [i, over] of wrong.entries()) {
      await expect(log.commit(verdict(10 + i, { ...over, released: 1 }))).rejects.toMatchObject({ code: 'INTERNAL' });
    }
    await expect(log.commit(verdict(1, { released: 1 }, { seq: 0 }))).rejects.toMatchObject({ code: 'INTERNAL' });
    // The gate has its no; the parts have their rows all the same, as what the gate was told.
    await until(() => log.unwritten.waiting === 0);
    expect(log.unwritten.dropped).toBe(0);
    expect((await log.find(10))?.verdict).toMatchObject({ released: 0, late: true });
    await stop(log);
    const rows = query<{ seq: number; released: number }>(dir, 'SELECT journal_seq AS seq, released FROM inspections ORDER BY journal_seq');
    expect(rows).toEqual(Array.from({ length: wrong.length + 1 }, (_, i) => ({ seq: i + 1, released: 0 }))); // and no number was lost
    expect(await verifyLog(path(dir))).toMatchObject({ ok: true, rows: wrong.length + 1 });
  });

  test('a verdict that no row can hold: refused, told, and its place in the chain says so', async () => {
    const dir = dataDir();
    const { log, notices } = await start(dir);
    await expect(log.commit(verdict(1, { code: 1000 as never, released: 0 }))).rejects.toMatchObject({ code: 'INTERNAL' });
    await until(() => log.unwritten.waiting === 0);
    expect(log.unwritten.dropped).toBe(1);
    expect(notices.join()).toContain('cannot be logged');
    expect((await log.commit(verdict(2))).journalSeq).toBe(2);
    await stop(log);
    const [event] = query<{ kind: string; detail: string }>(dir, 'SELECT kind, detail FROM events');
    expect(event).toMatchObject({ kind: 'notLogged', detail: expect.stringContaining(part(1).resultId) });
    expect(await verifyLog(path(dir))).toMatchObject({ ok: true, rows: 2 });
  });

  test('a verdict that is in the log as a pass waits until the event that takes it back is there too', async () => {
    const dir = dataDir();
    const { log } = await start(dir);
    await log.commit(verdict(1));
    const inside = log as unknown as {
      hold(one: Verdict): void;
      drain(most: number): Promise<void>;
      client: { call(...args: unknown[]): unknown };
    };
    const { client } = inside;
    const call = client.call.bind(client);
    let refused = 0;
    client.call = (method: unknown, ...rest: unknown[]) =>
      method === 'event' && refused++ === 0 ? Promise.reject(new Error('disk full')) : call(method, ...rest);
    inside.hold(verdict(1)); // its commit was not answered, and the gate was told no
    await inside.drain(10).catch(() => undefined);
    expect(log.unwritten.waiting).toBe(1);
    await until(() => log.unwritten.waiting === 0);
    await stop(log);
    expect(query(dir, 'SELECT kind FROM events')).toEqual([{ kind: 'notReleased' }]);
  });

  test('the first verdict that is dropped because too many wait is told', () => {
    const notices: string[] = [];
    const log = new SqliteLog({ dir: dataDir(), bootId: bootName, notice: (text) => notices.push(text) });
    const { hold } = log as unknown as { hold(one: Verdict): void };
    for (let n = 1; n <= 1000; n++) hold.call(log, verdict(n));
    expect(notices).toEqual([]);
    for (let n = 1001; n <= 1010; n++) hold.call(log, verdict(n));
    expect(notices).toEqual([expect.stringContaining('1000 verdicts wait')]);
    expect(log.unwritten).toEqual({ waiting: 1000, dropped: 10 });
  });

  test('a part opened or decided twice', async () => {
    const { log } = await start(dataDir());
    await log.open(part(1));
    await expect(log.open(part(1))).rejects.toMatchObject({ code: 'INTERNAL' });
    await expect(log.open(part(2, { seq: 1 }))).rejects.toMatchObject({ code: 'INTERNAL' });
    const one = verdict(1);
    const first = await log.commit(one);
    const again = await log.commit(one); // the same call again, its answer lost: the same place
    expect([again.journalSeq, again.hash]).toEqual([first.journalSeq, first.hash]);
    await expect(log.commit({ ...one, evaluation: 2, code: 101, released: 0 })).rejects.toMatchObject({ code: 'INTERNAL' });
    await expect(log.open(part(1, { seq: 7 }))).rejects.toMatchObject({ code: 'INTERNAL' });
    await stop(log);
  });

  test('a picture of no part, outside images/, or with a hash that is none; an event of the log’s own kind', async () => {
    const { log } = await start(dataDir());
    await log.commit(verdict(1));
    const record = { resultId: part(1).resultId, name: 'a.jpg', kind: 'picture', sha256: 'a'.repeat(64), bytes: 1 } as const;
    for (const name of ['../a.jpg', '/etc/passwd', 'a/../b', '', 'a b']) {
      await expect(log.image({ ...record, name })).rejects.toMatchObject({ code: 'INTERNAL' });
    }
    await expect(log.image({ ...record, sha256: 'none' })).rejects.toMatchObject({ code: 'INTERNAL' });
    await expect(log.image({ ...record, resultId: 'nobody' })).rejects.toMatchObject({ code: 'LOG_UNAVAILABLE' });
    await expect(log.event('anchor', '{}')).rejects.toMatchObject({ code: 'INTERNAL' });
    await log.image(record);
    await stop(log);
  });

  test('a second writer: the chain keeps one end', async () => {
    const dir = dataDir();
    const first = await start(dir);
    await fill(first.log, 1, 3);
    const second = await start(dir); // without the lock of the data directory
    await second.log.commit(verdict(4));
    await expect(first.log.commit(verdict(5))).rejects.toMatchObject({
      code: 'LOG_UNAVAILABLE',
      message: expect.stringContaining('another program'),
    });
    await second.log.commit(verdict(6));
    await stop(first.log);
    await stop(second.log);
    expect(await verifyLog(path(dir))).toMatchObject({ ok: true, rows: 5 });
  });

  test('log.db taken away while it is in use: not acknowledged', async () => {
    const dir = dataDir();
    const { log } = await start(dir);
    await fill(log, 1, 3);
    renameSync(path(dir), join(dir, 'elsewhere.db'));
    await expect(log.commit(verdict(4))).rejects.toMatchObject({
      code: 'LOG_REMOVED',
      message: expect.stringContaining('removed or replaced'),
    });
    renameSync(join(dir, 'elsewhere.db'), path(dir));
    expect((await log.commit(verdict(5))).journalSeq).toBeGreaterThan(3);
    await stop(log);
    expect(await verifyLog(path(dir))).toMatchObject({ ok: true, rows: 5 });
  });

  test.each(['while parts come', 'while none come'])(
    'log.db removed %s: its owner is told once, and what waited is in the next log',
    async (when) => {
      const dir = dataDir();
      const failures: string[] = [];
      const log = new SqliteLog({ dir, bootId: bootName, failed: (error) => failures.push(error.code) });
      await log.start(new AbortController().signal);
      await fill(log, 1, 3);
      rmSync(path(dir));
      if (when === 'while parts come')
        for (const n of [4, 5]) await expect(log.commit(verdict(n))).rejects.toMatchObject({ code: 'LOG_REMOVED' });
      await until(() => failures.length > 0);
      await stop(log);
      expect(failures).toEqual(['LOG_REMOVED']);
      if (when === 'while none come') return;
      expect(query(dir, 'SELECT seq, released, late FROM inspections ORDER BY journal_seq')).toEqual([
        { seq: 4, released: 0, late: 1 },
        { seq: 5, released: 0, late: 1 },
      ]);
      expect(await verifyLog(path(dir))).toMatchObject({ ok: true });
    },
  );

  test('somebody holds the file: not acknowledged, written when it is free, and whoever delivers is told', async () => {
    const dir = dataDir();
    const owed: number[] = []; // the outbox when it was told of
    const { log } = await start(dir, {
      caughtUp: () => void log.backlog(0, 10).then((entries) => owed.push(entries.length)),
    });
    const db = new Database(path(dir));
    db.exec('BEGIN IMMEDIATE');
    await expect(log.commit(verdict(1))).rejects.toMatchObject({
      code: 'LOG_UNAVAILABLE',
      message: expect.stringContaining('SQLITE_BUSY'),
    });
    expect(log.unwritten).toEqual({ waiting: 1, dropped: 0 });
    expect(await log.find(1)).toBeNull();
    db.exec('ROLLBACK');
    db.close();
    await until(() => log.unwritten.waiting === 0);
    expect((await log.find(1))?.verdict).toMatchObject({ evaluation: 1, released: 0, late: true, code: 502 });
    expect(owed).toEqual([1]);
    await stop(log);
    expect(listVerdicts(path(dir), all)).toMatchObject([{ verdict: 'ERROR', code: 502 }]);
  });

  test.each([
    ['the disk takes it again', false],
    ['the station stops before', true],
  ])('an event that takes a pass back waits until %s; one that does not is only refused', async (_, stopping) => {
    const dir = dataDir();
    const { log } = await start(dir);
    const { part } = (await log.commit(verdict(1))).verdict;
    const db = new Database(path(dir));
    db.exec('BEGIN IMMEDIATE');
    const taken = `${part.resultId} seq 1: decided ok, published ok 0`;
    await expect(log.event('notReleased', taken)).rejects.toMatchObject({ code: 'LOG_UNAVAILABLE' });
    await expect(log.event('lot', 'L8')).rejects.toMatchObject({ code: 'LOG_UNAVAILABLE' });
    db.exec('ROLLBACK');
    db.close();
    const events = (): string[] => query<{ detail: string }>(dir, 'SELECT detail FROM events').map(({ detail }) => detail);
    if (!stopping) await until(() => events().length > 0);
    await stop(log);
    expect(events()).toEqual([taken]);
    expect(await verifyLog(path(dir))).toMatchObject({ ok: true, rows: 2 });
  });
});

async function until(done: () => boolean): Promise<void> {
  while (!done()) await new Promise((resolve) => setTimeout(resolve, 20));
}

/** A small disk of our own, if this user may mount one. */
function tinyDisk(dir: string): string | null {
  try {
    execFileSync('mount', ['-t', 'tmpfs', '-o', 'size=2m', 'none', dir], { stdio: 'pipe' });
    return null;
  } catch (thrown) {
    return (thrown as Error).message.split('\n')[1] ?? 'mount failed';
  }
}

describe('a full disk', () => {
  test('nothing is acknowledged that is not written; what waited is written when there is space', async () => {
    const dir = dataDir();
    const refused = tinyDisk(dir);
    if (refused !== null) {
      console.log(`skipped: a 2 MB disk cannot be mounted here (${refused})`);
      return;
    }
    try {
      const { log, notices } = await start(dir);
      const acknowledged: string[] = [];
      execFileSync('sh', ['-c', 'dd if=/dev/zero of="$1" bs=1k count=1000 2>/dev/null; true', 'sh', join(dir, 'other')]);
      let failure: unknown = null;
      for (let n = 1; failure === null && n < 2000; n++) {
        try {
          acknowledged.push((await log.commit(verdict(n))).verdict.part.resultId);
        } catch (thrown) {
          failure = thrown;
        }
      }
      expect(failure).toMatchObject({ code: 'LOG_UNAVAILABLE', message: expect.stringContaining('Free space') });
      expect(acknowledged.length).toBeGreaterThan(10);
      // it answers on, reads on, and refuses on
      const before = log.alive();
      await expect(log.commit(verdict(3000))).rejects.toMatchObject({ code: 'LOG_UNAVAILABLE' });
      expect(log.alive()).toBeGreaterThan(before);
      expect((await log.find(1))?.verdict).toMatchObject({ released: 1 });
      expect(query<{ id: string }>(dir, 'SELECT result_id AS id FROM inspections ORDER BY journal_seq').map((row) => row.id)).toEqual(
        acknowledged,
      );
      expect(log.unwritten.waiting).toBe(2);
      // space returns
      execFileSync('rm', [join(dir, 'other')]);
      await until(() => log.unwritten.waiting === 0);
      expect((await log.commit(verdict(4000))).journalSeq).toBe(acknowledged.length + 3);
      expect((await log.find(3000))?.verdict).toMatchObject({ released: 0, late: true });
      await stop(log);
      expect(notices).toEqual([]);
      expect(await verifyLog(path(dir))).toMatchObject({ ok: true, rows: acknowledged.length + 3 });
    } finally {
      execFileSync('umount', [dir]);
    }
  }, 60_000);

  test('1000 wait at most; the oldest go first and are counted', async () => {
    const dir = dataDir();
    const { log } = await start(dir);
    renameSync(path(dir), join(dir, 'elsewhere.db'));
    await Promise.all(Array.from({ length: 1010 }, (_, n) => log.commit(verdict(n + 1)).catch(() => null)));
    expect(log.unwritten).toEqual({ waiting: 1000, dropped: 10 });
    renameSync(join(dir, 'elsewhere.db'), path(dir));
    await log.stop(monotonicMs() + 60_000); // a thousand syncs, on whatever disk
    const rows = query<{ seq: number }>(dir, 'SELECT seq FROM inspections ORDER BY journal_seq');
    expect([rows.length, rows[0]?.seq, rows.at(-1)?.seq]).toEqual([1000, 11, 1010]);
  }, 90_000);
});

describe('a verdict', () => {
  test('comes back as it went in, whatever its text and numbers', async () => {
    const dir = dataDir();
    const { log } = await start(dir);
    const odd = verdict(1, {
      score: Number.NaN,
      limit: -0,
      mapMax: 5e-324,
      frameId: Number.MAX_SAFE_INTEGER,
      probabilities: { normal: 1 / 3, anomaly: 2 / 3 },
      detail: 'Größe "é" \u0000 \u2028 🙂',
      evaluation: 0,
      state: 4,
      code: 403,
      released: 0,
      lot: '日本',
    });
    await log.commit(odd);
    expect((await log.find(1))?.verdict).toEqual({ ...odd, score: null, limit: 0 });
    await log.commit(verdict(2, { score: Number.POSITIVE_INFINITY, detail: '\ud800 alone' }));
    await log.commit(verdict(3, { detail: 'x'.repeat(5000), lot: '🙂'.repeat(100) }));
    await stop(log);
    expect(await verifyLog(path(dir))).toMatchObject({ ok: true, rows: 3 });
  });

  test('find gives the newest under a number; 0 and open numbers have none', async () => {
    const { log } = await start(dataDir());
    await log.commit(verdict(1, { released: 0, code: 207 }, { seq: 0 }));
    await log.open(part(2));
    expect(await log.find(0)).toBeNull();
    expect(await log.find(2)).toBeNull();
    await log.commit(verdict(2));
    await log.commit(verdict(3, {}, { seq: 2 })); // after the range went round
    expect((await log.find(2))?.verdict.part.resultId).toBe(part(3).resultId);
    await stop(log);
  });

  test('the view says the words of wordOf, and the reasons of the code table', async () => {
    const dir = dataDir();
    const { log } = await start(dir);
    const made: Verdict[] = [];
    let n = 0;
    for (const evaluation of [0, 1, 2, 3] as const) {
      for (const released of [0, 1] as const) {
        for (const simulated of [false, true]) {
          if (released === 1 && evaluation !== 1) continue; // the log refuses it
          const code: Code = released === 1 ? 0 : evaluation === 2 ? 101 : 603;
          made.push(verdict(++n, { evaluation, released, code }, { simulated }));
        }
      }
    }
    for (const one of made) await log.commit(one);
    await stop(log);
    const rows = listVerdicts(path(dir), all);
    expect(rows.map((row) => [row.verdict, row.reason])).toEqual(made.map((one) => [wordOf(one), codes[one.code].text]));
  });

  test('lists by word, recipe, time and number', async () => {
    const dir = dataDir();
    const { log } = await start(dir);
    await fill(log, 1, 9);
    await log.commit(verdict(10, {}, { recipe: { id: 'plate', number: 4 } }));
    expect(listVerdicts(path(dir), { ...all, verdict: 'FAIL' }).map((row) => row.seq)).toEqual([3, 6, 9]);
    expect(listVerdicts(path(dir), { ...all, recipe: 'plate' }).map((row) => row.seq)).toEqual([10]);
    expect(listVerdicts(path(dir), { ...all, last: 2 }).map((row) => row.seq)).toEqual([9, 10]);
    expect(listVerdicts(path(dir), { ...all, since: '2999-01-01T00:00:00.000Z' })).toEqual([]);
    await stop(log);
  });

  test('the log proves its life while nothing happens', async () => {
    const { log } = await start(dataDir());
    const before = log.alive();
    await until(() => log.alive() > before);
    expect(log.alive()).toBeLessThanOrEqual(monotonicMs());
    await stop(log);
  });
});

import { createHash } from 'node:crypto';
import { mkdirSync, readFileSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import Database from 'better-sqlite3';
import { recordsAfter } from '../../src/store/read';
import { recordHash } from '../../src/store/record';
import { verifyLog } from '../../src/store/verify';
import { clean, dataDir, fill, query, start, stop, tamper } from './support/station';

afterAll(clean);

/** A stopped station's directory: 12 verdicts, pictures at 13 and 14, an event at 15, verdicts 16 to 18. */
async function made(): Promise<string> {
  const dir = dataDir();
  const { log } = await start(dir);
  await fill(log, 1, 12);
  mkdirSync(join(dir, 'images'));
  for (const [n, text] of [
    [3, 'scratch'],
    [6, 'crack'],
  ] as const) {
    const name = `P${String(n).padStart(13, '0')}.jpg`;
    writeFileSync(join(dir, 'images', name), text);
    const sha256 = createHash('sha256').update(text).digest('hex');
    await log.image({ resultId: name.slice(0, -4), name, kind: 'picture', sha256, bytes: text.length });
  }
  await log.event('clockStep', '+3 s');
  await fill(log, 13, 15);
  await stop(log);
  return dir;
}

const path = (dir: string): string => join(dir, 'log.db');

describe('log verify on a log that somebody changed', () => {
  // what was done, and the first record that must be named
  const changes: [string, number, (db: Database.Database) => void][] = [
    ['a reject made a pass', 3, (db) => db.exec('UPDATE inspections SET evaluation = 1, code = 0, released = 1 WHERE journal_seq = 3')],
    ['one bit of a score', 5, (db) => db.exec('UPDATE inspections SET score = score + 1e-16 * 4096 WHERE journal_seq = 5')],
    ['an empty text where there was one', 6, (db) => db.exec("UPDATE inspections SET detail = '' WHERE journal_seq = 6")],
    ['a score taken away', 7, (db) => db.exec('UPDATE inspections SET score = NULL WHERE journal_seq = 7')],
    [
      'text moved from one column to the next',
      4,
      (db) => db.exec("UPDATE inspections SET recipe = 'cas', lot = 'tL7' WHERE journal_seq = 4"),
    ],
    ['a row removed in the middle', 8, (db) => db.exec('DELETE FROM inspections WHERE journal_seq = 8')],
    ['the first row removed', 1, (db) => db.exec('DELETE FROM inspections WHERE journal_seq = 1')],
    ['the oldest rows removed', 1, (db) => db.exec('DELETE FROM inspections WHERE journal_seq <= 4')],
    ['the last row removed', 18, (db) => db.exec('DELETE FROM inspections WHERE journal_seq = 18')],
    ['everything after 14 removed', 15, (db) => db.exec('DELETE FROM inspections WHERE journal_seq > 14; DELETE FROM events')],
    ['every row removed', 1, (db) => db.exec('DELETE FROM inspections; DELETE FROM images; DELETE FROM events')],
    ['the row of a picture removed', 13, (db) => db.exec('DELETE FROM images WHERE journal_seq = 13')],
    ['the hash of a picture replaced', 14, (db) => db.exec("UPDATE images SET sha256 = printf('%064d', 0) WHERE journal_seq = 14")],
    ['an event rewritten', 15, (db) => db.exec("UPDATE events SET detail = '+1 s'")],
    [
      'two rows exchanged',
      9,
      (db) =>
        db.exec(`UPDATE inspections SET journal_seq = 999 WHERE journal_seq = 9;
          UPDATE inspections SET journal_seq = 9 WHERE journal_seq = 10; UPDATE inspections SET journal_seq = 10 WHERE journal_seq = 999`),
    ],
    [
      'a row removed and the rest moved up',
      8,
      (db) => {
        db.exec('DELETE FROM inspections WHERE journal_seq = 8');
        for (let n = 9; n <= 12; n++) db.prepare('UPDATE inspections SET journal_seq = ? WHERE journal_seq = ?').run(n - 1, n);
      },
    ],
    [
      'an event slipped in under a used number',
      7,
      (db) =>
        db.exec(
          "INSERT INTO events SELECT 7, 'x', 'y', 0, 1, 'boot1', created_utc, prev_hash, hash FROM inspections WHERE journal_seq = 7",
        ),
    ],
    [
      'a row slipped in below the first',
      -4,
      (db) =>
        db.exec(`PRAGMA ignore_check_constraints = ON;
          INSERT INTO events SELECT -4, 'x', 'y', 0, 1, 'boot1', created_utc, prev_hash, hash FROM inspections WHERE journal_seq = 1`),
    ],
    [
      'a row added at the end, with a hash that is right',
      19,
      (db) => {
        const last = recordsAfter(db, 17, 1)[0];
        if (last === undefined) throw new Error('no record 18');
        const row = { journal_seq: 19, kind: 'x', detail: 'y', mono_ms: 1, clock_trusted: 1, boot_id: 'b', created_utc: 'now' };
        const hash = recordHash('events', row, last.row.hash);
        db.prepare('INSERT INTO events VALUES (19, ?, ?, 1, 1, ?, ?, ?, ?)').run('x', 'y', 'b', 'now', last.row.hash, hash);
      },
    ],
    [
      'a row altered, and its own hash made right',
      6, // the next one no longer follows
      (db) => {
        const [one] = recordsAfter(db, 4, 1);
        if (one?.table !== 'inspections') throw new Error('record 5 is no verdict');
        const hash = recordHash('inspections', { ...one.row, part_id: 'B' }, one.row.prev_hash);
        db.prepare('UPDATE inspections SET part_id = ?, hash = ? WHERE journal_seq = 5').run('B', hash);
      },
    ],
  ];

  test.each(changes)('%s', async (_, journalSeq, change) => {
    const dir = await made();
    tamper(dir, change);
    const found = await verifyLog(path(dir));
    expect(found).toMatchObject({ ok: false, firstBad: { journalSeq } });
    expect(found.firstBad?.reason).not.toBe('');
  });

  test('every hash rewritten after a change: the high-water file still remembers the end', async () => {
    const dir = await made();
    tamper(dir, (db) => {
      let prev: Buffer | null = null;
      for (const { table, row } of recordsAfter(db, 0, 100)) {
        const altered = row.journal_seq === 5 ? { ...row, part_id: 'B' } : row;
        const hash = recordHash(table, altered, prev ?? row.prev_hash);
        if (row.journal_seq === 5) db.exec("UPDATE inspections SET part_id = 'B' WHERE journal_seq = 5");
        const update = {
          inspections: 'UPDATE inspections SET prev_hash = ?, hash = ? WHERE journal_seq = ?',
          images: 'UPDATE images SET prev_hash = ?, hash = ? WHERE journal_seq = ?',
          events: 'UPDATE events SET prev_hash = ?, hash = ? WHERE journal_seq = ?',
        }[table];
        db.prepare(update).run(prev ?? row.prev_hash, hash, row.journal_seq);
        prev = hash;
      }
    });
    expect(await verifyLog(path(dir))).toMatchObject({ ok: false, firstBad: { journalSeq: 18 } });
  });

  test('a picture whose name leads out of images/: not read, whatever it holds', async () => {
    const dir = await made();
    const name = '../P0000000000006.jpg';
    writeFileSync(join(dir, 'P0000000000006.jpg'), 'crack');
    tamper(dir, (db) => {
      let prev: Buffer | null = null;
      for (const record of recordsAfter(db, 13, 100)) {
        const { table } = record;
        const row = record.row.journal_seq === 14 ? { ...record.row, name } : record.row;
        const hash = recordHash(table, row as typeof record.row, prev ?? row.prev_hash);
        if (row.journal_seq === 14) db.prepare('UPDATE images SET name = ? WHERE journal_seq = 14').run(name);
        const update = {
          inspections: 'UPDATE inspections SET prev_hash = ?, hash = ? WHERE journal_seq = ?',
          images: 'UPDATE images SET prev_hash = ?, hash = ? WHERE journal_seq = ?',
          events: 'UPDATE events SET prev_hash = ?, hash = ? WHERE journal_seq = ?',
        }[table];
        db.prepare(update).run(prev ?? row.prev_hash, hash, row.journal_seq);
        prev = hash;
      }
    });
    const { ok, firstBad } = await verifyLog(path(dir));
    expect([ok, firstBad?.journalSeq, firstBad?.reason]).toEqual([false, 14, expect.stringContaining('no name of a picture')]);
  });

  test('a picture without end is given up when the check is', async () => {
    const dir = await made();
    const picture = join(dir, 'images', 'P0000000000006.jpg');
    rmSync(picture);
    symlinkSync('/dev/zero', picture);
    const end = new AbortController();
    const checking = verifyLog(path(dir), end.signal);
    setTimeout(() => end.abort(), 100);
    await expect(checking).rejects.toMatchObject({ code: 'ABORTED' });
  });

  test('the picture of a reject swapped for another', async () => {
    const dir = await made();
    writeFileSync(join(dir, 'images', 'P0000000000006.jpg'), 'a good part');
    expect(await verifyLog(path(dir))).toMatchObject({ ok: false, firstBad: { journalSeq: 14 } });
  });

  test('a picture gone from the disk is told, and is no fault of the log', async () => {
    const dir = await made();
    rmSync(join(dir, 'images', 'P0000000000006.jpg'));
    expect(await verifyLog(path(dir))).toMatchObject({ ok: true, firstBad: null, rows: 18, pictures: 2, missingPictures: 1 });
  });

  test.each(['removed', 'spoilt'])('the high-water file %s', async (how) => {
    const dir = await made();
    const file = join(dir, 'log.highwater');
    if (how === 'removed') rmSync(file);
    else writeFileSync(file, readFileSync(file, 'latin1').replaceAll('journal 1', 'journal 0'));
    expect(await verifyLog(path(dir))).toMatchObject({ ok: false, firstBad: { journalSeq: 18 } });
  });

  test('rows removed from the end stay missing after the station has run on', async () => {
    const dir = await made();
    tamper(dir, (db) => db.exec('DELETE FROM inspections WHERE journal_seq > 16'));
    const { log, notices } = await start(dir);
    await fill(log, 20, 21);
    await stop(log);
    expect(notices.join()).toContain('17 to 18 are missing');
    expect(await verifyLog(path(dir))).toMatchObject({ ok: false, firstBad: { journalSeq: 17 } });
    expect(query<{ n: number }>(dir, 'SELECT min(journal_seq) AS n FROM inspections WHERE journal_seq > 16')[0]?.n).toBeGreaterThan(18);
  });

  test('untouched, it is sound: stopped, and while it is being written', async () => {
    const dir = await made();
    expect(await verifyLog(path(dir))).toEqual({ rows: 18, ok: true, firstBad: null, pictures: 2, missingPictures: 0, begins: null });
    const { log } = await start(dir);
    let going = true;
    const writing = (async () => {
      for (let n = 100; going; n++) await fill(log, n, n);
    })();
    for (let i = 0; i < 5; i++) expect(await verifyLog(path(dir))).toMatchObject({ ok: true, firstBad: null });
    going = false;
    await writing;
    await stop(log);
    expect(await verifyLog(path(dir))).toMatchObject({ ok: true });
  });

  test('the triggers refuse what does not know how to drop them', async () => {
    const dir = await made();
    const { log } = await start(dir);
    await stop(log);
    const db = new Database(path(dir));
    for (const table of ['inspections', 'images', 'events']) {
      expect(() => db.exec(`DELETE FROM ${table}`)).toThrow('append-only');
      expect(() => db.exec(`UPDATE ${table} SET boot_id = 'x'`)).toThrow('append-only');
    }
    db.close();
  });
});

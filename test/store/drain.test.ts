import { execFileSync } from 'node:child_process';
import { join } from 'node:path';
import Database from 'better-sqlite3';
import { packageRoot } from '../../src/package';
import { verifyLog } from '../../src/store/verify';
import { LogWriter } from '../../src/store/writer';
import { bootName, clean, dataDir, query, verdict } from './support/station';

afterEach(clean);

interface Drained {
  skipped?: string;
  waiting: number;
  left: number;
  syncs: number;
  rows: number;
  inOrder: boolean;
  ok: boolean;
  notices: string[];
}

describe('verdicts that waited', () => {
  test('1000 of them reach a disk whose every sync takes half a second, within the five of a stop', () => {
    const out = execFileSync(process.execPath, [join(packageRoot, 'test/store/support/drain.mjs')], { encoding: 'utf8' });
    const drained = JSON.parse(out) as Drained;
    if (drained.skipped !== undefined) {
      console.log(`skipped: ${drained.skipped}`);
      return;
    }
    expect(drained).toMatchObject({ waiting: 1000, left: 0, rows: 1000, inOrder: true, ok: true, notices: [] });
    expect(drained.syncs).toBeGreaterThan(0); // the disk was slow
  }, 60_000);

  test('a batch is one transaction: rows in order, chained, what was there already not twice', async () => {
    const dir = dataDir();
    const writer = new LogWriter(dir);
    writer.begin(bootName(1), writer.open(null).bootNumber);
    writer.commit(verdict(1));
    const held = [1, 2, 3].map((n) => verdict(n, { released: 0, late: true, code: 502 }));
    expect(writer.commitAll(held)).toEqual(['other', 'no', 'no']);
    expect(writer.commitAll(held)).toEqual(['other', 'same', 'same']);
    writer.close();
    expect(query(dir, 'SELECT seq, released FROM inspections ORDER BY journal_seq')).toEqual([
      { seq: 1, released: 1 },
      { seq: 2, released: 0 },
      { seq: 3, released: 0 },
    ]);
    expect(await verifyLog(join(dir, 'log.db'))).toMatchObject({ ok: true, rows: 3 });
  });

  test('a batch with a row that breaks a rule writes none of it', () => {
    const dir = dataDir();
    const writer = new LogWriter(dir);
    writer.begin(bootName(1), writer.open(null).bootNumber);
    expect(() => writer.commitAll([verdict(1), verdict(2, { released: 1, code: 101 })])).toThrow(
      expect.objectContaining({ code: 'INTERNAL' }),
    );
    writer.close();
    const db = new Database(join(dir, 'log.db'), { readonly: true });
    expect(db.prepare('SELECT count(*) FROM inspections').pluck().get()).toBe(0);
    db.close();
  });
});

/** Rows leave the log as its oldest prefix only; what stays says after which record it begins, so that `log verify` still holds. */
import type Database from 'better-sqlite3';
import type { Tail } from './read';

export interface Removed {
  rows: number;
  /** Of them, how many guaranteed delivery still owed. */
  undelivered: number;
  /** More could go: ask again. */
  more: boolean;
}

/** The last record of the next batch to go: at most `most` of those up to `upTo`; null: none. */
export function nextPrefix(db: Database.Database, upTo: number, most: number): Tail | null {
  const at = db.prepare(`
    SELECT journal_seq, hash FROM (
      SELECT journal_seq, hash FROM inspections WHERE journal_seq <= @upTo
      UNION ALL SELECT journal_seq, hash FROM images WHERE journal_seq <= @upTo
      UNION ALL SELECT journal_seq, hash FROM events WHERE journal_seq <= @upTo
    ) ORDER BY journal_seq LIMIT 1 OFFSET @skip`);
  const row = (skip: number) => at.get({ upTo, skip }) as { journal_seq: number; hash: Buffer } | undefined;
  const last = row(most - 1) ?? lastUpTo(db, upTo);
  return last === undefined ? null : { journalSeq: last.journal_seq, hash: last.hash };
}

function lastUpTo(db: Database.Database, upTo: number): { journal_seq: number; hash: Buffer } | undefined {
  return db
    .prepare(`
      SELECT journal_seq, hash FROM (
        SELECT * FROM (SELECT journal_seq, hash FROM inspections WHERE journal_seq <= @upTo ORDER BY journal_seq DESC LIMIT 1)
        UNION ALL SELECT * FROM (SELECT journal_seq, hash FROM images WHERE journal_seq <= @upTo ORDER BY journal_seq DESC LIMIT 1)
        UNION ALL SELECT * FROM (SELECT journal_seq, hash FROM events WHERE journal_seq <= @upTo ORDER BY journal_seq DESC LIMIT 1)
      ) ORDER BY journal_seq DESC LIMIT 1`)
    .get({ upTo }) as { journal_seq: number; hash: Buffer } | undefined;
}

/** Within a transaction of the writer. The triggers let go of announced rows only. Gives how many went. */
export function removePrefix(db: Database.Database, end: number): number {
  db.prepare("UPDATE meta SET value = ? WHERE name = 'prunedUpTo'").run(end);
  const gone = [
    db.prepare('DELETE FROM inspections WHERE journal_seq <= ?'),
    db.prepare('DELETE FROM images WHERE journal_seq <= ?'),
    db.prepare('DELETE FROM events WHERE journal_seq <= ?'),
  ].reduce((sum, statement) => sum + statement.run(end).changes, 0);
  db.prepare('DELETE FROM hours WHERE journal_seq < ?').run(end);
  return gone;
}

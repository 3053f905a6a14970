/** Reading log.db beside a running station: read-only connections, short transactions, nothing that holds the writer up. */
import { accessSync, constants, existsSync } from 'node:fs';
import Database from 'better-sqlite3';
import type { Word } from '../codes';
import { reason, VerdictdError } from '../errors';
import type { Entry } from '../ports';
import { eventEntry, imageEntry, verdictEntry } from './journal';
import { type EventRow, genesis, type Hashed, type ImageRow, type InspectionRow } from './record';
import { checkVersion } from './schema';

export interface Tail {
  journalSeq: number;
  hash: Buffer;
}

/** @throws VerdictdError LOG_UNAVAILABLE: no log there, not a log, or a newer one */
export function openForReading(path: string): Database.Database {
  if (!existsSync(path) && !hidden(path)) {
    throw new VerdictdError('LOG_UNAVAILABLE', `There is no log at ${path}. Give the station's data directory with --data-dir.`);
  }
  let db: Database.Database | null = null;
  try {
    db = new Database(path, { readonly: true, fileMustExist: true, timeout: 2000 });
    checkVersion(db, path);
    return db;
  } catch (thrown) {
    db?.close();
    if (thrown instanceof VerdictdError) throw thrown;
    const todo = hidden(path)
      ? 'Read it as a user who may.'
      : 'Keep a copy of it; verdictd run sets a damaged log aside and begins a new one, and the journal has what was sent.';
    throw new VerdictdError('LOG_UNAVAILABLE', `${path} cannot be read as a log: ${reason(thrown)}. ${todo}`, { cause: thrown });
  }
}

/** True if this user may not look there: no answer to whether it exists. */
function hidden(path: string): boolean {
  try {
    accessSync(path, constants.R_OK);
    return false;
  } catch (thrown) {
    return (thrown as NodeJS.ErrnoException).code === 'EACCES';
  }
}

/** The last record of the three tables. */
export function readTail(db: Database.Database): Tail {
  const row = db
    .prepare(`
      SELECT journal_seq, hash FROM (
        SELECT * FROM (SELECT journal_seq, hash FROM inspections ORDER BY journal_seq DESC LIMIT 1)
        UNION ALL SELECT * FROM (SELECT journal_seq, hash FROM images ORDER BY journal_seq DESC LIMIT 1)
        UNION ALL SELECT * FROM (SELECT journal_seq, hash FROM events ORDER BY journal_seq DESC LIMIT 1)
      ) ORDER BY journal_seq DESC LIMIT 1`)
    .get() as { journal_seq: number; hash: Buffer } | undefined;
  return row === undefined ? { journalSeq: 0, hash: genesis } : { journalSeq: row.journal_seq, hash: row.hash };
}

export type AnyRow =
  | { table: 'inspections'; row: Hashed<InspectionRow> }
  | { table: 'images'; row: Hashed<ImageRow> }
  | { table: 'events'; row: Hashed<EventRow> };

/**
 * The records after `after`, in the order of the journal; at most `n`, and never a part of those that share a number (in a sound
 * log none do).
 */
export function recordsAfter(db: Database.Database, after: number, n: number): AnyRow[] {
  const all = db.transaction((): AnyRow[] => [
    ...(
      db.prepare('SELECT * FROM inspections WHERE journal_seq > ? ORDER BY journal_seq LIMIT ?').all(after, n) as Hashed<InspectionRow>[]
    ).map((row): AnyRow => ({ table: 'inspections', row })),
    ...(db.prepare('SELECT * FROM images WHERE journal_seq > ? ORDER BY journal_seq LIMIT ?').all(after, n) as Hashed<ImageRow>[]).map(
      (row): AnyRow => ({ table: 'images', row }),
    ),
    ...(db.prepare('SELECT * FROM events WHERE journal_seq > ? ORDER BY journal_seq LIMIT ?').all(after, n) as Hashed<EventRow>[]).map(
      (row): AnyRow => ({ table: 'events', row }),
    ),
  ])();
  const sorted = all.sort((a, b) => a.row.journal_seq - b.row.journal_seq);
  let end = Math.min(n, sorted.length);
  while (end > 0 && end < sorted.length && sorted[end]?.row.journal_seq === sorted[end - 1]?.row.journal_seq) end++;
  return sorted.slice(0, end);
}

/** The same, as journal entries. */
export function entriesAfter(db: Database.Database, after: number, n: number): Entry[] {
  return recordsAfter(db, after, n).map(entryOf);
}

function entryOf(one: AnyRow): Entry {
  switch (one.table) {
    case 'inspections':
      return verdictEntry(one.row);
    case 'images':
      return imageEntry(one.row);
    case 'events':
      return eventEntry(one.row);
  }
}

/** A row of the view `verdicts`. */
export interface Listed {
  journal_seq: number;
  time: string; // UTC
  result_id: string;
  seq: number;
  part_id: string;
  recipe: string;
  lot: string;
  verdict: Word;
  released: 0 | 1;
  code: number;
  reason: string;
  score: number | null;
  reject_limit: number | null;
  simulated: 0 | 1;
  late: 0 | 1;
  ms: number;
  detail: string;
}

export interface Filter {
  last: number; // newest rows at most
  verdict: Word | null;
  recipe: string | null; // id
  lot: string | null;
  since: string | null; // UTC, ISO 8601
  until: string | null; // the same; not included
}

/** Verdicts that pass the filter, oldest first. */
export function listVerdicts(path: string, filter: Filter): Listed[] {
  const db = openForReading(path);
  try {
    const rows = db
      .prepare(`
        SELECT * FROM verdicts
        WHERE (@verdict IS NULL OR verdict = @verdict)
          AND (@recipe IS NULL OR recipe = @recipe)
          AND (@lot IS NULL OR lot = @lot)
          AND (@since IS NULL OR time >= @since)
          AND (@until IS NULL OR time < @until)
        ORDER BY journal_seq DESC LIMIT @last`)
      .all(filter) as Listed[];
    return rows.reverse();
  } catch (thrown) {
    throw new VerdictdError('LOG_UNAVAILABLE', `${path} cannot be read: ${reason(thrown)}. Run \`verdictd log verify\`.`, {
      cause: thrown,
    });
  } finally {
    db.close();
  }
}

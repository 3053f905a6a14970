// What log.db of a stopped station says, read beside the product's own reader.
import { existsSync } from 'node:fs';
import { createRequire } from 'node:module';
import { join } from 'node:path';

const Database = createRequire(import.meta.url)('better-sqlite3');

/** Calls `read(db)` on a read-only connection; null where there is no log. */
export function withLog(dataDir, read) {
  const file = join(dataDir, 'log.db');
  if (!existsSync(file)) return null;
  const db = new Database(file, { readonly: true });
  try {
    return read(db);
  } finally {
    db.close();
  }
}

/** journalSeq -> hash (hex) of every record: verdicts, pictures and events are one sequence. */
export function hashesOf(dataDir) {
  const text = ['inspections', 'images', 'events'].map((table) => `SELECT journal_seq AS n, hash FROM ${table}`).join(' UNION ALL ');
  return new Map((withLog(dataDir, (db) => db.prepare(text).all()) ?? []).map(({ n, hash }) => [n, hash.toString('hex')]));
}

/** Verdicts by resultId: seq, part_id, code, released, late, frame_id, boot_id. */
export function verdictsOf(dataDir) {
  const text = 'SELECT result_id, seq, part_id, code, released, late, frame_id, boot_id, clock_trusted, journal_seq FROM inspections';
  return new Map((withLog(dataDir, (db) => db.prepare(text).all()) ?? []).map((row) => [row.result_id, row]));
}

/** Events, oldest first. */
export const eventsOf = (dataDir) =>
  withLog(dataDir, (db) => db.prepare('SELECT kind, detail FROM events ORDER BY journal_seq').all()) ?? [];

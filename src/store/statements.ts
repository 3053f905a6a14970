/** Every statement of the writer, prepared once. */
import type Database from 'better-sqlite3';
import type { Table } from './record';

export interface Statements {
  getMeta: Database.Statement;
  setMeta: Database.Statement;
  insert: Record<Table, Database.Statement>;
  insertPending: Database.Statement;
  deletePending: Database.Statement;
  isOpen: Database.Statement;
  stalePending: Database.Statement;
  pendingSeqs: Database.Statement;
  lastSeqs: Database.Statement;
  lastJournalSeq: Database.Statement;
  byResult: Database.Statement;
  bySeq: Database.Statement;
  takenBack: Database.Statement;
  hashAt: Database.Statement;
  insertLabel: Database.Statement;
  insertAudit: Database.Statement;
  getLived: Database.Statement;
  setLived: Database.Statement;
  insertHour: Database.Statement;
}

export function prepare(db: Database.Database): Statements {
  return {
    getMeta: db.prepare('SELECT value FROM meta WHERE name = ?').pluck(),
    setMeta: db.prepare('INSERT OR REPLACE INTO meta (name, value) VALUES (@name, @value)'),
    insert: {
      // 35, 11 and 9 values by place, as `rowValues` gives them: by name, each would be looked up at each insert
      inspections: db.prepare('INSERT INTO inspections VALUES (?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?)'),
      images: db.prepare('INSERT INTO images VALUES (?,?,?,?,?,?,?,?,?,?,?)'),
      events: db.prepare('INSERT INTO events VALUES (?,?,?,?,?,?,?,?,?)'),
    },
    insertPending: db.prepare(`
      INSERT INTO pending VALUES (
        @result_id, @seq, @part_id, @recipe, @recipe_number, @simulated, @opened_utc, @mono_ms, @clock_trusted, @boot_id, @lot
      )`),
    deletePending: db.prepare('DELETE FROM pending WHERE result_id = ?'),
    isOpen: db.prepare(`
      SELECT 1 FROM pending WHERE result_id = @result_id OR (seq = @seq AND seq > 0)
      UNION ALL SELECT 1 FROM inspections WHERE result_id = @result_id
      LIMIT 1`),
    stalePending: db.prepare('SELECT * FROM pending WHERE boot_id <> ? ORDER BY result_id'),
    pendingSeqs: db.prepare('SELECT seq FROM pending WHERE seq > 0 ORDER BY result_id').pluck(),
    // more rows than parts can be open at once: the furthest number is among them
    lastSeqs: db.prepare('SELECT seq FROM inspections WHERE seq > 0 ORDER BY journal_seq DESC LIMIT 256').pluck(),
    lastJournalSeq: db
      .prepare(`
        SELECT max(
          coalesce((SELECT max(journal_seq) FROM inspections), 0),
          coalesce((SELECT max(journal_seq) FROM images), 0),
          coalesce((SELECT max(journal_seq) FROM events), 0)
        )`)
      .pluck(),
    byResult: db.prepare('SELECT * FROM inspections WHERE result_id = ?'),
    bySeq: db.prepare('SELECT * FROM inspections WHERE seq = ? AND seq > 0 ORDER BY journal_seq DESC LIMIT 1'),
    // what was written down after the verdict: the wire said no in the end (line.ts)
    takenBack: db
      .prepare(`
        SELECT 1 FROM events
        WHERE journal_seq > @journalSeq AND kind IN ('notReleased', 'revoked') AND detail LIKE @resultId || ' %'
        LIMIT 1`)
      .pluck(),
    insertLabel: db.prepare(`
      INSERT INTO labels (result_id, label, description, labelled_by, created_utc)
      VALUES (@result_id, @label, @description, @labelled_by, @created_utc)`),
    insertAudit: db.prepare(`
      INSERT INTO audit (actor, action, detail, clock_trusted, boot_id, created_utc)
      VALUES (@actor, @action, @detail, @clock_trusted, @boot_id, @created_utc)`),
    getLived: db.prepare('SELECT elapsed_ms AS elapsed, wall_ms AS wall, mono_ms AS mono, trusted, kernel_boot AS kernelBoot FROM lived'),
    setLived: db.prepare('INSERT OR REPLACE INTO lived VALUES (1, @elapsed, @wall, @mono, @trusted, @kernelBoot)'),
    insertHour: db.prepare('INSERT OR IGNORE INTO hours VALUES (@hour, @journalSeq)'),
    hashAt: db
      .prepare(`
        SELECT hash FROM inspections WHERE journal_seq = @journalSeq
        UNION ALL SELECT hash FROM images WHERE journal_seq = @journalSeq
        UNION ALL SELECT hash FROM events WHERE journal_seq = @journalSeq
        LIMIT 1`)
      .pluck(),
  };
}

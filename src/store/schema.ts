/**
 * The tables of log.db, and how an older file becomes a current one. Forward only: a step is never edited once released.
 *
 * `inspections`, `images` and `events` are one sequence: every row has its own `journal_seq`, without gaps over the three, and its
 * hash covers the row before it (record.ts). So one chain proves rows, pictures and events together, and what guaranteed delivery
 * still owes is simply every record above the delivered mark: the outbox is a view, and cannot disagree with the log.
 */
import type Database from 'better-sqlite3';
import { codes } from '../codes';
import { VerdictdError } from '../errors';

/** 'vdct': tells our file from any other SQLite file. */
export const applicationId = 0x76646374;

const step1 = `
CREATE TABLE meta (
  name TEXT PRIMARY KEY,
  value INTEGER NOT NULL
) STRICT, WITHOUT ROWID;
INSERT INTO meta VALUES ('bootNumber', 0), ('deliveredUpTo', 0);

CREATE TABLE pending (
  result_id TEXT PRIMARY KEY CHECK (length(result_id) BETWEEN 1 AND 14),
  seq INTEGER NOT NULL CHECK (seq BETWEEN 0 AND 2147483647),
  part_id TEXT NOT NULL,
  recipe TEXT NOT NULL,
  recipe_number INTEGER NOT NULL,
  simulated INTEGER NOT NULL CHECK (simulated IN (0, 1)),
  opened_utc TEXT NOT NULL,
  mono_ms REAL NOT NULL,
  clock_trusted INTEGER NOT NULL CHECK (clock_trusted IN (0, 1)),
  boot_id TEXT NOT NULL
) STRICT, WITHOUT ROWID;

CREATE TABLE inspections (
  journal_seq INTEGER PRIMARY KEY CHECK (journal_seq > 0),
  result_id TEXT NOT NULL UNIQUE CHECK (length(result_id) BETWEEN 1 AND 14),
  seq INTEGER NOT NULL CHECK (seq BETWEEN 0 AND 2147483647),
  part_id TEXT NOT NULL CHECK (length(part_id) <= 32),
  recipe TEXT NOT NULL,
  recipe_number INTEGER NOT NULL CHECK (recipe_number BETWEEN 0 AND 65535),
  lot TEXT NOT NULL,
  evaluation INTEGER NOT NULL CHECK (evaluation BETWEEN 0 AND 3),
  code INTEGER NOT NULL CHECK (code BETWEEN 0 AND 999),
  state INTEGER NOT NULL CHECK (state BETWEEN 0 AND 4),
  released INTEGER NOT NULL CHECK (released IN (0, 1)),
  late INTEGER NOT NULL CHECK (late IN (0, 1)),
  simulated INTEGER NOT NULL CHECK (simulated IN (0, 1)),
  score REAL,
  reject_limit REAL,
  map_max REAL,
  p_normal REAL,
  p_anomaly REAL,
  provider TEXT NOT NULL,
  bundle TEXT NOT NULL,
  config TEXT NOT NULL,
  frame_id INTEGER,
  opened_utc TEXT NOT NULL,
  start_time TEXT NOT NULL,
  end_time TEXT NOT NULL,
  acquisition_ms REAL NOT NULL,
  processing_ms REAL NOT NULL,
  mono_ms REAL NOT NULL,
  clock_trusted INTEGER NOT NULL CHECK (clock_trusted IN (0, 1)),
  boot_id TEXT NOT NULL,
  created_utc TEXT NOT NULL,
  detail TEXT NOT NULL,
  prev_hash BLOB NOT NULL CHECK (length(prev_hash) = 32),
  hash BLOB NOT NULL CHECK (length(hash) = 32),
  -- the contract's "ok" without commit and age: the log itself refuses a release that is none
  CHECK (released = 0 OR (evaluation = 1 AND state = 1 AND code = 0 AND seq > 0))
) STRICT;
CREATE INDEX inspections_seq ON inspections (seq) WHERE seq > 0;

CREATE TABLE images (
  journal_seq INTEGER PRIMARY KEY CHECK (journal_seq > 0),
  result_id TEXT NOT NULL,
  name TEXT NOT NULL,
  kind TEXT NOT NULL CHECK (kind IN ('picture', 'heatmap')),
  sha256 TEXT NOT NULL CHECK (length(sha256) = 64),
  bytes INTEGER NOT NULL CHECK (bytes >= 0),
  clock_trusted INTEGER NOT NULL CHECK (clock_trusted IN (0, 1)),
  boot_id TEXT NOT NULL,
  created_utc TEXT NOT NULL,
  prev_hash BLOB NOT NULL CHECK (length(prev_hash) = 32),
  hash BLOB NOT NULL CHECK (length(hash) = 32)
) STRICT;

CREATE TABLE events (
  journal_seq INTEGER PRIMARY KEY CHECK (journal_seq > 0),
  kind TEXT NOT NULL,
  detail TEXT NOT NULL,
  mono_ms REAL NOT NULL,
  clock_trusted INTEGER NOT NULL CHECK (clock_trusted IN (0, 1)),
  boot_id TEXT NOT NULL,
  created_utc TEXT NOT NULL,
  prev_hash BLOB NOT NULL CHECK (length(prev_hash) = 32),
  hash BLOB NOT NULL CHECK (length(hash) = 32)
) STRICT;

CREATE TABLE labels (
  id INTEGER PRIMARY KEY,
  result_id TEXT NOT NULL,
  label TEXT NOT NULL,
  description TEXT NOT NULL,
  labelled_by TEXT NOT NULL,
  created_utc TEXT NOT NULL
) STRICT;
CREATE INDEX labels_result ON labels (result_id);

CREATE TABLE audit (
  id INTEGER PRIMARY KEY,
  actor TEXT NOT NULL,
  action TEXT NOT NULL,
  detail TEXT NOT NULL,
  clock_trusted INTEGER NOT NULL CHECK (clock_trusted IN (0, 1)),
  boot_id TEXT NOT NULL,
  created_utc TEXT NOT NULL
) STRICT;

-- what the codes of the MQTT contract mean, for the views; kept as the program knows them
CREATE TABLE codes (
  code INTEGER PRIMARY KEY,
  name TEXT NOT NULL,
  text TEXT NOT NULL
) STRICT;

CREATE TRIGGER inspections_fixed BEFORE UPDATE ON inspections BEGIN SELECT RAISE(ABORT, 'inspections is append-only'); END;
CREATE TRIGGER inspections_kept BEFORE DELETE ON inspections BEGIN SELECT RAISE(ABORT, 'inspections is append-only'); END;
CREATE TRIGGER images_fixed BEFORE UPDATE ON images BEGIN SELECT RAISE(ABORT, 'images is append-only'); END;
CREATE TRIGGER images_kept BEFORE DELETE ON images BEGIN SELECT RAISE(ABORT, 'images is append-only'); END;
CREATE TRIGGER events_fixed BEFORE UPDATE ON events BEGIN SELECT RAISE(ABORT, 'events is append-only'); END;
CREATE TRIGGER events_kept BEFORE DELETE ON events BEGIN SELECT RAISE(ABORT, 'events is append-only'); END;
CREATE TRIGGER labels_fixed BEFORE UPDATE ON labels BEGIN SELECT RAISE(ABORT, 'labels is append-only'); END;
CREATE TRIGGER labels_kept BEFORE DELETE ON labels BEGIN SELECT RAISE(ABORT, 'labels is append-only'); END;
CREATE TRIGGER audit_fixed BEFORE UPDATE ON audit BEGIN SELECT RAISE(ABORT, 'audit is append-only'); END;
CREATE TRIGGER audit_kept BEFORE DELETE ON audit BEGIN SELECT RAISE(ABORT, 'audit is append-only'); END;

-- the words of wordOf (verdict_word.ts)
CREATE VIEW verdicts AS
SELECT
  i.journal_seq,
  i.created_utc AS time,
  i.result_id,
  i.seq,
  i.part_id,
  i.recipe,
  i.lot,
  CASE i.evaluation
    WHEN 1 THEN CASE WHEN i.released = 1 OR i.simulated = 1 THEN 'PASS' ELSE 'ERROR' END
    WHEN 2 THEN 'FAIL'
    WHEN 3 THEN 'UNDECIDED'
    ELSE 'ERROR'
  END AS verdict,
  i.released,
  i.code,
  coalesce(c.text, 'code ' || i.code) AS reason,
  i.score,
  i.reject_limit,
  i.simulated,
  i.late,
  round(i.acquisition_ms + i.processing_ms, 1) AS ms,
  i.detail
FROM inspections AS i LEFT JOIN codes AS c ON c.code = i.code;

-- what guaranteed delivery still owes
CREATE VIEW outbox AS
SELECT journal_seq, type FROM (
  SELECT journal_seq, 'verdict' AS type FROM inspections
  UNION ALL SELECT journal_seq, 'image' FROM images
  UNION ALL SELECT journal_seq, 'event' FROM events
) WHERE journal_seq > (SELECT value FROM meta WHERE name = 'deliveredUpTo');
`;

const step2 = `
-- how long the station has lived (lived.ts), and what the last record was at each hour of that life: ages come from here
CREATE TABLE lived (
  one INTEGER PRIMARY KEY CHECK (one = 1),
  elapsed_ms INTEGER NOT NULL CHECK (elapsed_ms >= 0),
  wall_ms INTEGER NOT NULL,
  mono_ms INTEGER NOT NULL,
  trusted INTEGER NOT NULL CHECK (trusted IN (0, 1)),
  kernel_boot TEXT NOT NULL
) STRICT;
CREATE TABLE hours (
  hour INTEGER PRIMARY KEY CHECK (hour >= 0),
  journal_seq INTEGER NOT NULL
) STRICT;

-- rows go as an oldest prefix only, announced in the transaction that removes them (writer.ts)
INSERT INTO meta VALUES ('prunedUpTo', 0);
DROP TRIGGER inspections_kept;
DROP TRIGGER images_kept;
DROP TRIGGER events_kept;
CREATE TRIGGER inspections_kept BEFORE DELETE ON inspections
WHEN old.journal_seq > (SELECT value FROM meta WHERE name = 'prunedUpTo') BEGIN SELECT RAISE(ABORT, 'inspections is append-only'); END;
CREATE TRIGGER images_kept BEFORE DELETE ON images
WHEN old.journal_seq > (SELECT value FROM meta WHERE name = 'prunedUpTo') BEGIN SELECT RAISE(ABORT, 'images is append-only'); END;
CREATE TRIGGER events_kept BEFORE DELETE ON events
WHEN old.journal_seq > (SELECT value FROM meta WHERE name = 'prunedUpTo') BEGIN SELECT RAISE(ABORT, 'events is append-only'); END;
`;

const step3 = `
-- the lot of a part is fixed when it opens: a part that a restart closes as Aborted keeps it
ALTER TABLE pending ADD COLUMN lot TEXT NOT NULL DEFAULT '';
`;

const step4 = `
-- where the picture showed something: at most 16 boxes, [[x,y,width,height], ...] in pixels of the full frame; null: none
ALTER TABLE inspections ADD COLUMN boxes TEXT;
`;

/** Step n brings a file from user_version n to n + 1. */
const steps: readonly string[] = [step1, step2, step3, step4];

export const schemaVersion = steps.length;

/**
 * Refuses a file of a newer verdictd, or of another program. `path` is for the sentence only.
 * @throws VerdictdError LOG_UNAVAILABLE
 */
export function checkVersion(db: Database.Database, path: string): void {
  const id = Number(db.pragma('application_id', { simple: true }));
  const version = Number(db.pragma('user_version', { simple: true }));
  const tables = Number(db.prepare('SELECT count(*) FROM sqlite_schema').pluck().get());
  if (tables === 0 && version === 0) return;
  if (id !== applicationId) {
    throw new VerdictdError(
      'LOG_UNAVAILABLE',
      `${path} is a database of another program (application_id ${id}). Move it away, or choose another data directory.`,
    );
  }
  if (version > schemaVersion) {
    throw new VerdictdError(
      'LOG_UNAVAILABLE',
      `${path} was written by a newer verdictd (log version ${version}, this one knows up to ${schemaVersion}). Install that version again, or choose another data directory.`,
    );
  }
}

/** Brings the file up to date: all steps in one transaction, so that a power cut leaves the old version or the new one. */
export function migrate(db: Database.Database, path: string): void {
  checkVersion(db, path);
  db.transaction(() => {
    const version = Number(db.pragma('user_version', { simple: true }));
    for (const step of steps.slice(version)) db.exec(step);
    if (version < schemaVersion) {
      db.pragma(`application_id = ${applicationId}`);
      db.pragma(`user_version = ${schemaVersion}`);
    }
    const known = db.prepare('SELECT name, text FROM codes WHERE code = ?');
    const put = db.prepare('INSERT OR REPLACE INTO codes (code, name, text) VALUES (?, ?, ?)');
    for (const [code, { name, text }] of Object.entries(codes)) {
      const row = known.get(Number(code)) as { name: string; text: string } | undefined;
      if (row?.name !== name || row.text !== text) put.run(Number(code), name, text);
    }
  }).immediate();
}

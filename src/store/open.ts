/** Opening log.db for its one writer: the settings durability rests on are set and read back, a damaged file is set aside. */
import { closeSync, existsSync, fstatSync, fsyncSync, openSync, readdirSync, renameSync, statfsSync, writeSync } from 'node:fs';
import { join, resolve } from 'node:path';
import Database from 'better-sqlite3';
import { systemClock } from '../clock';
import { reason, VerdictdError } from '../errors';
import { makeFolder } from '../folder';
import type { Mark } from './highwater';
import { readTail } from './read';
import { genesis } from './record';
import { checkVersion, migrate } from './schema';

export const fileName = 'log.db';
export const highwaterName = 'log.highwater';
export const imagesName = 'images';
/** Under it, as the log records a picture: never a way out of the folder. */
export const pictureName = /^(?!.*\.\.)[A-Za-z0-9_.-]+(\/[A-Za-z0-9_.-]+)*$/;
/** Where a restore unpacks, and the file in it that says that it has begun to replace what was there. */
export const restoreFolder = '.restore';
export const restoreMoving = 'moving';

const busyTimeout = 1000; // ms a person's shell may hold the file before a commit gives up, below the default TTL of 1500 ms
const pageSize = 2048; // bytes: a verdict dirties five pages; measured 22 kB written a verdict, 32 kB with pages of 4096
const backstop = 8000; // pages (16 MB) of WAL; the writer checkpoints long before, between two verdicts
const walSize = 4 * 1024 * 1024; // bytes the WAL has from the start: what 512 transactions write, and some more
const memoryPage = 4096; // bytes
const walLimit = 32 * 1024 * 1024; // bytes the WAL is cut back to once a slow reader has let it grow

export interface Opened {
  db: Database.Database;
  /** Name of the damaged file set aside, null in the ordinary case. */
  setAside: string | null;
}

/**
 * @param dir data directory; made if missing
 * @throws VerdictdError LOG_UNAVAILABLE: not a place to write, a newer or foreign file, a setting the disk does not honour
 */
export function openForWriting(dir: string): Opened {
  const path = join(dir, fileName);
  try {
    makeFolder(resolve(dir));
  } catch (thrown) {
    throw new VerdictdError(
      'LOG_UNAVAILABLE',
      `The data directory ${dir} cannot be made (${reason(thrown)}). Choose a place that can be written.`,
      {
        cause: thrown,
      },
    );
  }
  if (existsSync(join(dir, restoreFolder, restoreMoving))) {
    throw new VerdictdError('LOG_UNAVAILABLE', `${dir}: a restore was interrupted. Run \`verdictd restore FILE --force\` once more.`);
  }
  try {
    return { db: openChecked(path), setAside: null };
  } catch (thrown) {
    if (!isDamage(thrown)) throw named(thrown, path);
  }
  const setAside = putAside(dir);
  try {
    return { db: openChecked(path), setAside };
  } catch (thrown) {
    throw named(thrown, path);
  }
}

function openChecked(path: string): Database.Database {
  const db = new Database(path, { timeout: busyTimeout });
  try {
    checkVersion(db, path);
    settings(db, path);
    const found = db.pragma('quick_check(1)', { simple: true });
    if (found !== 'ok') throw new Damage(`${path}: ${String(found)}`);
    migrate(db, path);
    return db;
  } catch (thrown) {
    db.close();
    throw thrown;
  }
}

/** better-sqlite3 is built with synchronous=NORMAL for WAL, which loses acknowledged rows at a power cut: never trust a default. */
function settings(db: Database.Database, path: string): void {
  atLeast(String(db.prepare('SELECT sqlite_version()').pluck().get()));
  db.pragma(`page_size = ${pageSize}`); // of a new file; an older one keeps its own
  const mode = db.pragma('journal_mode = WAL', { simple: true });
  if (mode !== 'wal') {
    throw new VerdictdError(
      'LOG_UNAVAILABLE',
      `${path}: this file system does not take a write-ahead log (journal_mode is ${String(mode)}). Put the data directory on a local disk.`,
    );
  }
  db.pragma('synchronous = FULL');
  db.pragma('foreign_keys = ON');
  db.pragma(`wal_autocheckpoint = ${backstop}`);
  db.pragma(`journal_size_limit = ${walLimit}`);
  const synchronous = db.pragma('synchronous', { simple: true });
  if (synchronous !== 2) {
    throw new VerdictdError(
      'LOG_UNAVAILABLE',
      `${path}: SQLite reports synchronous ${String(synchronous)} where 2 (FULL) was set. Reinstall verdictd; a log that a power cut can shorten is not used.`,
    );
  }
}

/** SQLite before 3.51.3 can corrupt a WAL file that one connection writes while another checkpoints. */
function atLeast(found: string): void {
  const [major = 0, minor = 0, patch = 0] = found.split('.').map(Number);
  if (major * 1e6 + minor * 1e3 + patch >= 3_051_003) return;
  throw new VerdictdError('LOG_UNAVAILABLE', `SQLite ${found} is too old: 3.51.3 or newer is needed. Reinstall with npm ci.`);
}

/**
 * Gives the WAL its size at once, with zeros that no reader takes for frames (they carry neither salt nor checksum). A commit then
 * overwrites blocks that the file has, as it does on every later lap of the WAL: its sync need not wait for the file system's
 * own journal. Measured: half the time of a sync that appends. A disk that is nearly full keeps its room for verdicts.
 * Page by page: what is written in one call the kernel may keep as one large folio, of which every commit would then dirty the whole.
 */
export function growWal(path: string): void {
  let fd: number | null = null;
  try {
    const { bavail, bsize } = statfsSync(path);
    if (bavail * bsize < 16 * walSize) return;
    fd = openSync(`${path}-wal`, 'r+'); // SQLite's locks are on the other two files: closing this descriptor drops none
    const zeros = Buffer.alloc(memoryPage);
    for (let at = fstatSync(fd).size; at < walSize; ) at += writeSync(fd, zeros, 0, memoryPage - (at % memoryPage), at);
    fsyncSync(fd);
  } catch {
    // the log works without; the commits tell of the disk
  } finally {
    if (fd !== null) closeSync(fd);
  }
}

class Damage extends Error {
  readonly code = 'SQLITE_CORRUPT';
}

function isDamage(thrown: unknown): boolean {
  const code = String((thrown as { code?: unknown }).code);
  return code.startsWith('SQLITE_CORRUPT') || code === 'SQLITE_NOTADB';
}

/** The damaged file keeps its WAL beside it under the matching name, so that what is readable stays readable. */
function putAside(dir: string): string {
  const before = readdirSync(dir).filter((one) => one.startsWith(`${fileName}.corrupt-`));
  let n = 1;
  while (before.some((one) => one.endsWith(`-${n}`))) n++;
  const name = `${fileName}.corrupt-${systemClock.wall().utc.slice(0, 10)}-${n}`; // the day is a label: the number tells them apart
  for (const suffix of ['-wal', '-shm', '']) {
    if (existsSync(join(dir, fileName + suffix))) renameSync(join(dir, fileName + suffix), join(dir, name + suffix));
  }
  return name;
}

/** What a damaged file still tells of how far it had come: its numbers must not be used a second time. */
export function salvage(path: string): Mark | null {
  let db: Database.Database;
  try {
    db = new Database(path, { readonly: true });
  } catch {
    return null;
  }
  const readable = <T>(read: () => T, otherwise: T): T => {
    try {
      return read();
    } catch {
      return otherwise;
    }
  };
  const tail = readable(() => readTail(db), { journalSeq: 0, hash: genesis });
  const bootNumber = readable(() => Number(db.prepare("SELECT value FROM meta WHERE name = 'bootNumber'").pluck().get() ?? 0), 0);
  const lastSeq = readable(
    () => Number(db.prepare('SELECT seq FROM inspections NOT INDEXED WHERE seq > 0 ORDER BY journal_seq DESC LIMIT 1').pluck().get() ?? 0),
    0,
  );
  db.close();
  return { bootNumber, journalSeq: tail.journalSeq, hash: tail.hash.toString('hex'), lastSeq, clean: 0 };
}

function named(thrown: unknown, path: string): VerdictdError {
  if (thrown instanceof VerdictdError) return thrown;
  return unavailable(thrown, path);
}

/** The sentence for an error of SQLite or of the disk. */
export function unavailable(thrown: unknown, path: string): VerdictdError {
  const code = String((thrown as { code?: unknown }).code ?? '');
  const todo = code.startsWith('SQLITE_FULL')
    ? 'Free space on that disk.'
    : code.startsWith('SQLITE_BUSY')
      ? 'Another program holds the file: close it.'
      : code.startsWith('SQLITE_READONLY') || code.startsWith('SQLITE_CANTOPEN')
        ? 'Check that the data directory can be written by this user.'
        : 'Check the disk, and the kernel log for its errors.';
  return new VerdictdError('LOG_UNAVAILABLE', `${path} cannot be written: ${reason(thrown)}${code === '' ? '' : ` (${code})`}. ${todo}`, {
    cause: thrown,
  });
}

/** What SQLite threw at a write: broken rules of the schema are faults of the caller, everything else is the disk's. */
export function explained(thrown: unknown, path: string): VerdictdError {
  if (thrown instanceof VerdictdError) return thrown;
  const code = String((thrown as { code?: unknown }).code ?? '');
  if (code.startsWith('SQLITE_') && !code.startsWith('SQLITE_CONSTRAINT')) return unavailable(thrown, path);
  return new VerdictdError('INTERNAL', `${path}: this record breaks a rule of the log: ${reason(thrown)}. Please report it.`, {
    cause: thrown,
  });
}

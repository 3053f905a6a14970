/**
 * `log verify`: recomputes the chain from its first record to its last, in constant memory and beside a running station, and
 * compares its end with the high-water mark and its pictures with their recorded SHA-256.
 *
 * It finds rows altered, removed, inserted or put out of order by anybody who did not rewrite every hash after them. A complete
 * rewrite shows only against hashes that have left the station with the journal.
 */
import { createHash } from 'node:crypto';
import { createReadStream } from 'node:fs';
import { dirname, join } from 'node:path';
import type Database from 'better-sqlite3';
import { reason, VerdictdError } from '../errors';
import { readMark } from './highwater';
import { highwaterName, imagesName, pictureName } from './open';
import { type AnyRow, openForReading, recordsAfter } from './read';
import { anchorKind, genesis, recordHash } from './record';

const batch = 500; // rows in memory at a time
const first = Number.MIN_SAFE_INTEGER; // below any number that somebody could have slipped in

export interface Verified {
  rows: number;
  ok: boolean;
  firstBad: { journalSeq: number; reason: string } | null;
  /** Pictures recorded, and those of them no longer on the disk (pruned, or removed: not an error of the log). */
  pictures: number;
  missingPictures: number;
  /** Where the chain begins when not at record 1, and why. */
  begins: { after: number; reason: string } | null;
}

/**
 * @param path of log.db; log.highwater and images/ lie beside it
 * @throws VerdictdError LOG_UNAVAILABLE when there is no log that can be read at all, ABORTED on `signal`
 */
export async function verifyLog(path: string, signal?: AbortSignal): Promise<Verified> {
  const mark = readMark(join(dirname(path), highwaterName)); // first: the log is never behind it
  const db = openForReading(path);
  const result: Verified = { rows: 0, ok: true, firstBad: null, pictures: 0, missingPictures: 0, begins: null };
  const bad = (journalSeq: number, why: string): Verified => ({ ...result, ok: false, firstBad: { journalSeq, reason: why } });
  let last = 0;
  let prev = genesis;
  try {
    const begins = anchor(db);
    if (begins !== null) {
      result.begins = { after: begins.journalSeq, reason: begins.reason };
      prev = Buffer.from(begins.hash, 'hex');
      last = begins.journalSeq;
      if (mark !== null && mark.journalSeq <= last) return bad(last, 'the chain begins after its own end');
    }
    for (let rows = recordsAfter(db, first, batch); rows.length > 0; rows = recordsAfter(db, last, batch)) {
      if (signal?.aborted === true) throw new VerdictdError('ABORTED', `Stopped after ${result.rows} records, all sound so far.`);
      for (const record of rows) {
        const { row } = record;
        if (row.journal_seq <= last) return bad(row.journal_seq, 'a second record with this number was inserted');
        if (row.journal_seq > last + 1) {
          const jump = jumped(record, last, prev) ? null : overtaken(db, row.journal_seq, result.rows);
          if (jump !== null) {
            if (jump === 'gap') return bad(last + 1, missing(last + 1, row.journal_seq - 1));
            result.begins = { after: jump.journalSeq, reason: jump.reason };
            prev = Buffer.from(jump.hash, 'hex');
          }
        }
        const hash = recordHash(record.table, row, row.prev_hash);
        if (!hash.equals(row.hash)) return bad(row.journal_seq, 'the record was altered or put in another place');
        if (!row.prev_hash.equals(prev))
          return bad(row.journal_seq, 'the record does not follow the one before it: one of the two was replaced');
        if (mark?.journalSeq === row.journal_seq && row.hash.toString('hex') !== mark.hash) {
          return bad(row.journal_seq, `the record is not the one ${highwaterName} remembers`);
        }
        const picture = await pictureOf(record, path, signal);
        if (picture === 'misnamed') return bad(row.journal_seq, 'it gives no name of a picture under images/');
        if (picture === 'swapped')
          return bad(row.journal_seq, `the picture ${record.table === 'images' ? record.row.name : ''} is not the one recorded`);
        if (picture !== null) result.pictures++;
        if (picture === 'missing') result.missingPictures++;
        result.rows++;
        last = row.journal_seq;
        prev = row.hash;
      }
    }
    if (mark === null) {
      return result.rows === 0
        ? result
        : bad(last, `${highwaterName} is missing or spoilt: records removed from the end cannot be ruled out`);
    }
    if (mark.clean === 2 && prev.toString('hex') === mark.hash) return result; // restored, and not started since
    if (last < mark.journalSeq) return bad(last + 1, missing(last + 1, mark.journalSeq));
    if (mark.clean === 1 && last > mark.journalSeq && !moved(path, mark.journalSeq)) {
      return bad(mark.journalSeq + 1, 'records were added while the station was stopped');
    }
    return result;
  } catch (thrown) {
    if (thrown instanceof VerdictdError) throw thrown;
    return bad(last + 1, `the file cannot be read on: ${reason(thrown)}`);
  } finally {
    db.close();
  }
}

/** A station that was started in the meantime. */
function moved(path: string, journalSeq: number): boolean {
  const now = readMark(join(dirname(path), highwaterName));
  return now !== null && (now.clean === 0 || now.journalSeq > journalSeq);
}

function missing(first: number, last: number): string {
  return first === last ? `record ${first} is missing` : `records ${first} to ${last} are missing`;
}

interface Anchor {
  journalSeq: number;
  hash: string;
  reason: string;
  after: unknown; // of a restore: the record that the anchor follows
}

/** A log may begin after another: then an event of its own chain says after which record, and with which hash. */
function anchor(db: Database.Database): Anchor | null {
  const begin = recordsAfter(db, first, 1)[0]?.row.journal_seq ?? 1;
  if (begin <= 1) return null;
  // the newest first: that is the one, unless somebody has been at it
  for (const row of db.prepare('SELECT detail FROM events WHERE kind = ? ORDER BY journal_seq DESC').iterate(anchorKind)) {
    const found = readAnchor((row as { detail: string }).detail);
    if (found?.journalSeq === begin - 1) return found;
  }
  return null;
}

function readAnchor(detail: string): Anchor | null {
  try {
    const { journalSeq, hash, reason: why, after } = JSON.parse(detail) as Record<string, unknown>;
    if (typeof journalSeq !== 'number' || typeof hash !== 'string' || !/^[0-9a-f]{64}$/.test(hash)) return null;
    return { journalSeq, hash, reason: String(why), after };
  } catch {
    return null; // not ours: the chain will tell
  }
}

/** After a restore numbers are left out, never records: the chain goes on from the last record of the backup. */
function jumped({ table, row }: AnyRow, last: number, prev: Buffer): boolean {
  if (table !== 'events' || row.kind !== anchorKind || !row.prev_hash.equals(prev)) return false;
  const said = readAnchor(row.detail);
  return said?.journalSeq === row.journal_seq - 1 && said.after === last && said.hash === prev.toString('hex');
}

/** The station removed its oldest records while they were read: then what is read now is where the log begins. */
function overtaken(db: Database.Database, journalSeq: number, rows: number): Anchor | 'gap' {
  const now = rows === 0 ? null : anchor(db);
  return now?.journalSeq === journalSeq - 1 ? now : 'gap';
}

async function pictureOf(record: AnyRow, path: string, signal?: AbortSignal): Promise<'same' | 'swapped' | 'missing' | 'misnamed' | null> {
  if (record.table !== 'images') return null;
  const { name, sha256 } = record.row;
  if (!pictureName.test(name)) return 'misnamed'; // a log of somebody else's may name any file of this machine
  const hash = createHash('sha256');
  try {
    for await (const chunk of createReadStream(join(dirname(path), imagesName, name), { signal })) hash.update(chunk as Buffer);
  } catch (thrown) {
    if (signal?.aborted === true) throw new VerdictdError('ABORTED', `Stopped while the picture ${name} was read.`, { cause: thrown });
    if ((thrown as NodeJS.ErrnoException).code === 'ENOENT') return 'missing';
    const what = `the picture ${name} cannot be read (${reason(thrown)})`;
    throw new VerdictdError('LOG_UNAVAILABLE', `${what}. Check its permissions and the disk.`, { cause: thrown });
  }
  return hash.digest('hex') === sha256 ? 'same' : 'swapped';
}

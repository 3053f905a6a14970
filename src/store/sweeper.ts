/** The retention worker: looks through images/ and deletes what is to go, beside the writer, which never waits for it. */
import { existsSync, lstatSync, readdirSync, rmSync, statfsSync } from 'node:fs';
import { join } from 'node:path';
import type Database from 'better-sqlite3';
import { serve } from '../threads';
import { fileName, imagesName } from './open';
import { type Choice, type Cutoffs, choose, isSample, type Kept, type Kind, type Reason } from './pruning';
import { openForReading } from './read';

export interface SweepRules {
  okDays: number;
  notOkDays: number;
  unreviewedDays: number;
  protectDays: number;
  oneIn: number;
  maxBytes: number;
  minFreeBytes: number;
}

/** What one reason took, of one kind of picture. */
export interface Swept {
  reason: Reason;
  kind: Kind;
  parts: number;
  bytes: number;
  first: string; // result ids
  last: string;
}

export interface Sweep {
  swept: Swept[];
  /** Files that could not be deleted, and why the first could not. */
  failed: number;
  failure: string;
  /** Files in images/ that no verdict of this log knows: left alone. */
  strange: number;
  /** Verdict of the oldest picture that is left; null: there is none. */
  oldestPictured: number | null;
  /** Last record older than the log's own limit in days. */
  rowsUpTo: number;
}

const hoursPerDay = 24;
const ours = /^([A-Za-z0-9]{1,14})(-map)?\.jpg$/;

function sweep({ dir, rules, hour, keepDays }: { dir: string; rules: SweepRules; hour: number; keepDays: number }): Sweep {
  const db = openForReading(join(dir, fileName));
  try {
    const upTo = cutoffOf(db, hour);
    const { pictures, strange } = look(db, join(dir, imagesName), rules.oneIn);
    const { bavail, bsize } = statfsSync(dir);
    const cutoffs: Cutoffs = {
      ok: upTo(rules.okDays),
      notOk: upTo(rules.notOkDays),
      unreviewed: upTo(rules.unreviewedDays),
      protect: upTo(rules.protectDays),
    };
    const choices = choose(pictures, cutoffs, { most: rules.maxBytes, space: Math.max(0, rules.minFreeBytes - bavail * bsize) });
    const { gone, failed, failure } = remove(choices, join(dir, imagesName));
    const left = pictures.filter(({ resultId }) => !gone.has(resultId));
    return {
      swept: summary(choices.filter(({ picture }) => gone.has(picture.resultId))),
      failed,
      failure,
      strange,
      oldestPictured: left.reduce<number | null>((oldest, { journalSeq }) => Math.min(oldest ?? journalSeq, journalSeq), null),
      rowsUpTo: upTo(keepDays),
    };
  } finally {
    db.close();
  }
}

/** The last record that is at least so many days of the station's life old; one hour more, for a mark is made within its hour. */
function cutoffOf(db: Database.Database, hour: number): (days: number) => number {
  const at = db.prepare('SELECT journal_seq FROM hours WHERE hour <= ? ORDER BY hour DESC LIMIT 1').pluck();
  return (days) => Number(at.get(hour - days * hoursPerDay - 1) ?? 0);
}

function look(db: Database.Database, folder: string, oneIn: number): { pictures: Kept[]; strange: number } {
  const byResult = db.prepare(`
    SELECT i.journal_seq, i.hash, i.evaluation = 1 AND (i.released = 1 OR i.simulated = 1) AS pass,
      EXISTS (SELECT 1 FROM labels AS l WHERE l.result_id = i.result_id) AS reviewed
    FROM inspections AS i WHERE i.result_id = ?`);
  const found = new Map<string, Kept>();
  let strange = 0;
  for (const name of existsSync(folder) ? readdirSync(folder) : []) {
    const resultId = ours.exec(name)?.[1];
    const file = lstatSync(join(folder, name), { throwIfNoEntry: false });
    if (file === undefined) continue;
    const one = resultId === undefined || !file.isFile() ? undefined : (found.get(resultId) ?? known(resultId));
    if (one === undefined) {
      strange++;
      continue;
    }
    found.set(one.resultId, { ...one, names: [...one.names, name], bytes: one.bytes + file.blocks * 512 });
  }
  return { pictures: [...found.values()], strange };

  function known(resultId: string): Kept | undefined {
    const row = byResult.get(resultId) as { journal_seq: number; hash: Buffer; pass: 0 | 1; reviewed: 0 | 1 } | undefined;
    if (row === undefined) return undefined;
    const kind: Kind = row.pass === 1 ? (isSample(row.hash, oneIn) ? 'sample' : 'ok') : row.reviewed === 1 ? 'notOk' : 'unreviewed';
    return { resultId, journalSeq: row.journal_seq, kind, names: [], bytes: 0 };
  }
}

/** A file that does not go is passed over: the next sweep tries again. */
function remove(choices: readonly Choice[], folder: string): { gone: Set<string>; failed: number; failure: string } {
  const gone = new Set<string>();
  let failed = 0;
  let failure = '';
  for (const { picture } of choices) {
    try {
      for (const name of picture.names) rmSync(join(folder, name), { force: true });
      gone.add(picture.resultId);
    } catch (thrown) {
      failed++;
      failure ||= thrown instanceof Error ? thrown.message : String(thrown);
    }
  }
  return { gone, failed, failure };
}

function summary(choices: readonly Choice[]): Swept[] {
  const all = new Map<string, Swept>();
  for (const { picture, reason } of choices) {
    const { kind, bytes, resultId } = picture;
    const key = `${reason} ${kind}`;
    const one = all.get(key) ?? { reason, kind, parts: 0, bytes: 0, first: resultId, last: resultId };
    all.set(key, { ...one, parts: one.parts + 1, bytes: one.bytes + bytes, last: resultId });
  }
  return [...all.values()];
}

const methods = { sweep };

export type SweeperMethods = typeof methods;

serve(methods);

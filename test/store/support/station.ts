import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import Database from 'better-sqlite3';
import { monotonicMs } from '../../../src/clock';
import type { LogStart, Part, Verdict } from '../../../src/ports';
import { SqliteLog, type SqliteLogOptions } from '../../../src/store/log';

const made: string[] = [];

/** A fresh data directory, removed by `clean`. */
export function dataDir(): string {
  const dir = mkdtempSync(join(tmpdir(), 'verdictd-store-'));
  made.push(dir);
  return dir;
}

export function clean(): void {
  for (const dir of made.splice(0)) rmSync(dir, { recursive: true, force: true });
}

export const bootName = (n: number): string => `boot${n}`;

export interface Running {
  log: SqliteLog;
  started: LogStart;
  notices: string[];
}

export async function start(dir: string, more: Partial<SqliteLogOptions> = {}): Promise<Running> {
  const notices: string[] = [];
  const log = new SqliteLog({ dir, bootId: bootName, notice: (text) => notices.push(text), ...more });
  const started = await log.start(new AbortController().signal);
  return { log, started, notices };
}

export const stop = (log: SqliteLog): Promise<void> => log.stop(monotonicMs() + 5000);

export function part(n: number, over: Partial<Part> = {}): Part {
  return {
    resultId: `P${String(n).padStart(13, '0')}`,
    seq: n,
    partId: `A${n}`,
    recipe: { id: 'cast', number: 3 },
    opened: monotonicMs(),
    openedUtc: '2026-11-30T08:00:00.000Z',
    clockTrusted: true,
    simulated: false,
    ...over,
  };
}

export function verdict(n: number, over: Partial<Verdict> = {}, partOver: Partial<Part> = {}): Verdict {
  return {
    part: part(n, partOver),
    evaluation: 1,
    code: 0,
    state: 1,
    score: 0.25 + n / 1024,
    limit: 0.62,
    frameId: 1000 + n,
    mapMax: 0.7,
    probabilities: null,
    provider: 'cpu',
    bundle: 'b'.repeat(64),
    config: 'c'.repeat(64),
    timings: {
      startTime: '2026-11-30T08:00:00.000Z',
      endTime: '2026-11-30T08:00:00.150Z',
      acquisitionDuration: 61.25,
      processingDuration: 88.5,
    },
    late: false,
    detail: '',
    released: 1,
    lot: 'L7',
    ...over,
  };
}

/** Commits parts `from`..`to`, each opened before; every third is a reject. */
export async function fill(log: SqliteLog, from: number, to: number): Promise<void> {
  for (let n = from; n <= to; n++) {
    const one = n % 3 === 0 ? verdict(n, { evaluation: 2, code: 101, released: 0, score: 0.9, detail: 'scratch' }) : verdict(n);
    await log.open(one.part);
    await log.commit(one);
  }
}

/** Somebody with a raw connection: the triggers that stand in the way are dropped first. */
export function tamper(dir: string, work: (db: Database.Database) => void): void {
  const db = new Database(join(dir, 'log.db'));
  const triggers = db.prepare("SELECT name FROM sqlite_schema WHERE type = 'trigger'").pluck().all() as string[];
  for (const name of triggers) db.exec(`DROP TRIGGER ${name}`);
  work(db);
  db.close();
}

export function query<T>(dir: string, sql: string): T[] {
  const db = new Database(join(dir, 'log.db'), { readonly: true });
  try {
    return db.prepare(sql).all() as T[];
  } finally {
    db.close();
  }
}

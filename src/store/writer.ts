/**
 * The only writer of log.db. Runs in the store worker; every method is one transaction at most, synced before it returns.
 *
 * Invariant: `tail` is the last record in the file. It moves only after its transaction has committed, and a transaction that
 * finds another tail in the file (a second writer) is refused: the chain has one end.
 */
import { join } from 'node:path';
import type Database from 'better-sqlite3';
import { systemClock } from '../clock';
import { Code } from '../codes';
import { VerdictdError } from '../errors';
import type { Entry, ImageRecord, LogStart, Part, Verdict } from '../ports';
import { furthest, isAhead } from '../seq';
import { DeliveredMark } from './delivered';
import { judgeEnding } from './ending';
import { Highwater, type Mark, readMark } from './highwater';
import { type Lived, live, type Reading } from './lived';
import { explained, fileName, growWal, highwaterName, openForWriting, pictureName, salvage } from './open';
import { type AuditRecord, insertAudit, insertLabel, type LabelRecord } from './people';
import { nextPrefix, type Removed, removePrefix } from './prefix';
import { Presence } from './present';
import { entriesAfter, readTail, type Tail } from './read';
import {
  abortedRow,
  anchorKind,
  eventRow,
  genesis,
  type Hashed,
  type InspectionRow,
  imageRow,
  inspectionRow,
  type PendingRow,
  pendingRow,
  type Row,
  recordHash,
  rowValues,
  type Stamp,
  sameVerdict,
  type Table,
  verdictOf,
} from './record';
import { applicationId } from './schema';
import { prepare, type Statements } from './statements';

const checkpointEvery = 512; // transactions: about 3 MB of WAL

export interface Written {
  journalSeq: number;
  hash: string;
  /** The part had this verdict already (a call repeated after its answer was lost), or another one. */
  existed: 'no' | 'same' | 'other';
}

export interface Prefix {
  upTo: number; // journalSeq
  most: number; // records at a time
  keep: number; // newest records that stay
  why: string;
  owed?: number; // undelivered records that stay, the newest of them; left out: all
}

export class LogWriter {
  private readonly path: string;
  private readonly highwater: Highwater;
  private db: Database.Database | null = null;
  /** Runs its argument as one transaction; made once, for making it costs as much as running it. */
  private transaction: Database.Transaction<(work: () => void) => void> | null = null;
  private sql: Statements | null = null;
  private setAside: string | null = null;
  private mark: Mark | null = null;
  private tail: Tail = { journalSeq: 0, hash: genesis };
  private bootId = '';
  private bootNumber = 0;
  private lastSeq = 0;
  private readonly delivery = new DeliveredMark((upTo) =>
    this.write(() => this.opened().sql.setMeta.run({ name: 'deliveredUpTo', value: upTo })),
  );
  private marking: NodeJS.Immediate | null = null;
  private transactions = 0;
  private begun = false;
  private readonly presence: Presence;

  constructor(private readonly dir: string) {
    this.path = join(dir, fileName);
    this.highwater = new Highwater(join(dir, highwaterName));
    this.presence = new Presence(this.path);
  }

  /**
   * First half of the start: the file is open and sound. `resumed` is the boot number of this same run, after a worker died.
   * Not `sure`: without its high-water mark the file does not tell whether there were later runs.
   */
  open(resumed: number | null): { bootNumber: number; sure: boolean } {
    const { db, setAside } = openForWriting(this.dir);
    this.db = db;
    this.transaction = db.transaction((work: () => void) => work());
    this.setAside = setAside;
    this.sql = prepare(db);
    const mark = readMark(join(this.dir, highwaterName));
    const salvaged = setAside === null ? null : salvage(join(this.dir, setAside));
    this.mark = salvaged !== null && salvaged.journalSeq > (mark?.journalSeq ?? 0) ? salvaged : mark;
    const stored = Number(this.sql.getMeta.get('bootNumber'));
    this.bootNumber = resumed ?? Math.max(stored, mark?.bootNumber ?? 0, salvaged?.bootNumber ?? 0) + 1;
    return { bootNumber: this.bootNumber, sure: resumed !== null || mark !== null };
  }

  /**
   * Second half: one transaction closes what an earlier run left, and says in the chain what is not as that run left it.
   * `bootNumber` is what `open` gave, or a larger one where more runs are known of.
   */
  begin(bootId: string, bootNumber: number): LogStart & { notices: string[] } {
    const { db, sql } = this.opened();
    const mark = this.mark;
    const unknown = bootNumber - this.bootNumber;
    this.bootId = bootId;
    this.bootNumber = bootNumber;
    this.tail = readTail(db);
    const { tail, notices } = judgeEnding({
      tail: this.tail,
      mark,
      setAside: this.setAside,
      hashAt: (journalSeq) => this.hashAt(journalSeq),
    });
    this.tail = tail;
    if (unknown > 0) {
      const detail = `there are pictures of start ${bootNumber - 1}, and ${fileName} knows nothing of it: rows of earlier runs are gone with ${highwaterName}, and the numbers of the journal begin at ${this.tail.journalSeq + 1} again`;
      notices.push({ kind: 'logAltered', detail });
    }
    const stale = sql.stalePending.all(bootId) as PendingRow[];
    this.lastSeq = furthest([
      ...(sql.lastSeqs.all() as number[]).reverse(),
      ...(sql.pendingSeqs.all() as number[]),
      ...(mark === null ? [] : [mark.lastSeq]),
    ]);
    this.append(() => {
      sql.setMeta.run({ name: 'bootNumber', value: this.bootNumber });
      const rows: [Table, (stamp: Stamp) => Row][] = [
        ...notices.map(({ kind, detail }): [Table, (stamp: Stamp) => Row] => ['events', (stamp) => this.event(kind, detail, stamp)]),
        ...stale.map((row): [Table, (stamp: Stamp) => Row] => ['inspections', (stamp) => abortedRow(row, stamp)]),
      ];
      for (const row of stale) sql.deletePending.run(row.result_id);
      return rows;
    }, false);
    this.delivery.read(Number(sql.getMeta.get('deliveredUpTo')));
    growWal(this.path);
    this.highwater.open();
    this.highwater.writeSync(this.marked(0));
    this.presence.note();
    this.begun = true;
    return {
      lastSeq: this.lastSeq,
      bootNumber: this.bootNumber,
      aborted: stale.length,
      notices: notices.map(({ detail, said }) => said ?? detail),
    };
  }

  private hashAt(journalSeq: number): string | null {
    const hash = this.opened().sql.hashAt.get({ journalSeq }) as Buffer | undefined;
    return hash?.toString('hex') ?? null;
  }

  /** @throws VerdictdError INTERNAL when the number or the part is open or decided already */
  pending(part: Part, lot: string): void {
    const { sql } = this.ready();
    this.write(() => {
      if (sql.isOpen.get({ result_id: part.resultId, seq: part.seq }) !== undefined) {
        throw new VerdictdError('INTERNAL', `part ${part.resultId} (seq ${part.seq}) is in the log already: a part is opened once.`);
      }
      sql.insertPending.run(pendingRow(part, lot, this.bootId));
    });
    this.used(part.seq);
    this.markSoon();
  }

  commit(verdict: Verdict): Written {
    const { sql } = this.ready();
    try {
      this.append(() => {
        sql.deletePending.run(verdict.part.resultId);
        return [['inspections', (stamp) => inspectionRow(verdict, stamp)]];
      });
    } catch (thrown) {
      // The table refuses a second row of a part. Asked only now: nearly every verdict is a new one, and a gate waits for it.
      const known = this.known(verdict.part.resultId);
      if (known === undefined) throw thrown;
      return { journalSeq: known.journal_seq, hash: known.hash.toString('hex'), existed: sameVerdict(known, verdict) };
    }
    this.used(verdict.part.seq);
    return { journalSeq: this.tail.journalSeq, hash: this.tail.hash.toString('hex'), existed: 'no' };
  }

  /**
   * Verdicts that waited, in their order, in one transaction with one sync: all of them or none. One that has its row already gets
   * no second one, and its answer tells.
   * @throws VerdictdError INTERNAL when one of them breaks a rule of the log: written one by one, it is found
   */
  commitAll(verdicts: readonly Verdict[]): Written['existed'][] {
    const { sql } = this.ready();
    let existed: Written['existed'][] = [];
    this.append(() => {
      const known = verdicts.map(({ part }) => sql.byResult.get(part.resultId) as Hashed<InspectionRow> | undefined);
      existed = verdicts.map((verdict, i) => (known[i] === undefined ? 'no' : sameVerdict(known[i], verdict)));
      for (const { part } of verdicts) sql.deletePending.run(part.resultId);
      const fresh = verdicts.filter((_, i) => known[i] === undefined);
      return fresh.map((verdict): [Table, (stamp: Stamp) => Row] => ['inspections', (stamp) => inspectionRow(verdict, stamp)]);
    });
    for (const { part } of verdicts) this.used(part.seq);
    return existed;
  }

  /** Asked after a failure: one of its own must not hide the first. */
  private known(resultId: string): Hashed<InspectionRow> | undefined {
    try {
      return this.opened().sql.byResult.get(resultId) as Hashed<InspectionRow> | undefined;
    } catch {
      return undefined;
    }
  }

  image(record: ImageRecord): void {
    const { sql } = this.ready();
    if (!pictureName.test(record.name) || !/^[0-9a-f]{64}$/.test(record.sha256)) {
      throw new VerdictdError('INTERNAL', `picture ${record.name}: expected a relative file name under images/ and a SHA-256 in hex.`);
    }
    if (sql.byResult.get(record.resultId) === undefined) {
      throw new VerdictdError('LOG_UNAVAILABLE', `picture ${record.name}: its part ${record.resultId} is not in the log.`);
    }
    this.append(() => [['images', (stamp) => imageRow(record, systemClock.wall().trusted, stamp)]]);
  }

  note(kind: string, detail: string): void {
    if (kind === anchorKind) throw new VerdictdError('INTERNAL', `event kind ${anchorKind} is the log's own.`);
    this.ready();
    this.append(() => [['events', (stamp) => this.event(kind, detail, stamp)]]);
  }

  /** A commit and its sync that change nothing: the page of the file's header, written as it is. */
  probe(): void {
    const { db } = this.ready();
    this.write(() => db.pragma(`application_id = ${applicationId}`));
  }

  /** @throws VerdictdError LABEL_REFUSED */
  label(record: LabelRecord): number {
    const { sql } = this.ready();
    return insertLabel(record, sql, (work) => this.write(work));
  }

  audit(record: AuditRecord): void {
    const { sql } = this.ready();
    insertAudit(record, this.bootId, sql, (work) => this.write(work));
  }

  /** Takes note of the time: how long the station has lived. An event says by how much the wall clock was set. */
  live(reading: Reading): { hour: number } {
    const { sql } = this.ready();
    const { lived, step } = live((sql.getLived.get() as Lived | undefined) ?? null, reading);
    const hour = Math.floor(lived.elapsed / 3_600_000);
    this.append(() => {
      sql.setLived.run({ ...lived, elapsed: Math.round(lived.elapsed), mono: Math.round(lived.mono), trusted: lived.trusted ? 1 : 0 });
      sql.insertHour.run({ hour, journalSeq: this.tail.journalSeq });
      if (step === null) return [];
      return [['events', (stamp) => this.event('clockStep', `the wall clock was set by ${Math.round(step / 1000)} s`, stamp)]];
    });
    return { hour };
  }

  /**
   * Removes the oldest records up to `upTo`, `most` at a time, but never one of the newest `keep`, nor one of the newest `owed` that
   * are still to be delivered. What stays begins with an anchor: it says after which record, with which hash, why, and how many of
   * those that went were never delivered.
   */
  forget({ upTo, most, keep, why, owed = Number.POSITIVE_INFINITY }: Prefix): Removed {
    const { db, sql } = this.ready();
    const free = Math.max(this.delivery.upTo, this.tail.journalSeq - owed);
    const least = Math.min(upTo, free, this.tail.journalSeq - Math.max(1, keep));
    const end = nextPrefix(db, least, most);
    if (end === null) return { rows: 0, undelivered: 0, more: false };
    const undelivered = Math.max(0, end.journalSeq - Math.max(this.delivery.upTo, this.pruned()));
    this.highwater.writeSync(this.marked(0)); // a power cut must not bring back a mark that lies before the rows that go
    const anchor = { journalSeq: end.journalSeq, hash: end.hash.toString('hex'), reason: why };
    const detail = JSON.stringify(undelivered > 0 ? { ...anchor, undelivered } : anchor);
    let rows = 0;
    this.append(() => {
      rows = removePrefix(db, end.journalSeq);
      const utc = systemClock.wall();
      const audited = { actor: 'verdictd', action: 'recordsRemoved', detail, boot_id: this.bootId, created_utc: utc.utc };
      sql.insertAudit.run({ ...audited, clock_trusted: utc.trusted ? 1 : 0 });
      return [['events', (stamp) => this.event(anchorKind, detail, stamp)]];
    });
    this.delivery.move(end.journalSeq); // nobody waits for what is gone
    return { rows, undelivered, more: end.journalSeq < least };
  }

  /** The last record that was removed; 0: none was. */
  private pruned(): number {
    return Number(this.opened().sql.getMeta.get('prunedUpTo'));
  }

  /** The newest verdict under a number. `opened` is as it was written, by whichever run: see line/repetition.ts for its age. */
  find(seq: number): { verdict: Verdict; journalSeq: number; hash: string } | null {
    const { sql } = this.ready();
    const row = sql.bySeq.get(seq) as Hashed<InspectionRow> | undefined;
    if (row === undefined) return null;
    const verdict = verdictOf(row, row.boot_id);
    const takenBack = sql.takenBack.get({ journalSeq: row.journal_seq, resultId: row.result_id }) !== undefined;
    const said: Verdict = takenBack && verdict.released === 1 ? { ...verdict, released: 0, code: Code.expired } : verdict;
    return { verdict: said, journalSeq: row.journal_seq, hash: row.hash.toString('hex') };
  }

  /** Delivered ones too. */
  entries(after: number, n: number): Entry[] {
    return entriesAfter(this.ready().db, after, n);
  }

  backlog(after: number, n: number): Entry[] {
    return entriesAfter(this.ready().db, Math.max(after, this.delivery.upTo), n);
  }

  delivered(upTo: number): void {
    this.delivery.move(Math.min(upTo, this.tail.journalSeq));
  }

  /** The only close path. A clean stop leaves one file and a mark that says where it ends. */
  close(): void {
    const { db } = this;
    if (db === null) return;
    try {
      if (this.begun) {
        this.delivery.save();
        this.highwater.writeSync(this.marked(1));
      }
    } finally {
      this.db = null;
      this.sql = null;
      this.transaction = null;
      this.highwater.close();
      db.close(); // checkpoints
    }
  }

  private marked(clean: 0 | 1): Mark {
    return {
      bootNumber: this.bootNumber,
      journalSeq: this.tail.journalSeq,
      hash: this.tail.hash.toString('hex'),
      lastSeq: this.lastSeq,
      clean,
    };
  }

  private used(seq: number): void {
    if (isAhead(seq, this.lastSeq)) this.lastSeq = seq;
  }

  private event(kind: string, detail: string, stamp: Stamp): Row {
    return eventRow(kind, detail, systemClock.now(), systemClock.wall().trusted, stamp);
  }

  /** One transaction that adds the records `work` asks for, in order, each chained to the one before. */
  private append(work: () => [Table, (stamp: Stamp) => Row][], guarded = true): void {
    const { sql } = this.opened();
    let end = this.tail;
    this.write(() => {
      if (guarded && Number(sql.lastJournalSeq.get()) !== this.tail.journalSeq) {
        throw new VerdictdError(
          'LOG_UNAVAILABLE',
          `${this.path}: another program has added rows. Stop it, run \`verdictd log verify\`, then restart verdictd.`,
        );
      }
      for (const [table, make] of work()) {
        const row = make({ journal_seq: end.journalSeq + 1, boot_id: this.bootId, created_utc: systemClock.wall().utc });
        const hash = recordHash(table, row, end.hash);
        sql.insert[table].run(rowValues(table, row, end.hash, hash));
        end = { journalSeq: row.journal_seq, hash };
      }
    }, guarded);
    this.tail = end;
    this.markSoon();
  }

  /**
   * After the answer has left: a gate waits for that, and nobody for the mark. It lags by one transaction at most: calls that come
   * as fast as they are answered keep the loop from its immediates.
   */
  private markSoon(): void {
    if (this.marking !== null) {
      this.remember();
      return;
    }
    this.marking = setImmediate(() => {
      this.marking = null;
      if (this.db !== null) this.remember();
    });
  }

  /** The record is safe whatever becomes of its mark: where the disk refuses it, the next one tells as much. */
  private remember(): void {
    try {
      this.highwater.write(this.marked(0));
    } catch {
      // an older mark than could be is never a wrong one
    }
  }

  private write(work: () => void, guarded = true): void {
    const { transaction } = this.opened();
    if (guarded) this.presence.check();
    try {
      transaction.immediate(work);
    } catch (thrown) {
      throw explained(thrown, this.path);
    }
    if (++this.transactions % checkpointEvery === 0) setImmediate(() => this.checkpoint()); // after the answer has left
  }

  private checkpoint(): void {
    try {
      this.db?.pragma('wal_checkpoint(PASSIVE)');
      this.delivery.save(); // the next write begins the WAL anew, which takes a sync more: rather this one than a verdict
    } catch {
      // the WAL keeps the rows; SQLite's own checkpoint tries again
    }
  }

  private opened(): { db: Database.Database; sql: Statements; transaction: NonNullable<LogWriter['transaction']> } {
    const { db, sql, transaction } = this;
    if (db === null || sql === null || transaction === null) throw new VerdictdError('LOG_UNAVAILABLE', `${this.path} is not open.`);
    return { db, sql, transaction };
  }

  /** Open, and begun: a call that slips in while a new worker starts is refused. */
  private ready(): { db: Database.Database; sql: Statements } {
    if (!this.begun) throw new VerdictdError('LOG_UNAVAILABLE', `${this.path} is being opened.`);
    return this.opened();
  }

  /** @throws VerdictdError LOG_REMOVED */
  sameFiles(): void {
    this.presence.check();
  }
}

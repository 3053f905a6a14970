/**
 * Keeps the log and its pictures within bounds: pictures by age, size of all, and free space; records as an oldest prefix, after
 * their pictures. Ages are of the station's life (lived.ts). What was deleted, and why, is an event of the log.
 */
import { setTimeout as sleep } from 'node:timers/promises';
import type { Diagnostics } from '../diagnostics';
import { reason } from '../errors';
import type { Clock, Ms } from '../ports';
import { WorkerClient, workerFile } from '../threads';
import { noStep, type Reading, readClocks } from './lived';
import type { SqliteLog } from './log';
import type { Sweep, SweeperMethods, SweepRules, Swept } from './sweeper';

export interface RetentionRules extends SweepRules {
  keepDays: number; // of records
  keepRows: number;
  /** Records that wait for the broker, at the most; older ones may go undelivered. */
  outbox: number;
}

export interface RetentionOptions {
  dir: string;
  rules: RetentionRules;
  /** For tests: what stays of the records whatever the rules say. */
  newestKept?: number;
  /** Told when records went that were never delivered. */
  dropped?: (records: number) => void;
}

const every: Ms = 10 * 60_000;
const lookEvery: Ms = 10_000;
/** The newest records stay whatever the rules say: repeated triggers are answered from them, and the PLC's numbers go on from them. */
const newest = 10_000;
const batch = 200; // records that go in one transaction: a commit that comes in between waits for one
const breath: Ms = 50; // between two of them
const mostBatches = 500; // of one sweep

export class Retention {
  private timers: NodeJS.Timeout[] = [];
  private ahead: Ms | null = null; // the wall clock before the monotonic one, as last noted
  private running: Promise<void> | null = null;
  private again = false;
  private stopping = false;
  /** Swept, and not yet an event: the disk was full. */
  private unsaid: Swept[] = [];
  private strange = 0;

  constructor(
    private readonly options: RetentionOptions,
    private readonly log: Pick<SqliteLog, 'live' | 'forget' | 'event'>,
    private readonly clock: Clock,
    private readonly diagnostics: Diagnostics,
    private readonly clocks: (clock: Clock) => Reading = readClocks,
  ) {}

  start(): void {
    this.timers = [setInterval(() => void this.sweep(), every).unref(), setInterval(() => void this.look(), lookEvery).unref()];
    void this.sweep();
  }

  /** A wall clock that was set is an event of the log while rows around it are young, not with the next sweep. Never rejects. */
  async look(): Promise<void> {
    const reading = this.clocks(this.clock);
    const set = this.ahead !== null && Math.abs(reading.wall - reading.mono - this.ahead) > noStep;
    if (set) await this.note(reading).catch(() => undefined); // a log that cannot be written now: looked at again
  }

  /** Takes note of the time; resolves with the hour of the station's life. */
  private async note(reading: Reading): Promise<number> {
    const { hour } = await this.log.live(reading);
    this.ahead = reading.wall - reading.mono;
    return hour;
  }

  /** Ends after the batch under way; a sweep that the deadline cuts off is done at the next start. */
  async stop(by: Ms): Promise<void> {
    this.stopping = true;
    for (const timer of this.timers) clearInterval(timer);
    this.timers = [];
    const late = new AbortController();
    const deadline = sleep(Math.max(0, by - this.clock.now()), undefined, { signal: late.signal }).catch(() => undefined);
    await Promise.race([this.running ?? Promise.resolve(), deadline]);
    late.abort();
  }

  /** One round, at once; one that is asked for while another runs follows it. Never rejects. */
  sweep(): Promise<void> {
    if (this.stopping) return Promise.resolve();
    if (this.running !== null) {
      this.again = true;
      return this.running;
    }
    this.running = this.rounds().finally(() => {
      this.running = null;
    });
    return this.running;
  }

  private async rounds(): Promise<void> {
    do {
      this.again = false;
      try {
        await this.round();
      } catch (thrown) {
        this.diagnostics.error({ err: reason(thrown) }, 'old pictures and records could not be removed; it is tried again');
      }
    } while (this.again && !this.stopping);
  }

  private async round(): Promise<void> {
    const { dir, rules } = this.options;
    // A full disk takes no note of the time: no age counts then, but pictures go for space all the same.
    const hour = await this.note(this.clocks(this.clock)).catch(() => -1);
    const worker = new WorkerClient<SweeperMethods>(workerFile('store/sweeper'), 'retention');
    worker.start();
    let done: Sweep;
    try {
      done = await worker.call('sweep', { dir, rules, hour, keepDays: rules.keepDays });
    } finally {
      await worker.end();
    }
    await this.tell(done);
    if (hour >= 0) await this.forget(done);
  }

  private async tell({ swept, failed, failure, strange }: Sweep): Promise<void> {
    this.unsaid.push(...swept);
    for (const one of swept) this.diagnostics.info({ ...one }, 'pictures deleted');
    if (failed > 0) this.diagnostics.error({ failed, failure }, 'pictures could not be deleted; check the permissions of images/');
    if (strange > this.strange) this.diagnostics.warn({ strange }, 'files in images/ that this log knows nothing of; they are left alone');
    this.strange = strange;
    for (let one = this.unsaid[0]; one !== undefined; one = this.unsaid[0]) {
      await this.log.event('picturesDeleted', JSON.stringify(one)).catch(() => {
        one = undefined; // a full disk: said later
      });
      if (one === undefined) return;
      this.unsaid.shift();
    }
  }

  private async forget({ oldestPictured, rowsUpTo }: Sweep): Promise<void> {
    const { rules, newestKept = newest } = this.options;
    const pictured = (oldestPictured ?? Number.MAX_SAFE_INTEGER) - 1;
    const day = rules.keepDays === 1 ? 'day' : 'days';
    await this.forgetUpTo(Math.min(rowsUpTo, pictured), newestKept, `older than ${rules.keepDays} ${day}`);
    await this.forgetUpTo(pictured, Math.max(newestKept, rules.keepRows), `more than ${rules.keepRows} records`);
  }

  private async forgetUpTo(upTo: number, keep: number, why: string): Promise<void> {
    const { rules, dropped } = this.options;
    let rows = 0;
    let undelivered = 0;
    for (let n = 0; n < mostBatches && !this.stopping; n++) {
      const removed = await this.log.forget({ upTo, most: batch, keep, why, owed: rules.outbox });
      rows += removed.rows;
      undelivered += removed.undelivered;
      if (!removed.more) break;
      await sleep(breath);
    }
    if (rows > 0) this.diagnostics.info({ rows, why }, 'old records removed from the log');
    if (undelivered === 0) return;
    const what = 'records were removed that the broker never took (log.outbox): the journal has a gap; bring the broker back';
    this.diagnostics.error({ undelivered }, what);
    dropped?.(undelivered);
  }
}

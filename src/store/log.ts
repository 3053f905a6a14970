/**
 * The main thread's end of the log, and the only place that mints `Committed`. A verdict that could not be written is kept in
 * memory and written when the disk takes it again: as late and not released, since the gate has been told no (contract,
 * "Handshake" 9).
 */
import { readdir } from 'node:fs/promises';
import { basename, join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { monotonicMs } from '../clock';
import { type ErrorCode, errors, reason, VerdictdError } from '../errors';
import type { Committed, Entry, ImageRecord, Log, LogStart, Ms, Part, Verdict } from '../ports';
import { WorkerClient, WorkerError, workerFile } from '../threads';
import type { Reading } from './lived';
import { imagesName } from './open';
import type { AuditRecord, LabelRecord } from './people';
import type { Removed } from './prefix';
import type { StoreMethods } from './worker';

const pulse = 500; // ms between proofs of life when nothing else is asked
const plausible = 1_000_000; // starts in a station's life: a file that tells of more has its name by chance
const keep = 1000; // verdicts held while the disk refuses them
const lastTries = 5; // at the stop, for what waits ...
const lastTryAfter = 200; // ... ms apart: an error of the disk that passes costs no verdict
const takesBack: ReadonlySet<string> = new Set(['notReleased', 'revoked']); // events that say that a pass was none
const batch = 100; // of them in one transaction: a verdict that comes meanwhile waits for one

export interface SqliteLogOptions {
  dir: string; // data directory
  /** Name of this run in every record, from its durable number. */
  bootId: (bootNumber: number) => string;
  /** The other way, of a picture's name; null for any other. Where given, a run never takes the number of one that left pictures. */
  bootNumberOf?: (name: string) => number | null;
  /** Told what a person should know: rows missing, a damaged file set aside, the writer restarted. */
  notice?: (text: string) => void;
  /** Told when verdicts that waited in memory were written: the outbox has them now, and no other part may come to say so. */
  caughtUp?: () => void;
  /** Told once when log.db was removed or replaced: nothing can be logged before a restart (LOG_REMOVED). */
  failed?: (error: VerdictdError) => void;
}

/** What is held in memory, for state and alarms. */
export interface Unwritten {
  waiting: number;
  dropped: number; // since start: more than 1000 waited, or no row could hold it
}

export class SqliteLog implements Log {
  private readonly client = new WorkerClient<StoreMethods>(workerFile('store/worker'), 'store');
  private readonly notice: (text: string) => void;
  private readonly ring: Verdict[] = [];
  private readonly events: { kind: string; detail: string }[] = []; // that wait
  private dropped = 0;
  private bootNumber: number | null = null;
  private lastAnswer: Ms = 0;
  private inFlight = 0;
  private timer: NodeJS.Timeout | null = null;
  private repairing = false;
  private removed = false;

  constructor(private readonly options: SqliteLogOptions) {
    this.notice = options.notice ?? (() => undefined);
  }

  async start(signal: AbortSignal): Promise<LogStart> {
    const aborted = (): VerdictdError => new VerdictdError('ABORTED', 'Stopped while the log was opening.');
    if (signal.aborted) throw aborted();
    const onAbort = (): void => void this.client.end();
    signal.addEventListener('abort', onAbort, { once: true });
    try {
      const started = await this.launch();
      this.timer = setInterval(() => void this.tick(), pulse).unref();
      return started;
    } catch (thrown) {
      throw signal.aborted ? aborted() : thrown;
    } finally {
      signal.removeEventListener('abort', onAbort);
    }
  }

  private async launch(): Promise<LogStart> {
    this.client.start({ onDied: (error) => this.notice(`the writer of the log died and is started again: ${error.message}`) });
    try {
      const found = await this.call('open', { dir: this.options.dir, resumed: this.bootNumber });
      const pictured = found.sure ? 0 : await this.lastPictured();
      const bootNumber = Math.max(found.bootNumber, pictured + 1);
      const { notices, ...started } = await this.call('begin', { bootId: this.options.bootId(bootNumber), bootNumber });
      this.bootNumber = bootNumber;
      for (const one of notices) this.notice(`log.db: ${one}`);
      return started;
    } catch (thrown) {
      await this.client.end();
      throw thrown;
    }
  }

  /** The last run that left a picture: asked where nothing else remembers how many there were. */
  private async lastPictured(): Promise<number> {
    const { dir, bootNumberOf } = this.options;
    if (bootNumberOf === undefined) return 0;
    const names = await readdir(join(dir, imagesName), { recursive: true }).catch((): string[] => []);
    const numbers = names.map((name) => bootNumberOf(basename(name)) ?? 0);
    return numbers.reduce((last, number) => (number < plausible ? Math.max(last, number) : last), 0);
  }

  open(part: Part, lot = ''): Promise<void> {
    return this.call('pending', { part, lot });
  }

  async commit(verdict: Verdict): Promise<Committed> {
    try {
      const { journalSeq, hash, existed } = await this.call('commit', verdict);
      if (existed !== 'other') return { verdict, journalSeq, hash } as unknown as Committed; // the brand has no value: see ports.ts
    } catch (thrown) {
      this.hold(verdict);
      throw thrown;
    }
    throw new VerdictdError('INTERNAL', `part ${verdict.part.resultId} has another verdict in the log: a part is decided once.`);
  }

  image(record: ImageRecord): Promise<void> {
    return this.call('image', record);
  }

  /** One that takes a pass back waits in memory where the disk refuses it, as verdicts do: without it the log would claim that pass. */
  async event(kind: string, detail: string): Promise<void> {
    try {
      await this.call('event', { kind, detail });
    } catch (thrown) {
      if (takesBack.has(kind) && !breaksRule(thrown) && this.events.length < keep) this.events.push({ kind, detail });
      throw thrown;
    }
  }

  /** A human judgement beside a verdict; gives its number. Rejects with LABEL_REFUSED where there is no such verdict. */
  label(record: LabelRecord): Promise<number> {
    return this.call('label', record);
  }

  audit(record: AuditRecord): Promise<void> {
    return this.call('audit', record);
  }

  /** See LogWriter.live. */
  live(reading: Reading): Promise<{ hour: number }> {
    return this.call('live', reading);
  }

  /** See LogWriter.forget. */
  forget(prefix: Parameters<StoreMethods['forget']>[0]): Promise<Removed> {
    return this.call('forget', prefix);
  }

  async find(seq: number): Promise<Committed | null> {
    return (await this.call('find', { seq })) as unknown as Committed | null; // it is in the log: see commit
  }

  /** Entries of the journal after a number, delivered ones too. */
  entries(after: number, n: number): Promise<Entry[]> {
    return this.call('entries', { after, n });
  }

  backlog(after: number, n: number): Promise<Entry[]> {
    return this.call('backlog', { after, n });
  }

  delivered(upTo: number): Promise<void> {
    return this.call('delivered', { upTo });
  }

  /** One commit and its sync that add nothing: proof that the writer and the disk work. Rejects with LOG_UNAVAILABLE. */
  probe(): Promise<void> {
    return this.call('probe', null);
  }

  alive(): Ms {
    return this.lastAnswer;
  }

  get unwritten(): Unwritten {
    return { waiting: this.ring.length, dropped: this.dropped };
  }

  async stop(by: Ms): Promise<void> {
    if (this.timer !== null) clearInterval(this.timer);
    this.timer = null;
    if (!this.client.running && !this.waits) return;
    const orderly = async (): Promise<void> => {
      while (this.repairing) await sleep(5); // a writer that is being started takes nothing yet
      if (this.removed && this.waits) await this.beginAnew();
      await this.drainAtLast();
      await this.call('close', null);
    };
    const late = new AbortController();
    const deadline = sleep(Math.max(0, by - monotonicMs()), undefined, { signal: late.signal }).catch(() => undefined);
    try {
      await Promise.race([orderly(), deadline]);
    } catch (thrown) {
      this.notice(`the log was not closed in order: ${reason(thrown)}`);
    }
    await Promise.race([this.client.end(), deadline]); // a thread inside a hung fsync cannot be ended: the process will
    late.abort();
    if (this.ring.length > 0) this.notice(`${this.ring.length} verdicts could not be written before the stop`);
    for (const { kind, detail } of this.events) this.notice(`an event could not be written before the stop: ${kind} ${detail}`);
  }

  /** What waits in memory has no other chance: a writer that has died is started for it, and a disk that refuses is asked again. */
  private async drainAtLast(): Promise<void> {
    for (let left = lastTries; ; left--) {
      try {
        if (!this.client.running) await this.launch();
        return await this.drain(keep);
      } catch (thrown) {
        if (left <= 1 || this.removed) throw thrown;
        await sleep(lastTryAfter);
      }
    }
  }

  private get waits(): boolean {
    return this.ring.length > 0 || this.events.length > 0;
  }

  /** After log.db was removed: what waits in memory goes to the log that takes its place, unless the file is back. */
  private async beginAnew(): Promise<void> {
    try {
      await this.call('ping', null);
    } catch {
      await this.client.end();
      await this.launch();
    }
  }

  private hold(verdict: Verdict): void {
    this.ring.push({ ...verdict, released: 0, late: true, code: verdict.code === 0 ? 502 : verdict.code });
    if (this.ring.length > keep) {
      this.ring.shift();
      if (this.dropped++ === 0)
        this.notice(`${keep} verdicts wait for the disk, the oldest are given up from now on: free space, or mend it`);
    }
  }

  /** Proof of life, and the chance to write what waits. */
  private async tick(): Promise<void> {
    if (this.repairing || this.inFlight > 0) return; // an answer is due anyway
    this.repairing = true;
    try {
      if (!this.client.running) await this.launch();
      else await this.call('ping', null);
      await this.drain(batch);
    } catch {
      // the disk refuses still, or the writer cannot start: alive() and the commits tell
    } finally {
      this.repairing = false;
    }
  }

  /** Writes what waits, `most` in one transaction: each sync counts where the disk is slow. */
  private async drain(most: number): Promise<void> {
    while (this.ring.length > 0) {
      const held = this.ring.slice(0, most);
      try {
        const existed = await this.call('commitAll', held);
        for (const [i, verdict] of held.entries()) await this.written(verdict, existed[i] === 'other');
      } catch (thrown) {
        if (!breaksRule(thrown)) throw thrown;
        for (const verdict of held) await this.drainOne(verdict);
      }
      this.options.caughtUp?.();
    }
    for (let event = this.events[0]; event !== undefined; event = this.events[0]) {
      await this.call('event', event);
      this.events.shift();
      this.options.caughtUp?.();
    }
  }

  private async drainOne(held: Verdict): Promise<void> {
    try {
      const { existed } = await this.call('commit', held);
      await this.written(held, existed === 'other');
    } catch (thrown) {
      if (!breaksRule(thrown)) throw thrown;
      // No row can hold it, however often it is tried: the chain says so in its place.
      const { resultId, seq } = held.part;
      await this.call('event', {
        kind: 'notLogged',
        detail: `${resultId} seq ${seq}: answered with ok 0 (502), its verdict breaks a rule of the log: ${reason(thrown)}`,
      });
      this.unhold(held);
      this.dropped++;
      this.notice(`a verdict that waited cannot be logged: ${reason(thrown)}`);
    }
  }

  /** `other`: its row was there already, and says what the gate was not told. */
  private async written(held: Verdict, other: boolean): Promise<void> {
    const { resultId, seq } = held.part;
    // First: until it is there the log claims a pass that was none.
    if (other) await this.call('event', { kind: 'notReleased', detail: `${resultId} seq ${seq}: logged, but answered with ok 0 (502)` });
    this.unhold(held);
  }

  private unhold(verdict: Verdict): void {
    const at = this.ring.indexOf(verdict);
    if (at >= 0) this.ring.splice(at, 1);
  }

  private async call<K extends keyof StoreMethods>(
    method: K,
    args: Parameters<StoreMethods[K]>[0],
  ): Promise<Awaited<ReturnType<StoreMethods[K]>>> {
    this.inFlight++;
    try {
      const value = await (this.client.call(method, args as never) as Promise<Awaited<ReturnType<StoreMethods[K]>>>);
      this.lastAnswer = monotonicMs();
      return value;
    } catch (thrown) {
      if (thrown instanceof WorkerError) this.lastAnswer = monotonicMs(); // it refuses, but it answers
      const error = told(thrown);
      if (error.code === 'LOG_REMOVED' && !this.removed) {
        this.removed = true;
        this.options.failed?.(error);
      }
      throw error;
    } finally {
      this.inFlight--;
    }
  }
}

/** The record itself is refused, not the disk. */
function breaksRule(thrown: unknown): boolean {
  return thrown instanceof VerdictdError && thrown.code === 'INTERNAL';
}

function told(thrown: unknown): VerdictdError {
  const code = thrown instanceof WorkerError ? thrown.code : undefined;
  if (code !== undefined && code in errors) return new VerdictdError(code as ErrorCode, reason(thrown), { cause: thrown });
  return new VerdictdError('LOG_UNAVAILABLE', `The log did not answer: ${reason(thrown)}. It is tried again; check the disk.`, {
    cause: thrown,
  });
}

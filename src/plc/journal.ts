/**
 * Guaranteed delivery: drains the durable outbox to `journal`, in order, at least once. An entry leaves the outbox only when it
 * and every one before it were confirmed by the broker. Whatever was in flight when a connection broke is sent again from the
 * outbox; readers tell repetitions by journalSeq.
 */
import type { Diagnostics } from '../diagnostics';
import { reason } from '../errors';
import type { Clock, Entry, Log, Ms } from '../ports';

export type Outbox = Pick<Log, 'backlog' | 'delivered'>;

const window = 32; // unconfirmed entries: enough to fill a local link, few enough to stay clear of the live topics
const liveFor: Ms = 10_000; // an entry that waited longer is history
const retry: Ms = 1_000; // after the outbox could not be read

/** `payload` with isHistorical set: before the closing `verdict` word where there is one (contract: the word comes last). */
export function withHistory(payload: string, historical: boolean): string {
  const tail = /(?:,"verdict":"[A-Z]+")?\}$/.exec(payload);
  if (tail === null) return payload; // not ours to mend: sent as it is
  const empty = payload.slice(0, tail.index) === '{';
  return `${payload.slice(0, tail.index)}${empty ? '' : ','}"isHistorical":${historical ? 1 : 0}${tail[0]}`;
}

/** One reader of one outbox. Runs between `resume` (connected) and `pause` (not connected). */
export class Journal {
  private running = false;
  private connection = 0; // a late PUBACK of an older connection counts for nothing
  private reading = false;
  private again = false; // something came while reading
  private sent = 0; // journalSeq handed to this connection
  private everSent = 0; // ... to any connection: what comes again is history
  private confirmed = 0; // journalSeq up to which all is confirmed
  private told = 0; // ... and the outbox knows
  private telling = false;
  private newSince: Ms | null = null; // first notice since the outbox was last read empty
  private readonly waiting = new Map<number, boolean>(); // journalSeq in order -> confirmed
  private stopped = false;

  constructor(
    private readonly outbox: Outbox,
    /** Hands one entry to the wire; false if it is not connected. */
    private readonly send: (payload: string, acked: () => void) => boolean,
    private readonly clock: Clock,
    private readonly diagnostics: Diagnostics,
    /** Name of this run; '' while it has none. */
    private readonly bootId: () => string = () => '',
  ) {}

  /** There is something new in the outbox. */
  poke(): void {
    this.newSince ??= this.clock.now();
    this.pump();
  }

  /** Connected: begins again behind the last confirmed entry. */
  resume(): void {
    this.running = true;
    this.pump();
  }

  pause(): void {
    this.running = false;
    this.connection++;
    this.waiting.clear();
    this.sent = this.confirmed;
  }

  /** Resolves when nothing is unconfirmed or untold, or at `by`. Sends nothing new meanwhile. */
  async stop(by: Ms): Promise<void> {
    this.stopped = true;
    while ((this.waiting.size > 0 || this.telling || this.reading) && this.clock.now() < by) {
      await new Promise((resolve) => setTimeout(resolve, 5));
    }
    this.pause();
  }

  private pump(): void {
    if (!this.running || this.stopped) return;
    if (this.reading) {
      this.again = true;
      return;
    }
    const room = window - this.waiting.size;
    if (room < window / 2) return; // read in halves of the window, not row by row
    this.reading = true;
    this.again = false;
    this.read(room).then(
      (more) => {
        this.reading = false;
        if (more || this.again) this.pump();
      },
      (thrown: unknown) => {
        this.reading = false;
        this.diagnostics.warn({ err: reason(thrown) }, 'the outbox cannot be read; the journal waits and tries again');
        this.clock.at(this.clock.now() + retry, () => this.pump());
      },
    );
  }

  /** Reads and sends at most `room` entries; true if there may be more. */
  private async read(room: number): Promise<boolean> {
    const { connection } = this;
    const asked = this.clock.now();
    const entries = await this.outbox.backlog(this.sent, room);
    if (connection !== this.connection || !this.running) return true;
    for (const entry of entries) if (!this.forward(entry, connection)) return false;
    if (entries.length >= room) return true;
    // Read empty: what a notice announced before the question was asked is out. One that came since starts a new wait.
    this.newSince = this.again ? asked : null;
    return false;
  }

  private forward(entry: Entry, connection: number): boolean {
    const { journalSeq } = entry;
    const young = this.newSince !== null && this.clock.now() - this.newSince <= liveFor;
    const live = young && journalSeq > this.everSent && !this.earlier(entry.payload);
    this.waiting.set(journalSeq, false);
    if (!this.send(withHistory(entry.payload, !live), () => this.acked(journalSeq, connection))) {
      this.waiting.delete(journalSeq);
      return false;
    }
    this.sent = journalSeq;
    this.everSent = Math.max(this.everSent, journalSeq);
    return true;
  }

  /** A record of an earlier run waited, however lately this one began to send. */
  private earlier(payload: string): boolean {
    const [, of] = /"bootId":"([^"]*)"/.exec(payload) ?? [];
    const ours = this.bootId();
    return of !== undefined && ours !== '' && of !== ours;
  }

  private acked(journalSeq: number, connection: number): void {
    if (connection !== this.connection) return;
    this.waiting.set(journalSeq, true);
    for (const [seq, done] of this.waiting) {
      if (!done) break;
      this.waiting.delete(seq);
      this.confirmed = seq;
    }
    this.tell();
    this.pump();
  }

  /** One call at a time; the next one tells of all that was confirmed meanwhile. */
  private tell(): void {
    if (this.telling || this.told >= this.confirmed) return;
    this.telling = true;
    const upTo = this.confirmed;
    this.outbox.delivered(upTo).then(
      () => {
        this.telling = false;
        this.told = upTo;
        this.tell();
      },
      (thrown: unknown) => {
        this.telling = false;
        this.diagnostics.warn({ err: reason(thrown), upTo }, 'the outbox cannot be trimmed; delivered entries stay in it for now');
        if (!this.stopped) this.clock.at(this.clock.now() + retry, () => this.tell());
      },
    );
  }
}

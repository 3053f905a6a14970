import type { Code } from '../../src/codes';
import type {
  Committed,
  Entry,
  Findings,
  Frame,
  ImageRecord,
  Log,
  LogStart,
  Ms,
  Part,
  Publisher,
  StationState,
  TriggerRequest,
  Verdict,
} from '../../src/ports';

/** A log with a memory, and with the faults a disk has. */
export class FakeLog implements Log {
  readonly pending = new Map<string, Part>();
  readonly rows: Verdict[] = [];
  readonly events: string[] = [];
  /** Set to make the next commits wait until `resume` is called, or fail. */
  stalled: Promise<void> | null = null;
  failing = false;

  start(): Promise<LogStart> {
    return Promise.resolve({ lastSeq: 0, bootNumber: 1, aborted: 0 });
  }
  open(part: Part): Promise<void> {
    if (this.failing) return Promise.reject(new Error('disk full'));
    this.pending.set(part.resultId, part);
    return Promise.resolve();
  }
  async commit(verdict: Verdict): Promise<Committed> {
    if (this.stalled !== null) await this.stalled;
    if (this.failing) throw new Error('disk full');
    if (this.rows.some((row) => row.part.resultId === verdict.part.resultId)) throw new Error('a part was logged twice');
    this.rows.push(verdict);
    this.pending.delete(verdict.part.resultId);
    return { verdict, journalSeq: this.rows.length, hash: 'h' } as Committed;
  }
  image(_record: ImageRecord): Promise<void> {
    return Promise.resolve();
  }
  event(kind: string, detail: string): Promise<void> {
    this.events.push(`${kind}: ${detail}`);
    return Promise.resolve();
  }
  find(seq: number): Promise<Committed | null> {
    const at = this.rows.findIndex((row) => row.part.seq === seq);
    return Promise.resolve(at < 0 ? null : ({ verdict: this.rows[at], journalSeq: at + 1, hash: 'h' } as Committed));
  }
  backlog(): Promise<Entry[]> {
    return Promise.resolve([]);
  }
  delivered(): Promise<void> {
    return Promise.resolve();
  }
  alive(): Ms {
    return 0;
  }
  stop(): Promise<void> {
    return Promise.resolve();
  }
}

/** What the wire carried, in order: `ack 5 0`, `acquired 5`, `result 5 ok 1`, `refuse 5 402`. */
export class FakePublisher implements Publisher {
  readonly wire: string[] = [];
  ttl: Ms = 1500;
  constructor(private readonly now: () => Ms) {}
  start(): Promise<void> {
    return Promise.resolve();
  }
  onTrigger(_handler: (request: TriggerRequest | { bad: Code; seq: number }) => void): void {
    return;
  }
  ack(seq: number, code: Code): void {
    this.wire.push(`ack ${seq} ${code}`);
  }
  acquired(seq: number): void {
    this.wire.push(`acquired ${seq}`);
  }
  result(committed: Committed): { ok: 0 | 1; age: Ms } {
    const { verdict } = committed;
    const age = this.now() - verdict.part.opened;
    const ok = verdict.released === 1 && age <= this.ttl ? 1 : 0;
    this.wire.push(`result ${verdict.part.seq} ok ${ok}`);
    return { ok, age };
  }
  refuse(part: Part, code: Code): void {
    this.wire.push(`refuse ${part.seq} ${code}`);
  }
  state(_state: StationState): void {
    return;
  }
  progress(_probe: () => boolean): void {
    return;
  }
  drain(): void {
    return;
  }
  connected(): boolean {
    return true;
  }
  stop(): Promise<void> {
    return Promise.resolve();
  }
}

/** A frame that counts its releases: exactly one is right. */
export function fakeFrame(over: Partial<Frame> = {}): Frame & { releases: () => number } {
  let releases = 0;
  return {
    kind: 'frame',
    planId: 1,
    frameId: 1,
    ring: 1,
    slot: 0,
    width: 8,
    height: 8,
    pixelFormat: 'RGB8',
    exposed: 0,
    ready: 0,
    quality: { mean: 120, dark: 0, bright: 0, sharpness: 5 },
    simulated: false,
    source: null,
    truth: null,
    release: () => {
      releases++;
    },
    releases: () => releases,
    ...over,
  };
}

export const goodFindings: Findings = {
  score: 0.9,
  mapMax: 1,
  map: null,
  probabilities: null,
  provider: 'cpu',
  ms: { queue: 0, model: 1, bank: 1 },
};

/**
 * The watch over a line in its first month and after: runs of rejects, none at all, no triggers, pictures that cannot be judged, drift
 * of what good parts look like. It tells people by alarms and by rows of the log; it changes no verdict. See docs/watch.md.
 */
import { type AlarmCode, alarms, Code, Evaluation, ResultState, type WatchAlarm } from '../codes';
import type { Diagnostics } from '../diagnostics';
import { reason } from '../errors';
import type { Clock, Ms, Quality, Verdict, WatchFigures } from '../ports';
import { type Rota, shiftAt } from '../shifts';
import { type Figure, figures } from './baseline';
import { FaultyPictures, faultCodes } from './faulty';
import { readTrend, writeTrend } from './file';
import { Runs } from './runs';
import { Silence } from './silence';
import { Trend } from './trend';

export interface WatchOptions extends Rota {
  dataDir: string;
  rejectsInRow: number; // parts; 0: never, as below
  haltOnRejects: boolean;
  noReject: number; // parts
  noTrigger: number; // min
  baseline: number; // good parts
}

export interface WatchDeps {
  clock: Clock;
  diagnostics: Diagnostics;
  operational: () => boolean;
  /** Triggers so far, refused ones too; in free run, parts. */
  triggers: () => number;
  alarm(code: AlarmCode, on: boolean): void;
  event(kind: string, detail: string): Promise<void>;
  /** As command 6 does. */
  halt(): void;
}

/** The recipe in force, and the hash of the bank its scores come from. */
export interface Watched {
  recipe: string;
  bank: string;
}

export interface WatchStatus extends WatchFigures {
  alarms: AlarmCode[];
}

const drifts = { score: 804, brightness: 805, sharpness: 806 } as const satisfies Record<Figure, WatchAlarm>;
/** Parts that nobody looked at to sort them: teaching, master parts, what a command broke off. */
const aside: ReadonlySet<Code> = new Set<Code>([Code.teaching, Code.notReady]);
const lookEvery: Ms = 5_000;
const saveEvery = 500; // good parts: what a killed process forgets of its charts

export class Watch {
  private readonly runs: Runs;
  private readonly silence: Silence;
  private readonly faulty = new FaultyPictures();
  private readonly on = new Set<AlarmCode>();
  private watched: Watched | null = null;
  private trend: Trend | null = null;
  private unsaved = 0;
  private silent = false;
  private lost = 0; // journal records, since start
  private lostUnseen = false;
  private timer: NodeJS.Timeout | null = null;
  private saving: Promise<void> = Promise.resolve();

  constructor(
    private readonly options: WatchOptions,
    private readonly deps: WatchDeps,
  ) {
    this.runs = new Runs(options);
    this.silence = new Silence(options.noTrigger * 60_000);
  }

  start(): void {
    this.timer = setInterval(() => this.look(), lookEvery).unref();
  }

  /** Charts are saved; by then at the latest. */
  async stop(): Promise<void> {
    if (this.timer !== null) clearInterval(this.timer);
    this.timer = null;
    this.save();
    await this.saving;
  }

  /** Another recipe, or another bank, is in force; null: none. Its charts go on where they were. */
  async inForce(watched: Watched | null): Promise<void> {
    if (watched?.recipe === this.watched?.recipe && watched?.bank === this.watched?.bank) return;
    this.save();
    this.watched = watched;
    this.trend = null;
    if (watched !== null) {
      await this.saving;
      const stored = await readTrend(this.options.dataDir, watched.recipe).catch((thrown: unknown) => {
        this.deps.diagnostics.warn(
          { recipe: watched.recipe, err: reason(thrown) },
          'trend.json cannot be used: what is usual is learned anew',
        );
        return null;
      });
      if (this.watched !== watched) return; // another one meanwhile
      this.trend = new Trend(this.options.baseline, watched.bank, stored);
    }
    this.look();
  }

  /** A part has its verdict. `quality`: of its picture; null where it had none. */
  part(verdict: Verdict, quality: Quality | null): void {
    const { code, evaluation, state, late, part, score, limit } = verdict;
    if (aside.has(code) || state === ResultState.Aborted) return;
    const good = evaluation === Evaluation.OK && !late;
    this.faulty.part(this.deps.clock.now(), code);
    if (this.runs.part(good) && this.options.haltOnRejects) this.deps.halt();
    const ours = this.watched?.recipe === part.recipe.id;
    if (good && ours && this.trend !== null && quality !== null && score !== null && limit !== null) {
      const learned = this.trend.good({ score, brightness: quality.mean, sharpness: quality.sharpness }, limit);
      if (++this.unsaved >= saveEvery || learned) this.save();
    }
    this.tell();
  }

  /** Records were removed that guaranteed delivery still owed. */
  dropped(records: number): void {
    this.lost += records;
    this.lostUnseen = true;
    this.tell();
  }

  /** Command 11: a person has seen the alarms. Runs and charts begin anew; what lasts is told again. */
  acknowledge(): void {
    this.runs.acknowledge();
    this.silence.acknowledge();
    this.lostUnseen = false;
    this.trend?.acknowledge();
    this.unsaved++;
    this.look();
    this.save();
  }

  /** What is usual is learned again from the next good parts: the line was changed for good. */
  async relearn(): Promise<WatchStatus> {
    if (this.watched !== null) {
      this.trend = new Trend(this.options.baseline, this.watched.bank, null);
      this.unsaved = 1;
      this.save();
      await this.saving;
    }
    this.look();
    return this.status();
  }

  figures(): WatchFigures {
    const { runs, trend } = this;
    return {
      rejectsInRow: runs.rejectsInRow,
      sinceReject: runs.sinceReject,
      baselineMissing: trend?.missing ?? this.options.baseline,
      journalDropped: this.lost,
      drift: trend?.deviation ?? { score: null, brightness: null, sharpness: null },
    };
  }

  status(): WatchStatus {
    return { ...this.figures(), alarms: [...this.on].sort((a, b) => a - b) };
  }

  /** What comes with time, not with parts. */
  look(): void {
    const { clock, operational, triggers } = this.deps;
    const { utc, trusted } = clock.wall();
    const shift = trusted && shiftAt(this.options, new Date(utc)) !== null;
    this.silent = this.silence.look({ now: clock.now(), shift, operational: operational(), triggers: triggers() });
    this.tell();
  }

  private tell(): void {
    const { runs, trend, options } = this;
    this.set(801, runs.manyRejects, () => `${runs.rejectsInRow} parts in a row were no PASS`);
    this.set(802, runs.noReject, () => `${runs.sinceReject} parts without a reject`);
    this.set(803, this.silent, () => `no trigger for ${options.noTrigger} min`);
    this.set(807, this.lostUnseen, () => `${this.lost} records since start`);
    for (const figure of figures) this.set(drifts[figure], trend?.has(figure) ?? false, () => trend?.words(figure) ?? '');
    const above = this.faulty.above(this.deps.clock.now());
    for (const code of faultCodes) this.set(code, above.has(code), () => 'above 1 % of the parts of a minute');
  }

  private set(code: AlarmCode, on: boolean, words: () => string): void {
    if (on === this.on.has(code)) return;
    if (on) this.on.add(code);
    else this.on.delete(code);
    const { diagnostics, alarm, event } = this.deps;
    const { name, fix } = alarms[code];
    alarm(code, on);
    const detail = on ? `${code} ${name}: ${words()}` : `${code} ${name}`;
    if (on) diagnostics.warn({ alarm: code }, `${detail}; ${fix}`);
    event(on ? 'alarm' : 'alarmEnded', detail).catch((thrown: unknown) => diagnostics.error({ err: reason(thrown) }, 'alarm not logged'));
  }

  private save(): void {
    const { watched, trend } = this;
    if (watched === null || trend === null || this.unsaved === 0) return;
    this.unsaved = 0;
    const state = trend.toFile();
    this.saving = this.saving
      .then(() => writeTrend(this.options.dataDir, watched.recipe, state))
      .catch((thrown: unknown) => this.deps.diagnostics.warn({ err: reason(thrown) }, 'trend.json cannot be written'));
  }
}

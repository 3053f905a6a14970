/**
 * The check with master parts: parts known to be good and bad are shown, and each must be judged as expected. While one is due nothing
 * passes (602); while one runs, nothing does either (606). What a failed check leaves in doubt is every part since the last good one.
 */
import { Code, Evaluation } from '../codes';
import type { Config } from '../config/load';
import type { Diagnostics } from '../diagnostics';
import { reason, VerdictdError } from '../errors';
import type { Job } from '../line/job';
import type { Report } from '../line/line';
import { isCovered, lastMoment, type Moment } from '../line/shifts';
import type { Clock, Ms } from '../ports';
import { type CheckState, type Master, readCheck, readMasters, writeCheck } from '../recipe/masters';
import type { Rota } from '../shifts';
import type { Kept } from './recipes';

export interface Shown {
  partId: string;
  expect: 'good' | 'bad';
  /** null: not shown yet, or not judged (a fault): show it again. */
  found: 'good' | 'bad' | 'undecided' | null;
  resultId: string;
  score: number | null;
  words: string;
}

export interface MasterStatus {
  recipe: string | null;
  running: boolean;
  /** Why a check is due; null: it is not. */
  due: string | null;
  parts: readonly Shown[];
  passed: CheckState['passed'];
}

export interface Outcome extends MasterStatus {
  ok: boolean;
  reasons: string[];
  /** Where it failed: every part after `after` up to `upTo` was judged since the last good check. null: since the first part. */
  doubtful: { after: CheckState['passed']; upTo: string } | null;
}

export interface MasterDeps {
  config: Config['master'] & Rota;
  dataDir: string;
  clock: Clock;
  diagnostics: Diagnostics;
  bootId: () => string;
  openParts(): number;
  event(kind: string, detail: string): Promise<void>;
  /** Parts from now on are judged by this job. */
  use(job: Job): void;
  /** `due` or `running` has changed. */
  changed(): void;
}

const withheld = { code: Code.teaching, detail: 'a master part', unjudged: false } as const;
const lookEvery: Ms = 5_000;
const none: CheckState = { passed: null, due: null };

export class MasterCheck {
  private kept: Kept | null = null;
  private state: CheckState = none;
  private parts: Shown[] | null = null;
  private ending = false;
  private last = '';
  private why: string | null = null;
  private cancel = (): void => undefined;

  constructor(private readonly deps: MasterDeps) {}

  get due(): string | null {
    return this.parts === null ? this.why : null;
  }

  get running(): boolean {
    return this.parts !== null;
  }

  /** A recipe is in force. `changed`: by a command, not at start. What cannot be read of its checks counts as due. */
  async inForce(kept: Kept | null, changed: boolean): Promise<void> {
    this.kept = kept;
    this.parts = null;
    this.state = none;
    if (kept !== null) {
      const { id } = kept.recipe.file;
      try {
        this.state = await readCheck(this.deps.dataDir, id);
        if (changed && this.deps.config.at.includes('recipeChange')) await this.note('the recipe was changed');
      } catch (thrown) {
        this.deps.diagnostics.error({ recipe: id, err: reason(thrown) }, 'master check');
        this.state = { passed: null, due: reason(thrown) };
      }
    }
    this.look();
  }

  /** The master parts come now. Throws RECIPE_MISSING, RECIPE_REFUSED. */
  async start(): Promise<MasterStatus> {
    const { kept } = this;
    if (kept === null) throw new VerdictdError('RECIPE_MISSING', 'No recipe is in force, so there is nothing to check. Put one in force.');
    const { id } = kept.recipe.file;
    if (this.parts !== null) throw new VerdictdError('RECIPE_REFUSED', 'A check is running already. End it: verdictd master end.');
    // None of them may be taken for a master part.
    if (this.deps.openParts() > 0) throw new VerdictdError('RECIPE_REFUSED', 'Parts are under way. Begin when the line is empty.');
    const masters = await readMasters(this.deps.dataDir, id);
    const lacking = (['good', 'bad'] as const).filter((kind) => !masters.some(({ expect }) => expect === kind));
    if (lacking.length > 0) {
      const what = `The recipe ${id} has no master part that is known to be ${lacking.join(', and none known to be ')}.`;
      throw new VerdictdError('RECIPE_REFUSED', `${what} Add one: verdictd master add PART --recipe ${id} --expect ${lacking[0]}.`);
    }
    this.parts = masters.map(({ partId, expect }: Master) => ({ partId, expect, found: null, resultId: '', score: null, words: '' }));
    this.last = '';
    this.deps.use({ ...kept.job, withheld });
    this.deps.changed();
    return this.status();
  }

  /** A part has been judged. By its partId it is a master part; without one it is the next that was not shown. */
  part({ verdict }: Pick<Report, 'verdict'>): void {
    const { parts } = this;
    const { partId, resultId } = verdict.part;
    if (parts === null || verdict.code !== Code.teaching) {
      this.words(partId, `not judged (${verdict.code}): ${verdict.detail}`);
      return;
    }
    this.last = resultId;
    const shown = this.meant(partId);
    if (shown === undefined) return;
    shown.found = verdict.evaluation === Evaluation.OK ? 'good' : verdict.evaluation === Evaluation.NotOK ? 'bad' : 'undecided';
    Object.assign(shown, { resultId, score: verdict.score, words: verdict.detail });
  }

  /** Decides. Written to the log before anything passes again. Throws RECIPE_REFUSED where none runs, LOG_UNAVAILABLE. */
  async end(): Promise<Outcome> {
    const { kept, parts, deps } = this;
    if (kept === null || parts === null || this.ending)
      throw new VerdictdError('RECIPE_REFUSED', 'No check is running. Begin: verdictd master start.');
    this.ending = true; // from here on it is decided, and what is written takes a while
    const { id, revision } = kept.recipe.file;
    const reasons = parts.flatMap(({ partId, expect, found }) => {
      if (found === expect) return [];
      return [found === null ? `${partId} was not shown, or not judged` : `${partId} is ${expect} and was judged ${found}`];
    });
    const before = this.state.passed;
    const ok = reasons.length === 0;
    const ids = parts.map(({ partId, resultId }) => `${partId}=${resultId || '-'}`).join(' ');
    const doubtful = ok ? null : { after: before, upTo: this.last };
    try {
      const since = before === null ? 'all parts before' : `every part after ${before.resultId} (${before.utc})`;
      const failed = `${reasons.join('; ')}; in doubt: ${since} up to ${this.last || 'now'}`;
      await deps.event(ok ? 'masterPassed' : 'masterFailed', `recipe ${id} revision ${revision}: ${ok ? ids : failed}`.slice(0, 2000));
      const utc = deps.clock.wall().utc;
      const passed = ok ? { utc, resultId: this.last, revision, bootId: deps.bootId() } : before;
      await this.write({ passed, due: ok ? null : 'the last check failed' });
    } catch (thrown) {
      this.state = { ...this.state, due: `the last check could not be recorded (${reason(thrown)})` };
      throw thrown;
    } finally {
      this.ending = false;
      this.parts = null;
      deps.use(kept.job);
      this.look();
    }
    return { ...this.status(), parts, ok, reasons, doubtful };
  }

  status(): MasterStatus {
    const { kept, parts, state } = this;
    return { recipe: kept?.recipe.file.id ?? null, running: this.running, due: this.due, parts: parts ?? [], passed: state.passed };
  }

  stop(): void {
    this.cancel();
  }

  /** Whether one is due now; again in a while. */
  private look(): void {
    this.cancel();
    const { clock, changed } = this.deps;
    this.cancel = clock.at(clock.now() + lookEvery, () => this.look());
    const why = this.kept === null ? null : this.reasonFor(this.kept);
    this.why = why;
    changed();
  }

  private reasonFor({ recipe }: Kept): string | null {
    const { config, clock, bootId } = this.deps;
    const { passed, due } = this.state;
    if (due !== null) return due;
    if (config.at.includes('recipeChange') && passed?.revision !== recipe.file.revision) return 'none has passed with this revision';
    const { utc, trusted } = clock.wall();
    const at = config.at.filter((moment): moment is Moment => moment !== 'recipeChange');
    if (at.length === 0 || config.shifts.length === 0) return null;
    // Without a clock nobody knows which shift it is: one check a start, at the least.
    if (!trusted) return passed?.bootId === bootId() ? null : 'none has passed since the start, and the clock is not set';
    const moment = lastMoment(config, at, new Date(utc));
    return isCovered(passed === null ? null : new Date(passed.utc), moment, config.early) ? null : 'one is due in this shift';
  }

  private meant(partId: string): Shown | undefined {
    if (partId === '') return this.parts?.find(({ found }) => found === null);
    return this.parts?.find((one) => one.partId === partId && one.found === null); // its first judgement stands
  }

  private words(partId: string, words: string): void {
    const shown = this.meant(partId);
    if (shown !== undefined) shown.words = words;
  }

  private note(due: string): Promise<void> {
    return this.write({ ...this.state, due });
  }

  private async write(state: CheckState): Promise<void> {
    if (this.kept !== null) await writeCheck(this.deps.dataDir, this.kept.recipe.file.id, state);
    this.state = state;
  }
}

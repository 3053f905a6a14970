/** What parts are judged with on this station: model, recipe in force, teaching, master parts. One of them at a time has the line. */
import type { createCamera } from '../camera/create';
import { Code } from '../codes';
import type { Config } from '../config/load';
import type { Diagnostics } from '../diagnostics';
import { reason, VerdictdError } from '../errors';
import { enginesOf } from '../inspect/engine_cache';
import type { ModelInspector } from '../inspect/inspector';
import type { Job } from '../line/job';
import type { Line, Report } from '../line/line';
import type { Facts } from '../line/states';
import { makeEngine } from '../make_engine';
import type { Clock, Findings, Frame, Ms, Plan } from '../ports';
import { firstRecipe, openModel } from '../preparation';
import type { TeachReport } from '../recipe/teach';
import type { SqliteLog } from '../store/log';
import type { Watched } from '../watch/watch';
import { obstacles } from './alarms';
import { cameraValues } from './camera_values';
import { MasterCheck } from './master';
import { type Kept, Recipes } from './recipes';
import type { Rooms } from './rooms';
import { type Lesson, Teaching, type TeachStatus } from './teaching';

export interface JudgingDeps {
  config: Config;
  dataDir: string;
  clock: Clock;
  diagnostics: Diagnostics;
  facts: Facts;
  rooms: Rooms;
  log: () => Pick<SqliteLog, 'audit' | 'event'> | null;
  line: () => Line | null;
  bootId: () => string;
  /** The camera shows its parts under this plan from now on; resolves when it does, or has said why not. */
  show(plan: Plan): Promise<void>;
  drain(): void;
  /** Recipe, bundle or facts have changed. */
  changed(): void;
  say(text: string): void;
}

/** Parts under way end within this time, whatever happens to them (line.ts, TTL and grace). */
const partsEnd: Ms = 90_000;

export class Judging {
  private recipes: Recipes | null = null;
  private teaching: Teaching | null = null;
  readonly master: MasterCheck;
  private frames: Plan | null = null;
  /** Number on the wire and model of what is in force; 0 and '': nothing. */
  recipeId = 0;
  bundle = '';

  constructor(private readonly deps: JudgingDeps) {
    const { config, dataDir, clock, diagnostics, bootId, facts, changed } = deps;
    this.master = new MasterCheck({
      ...{ config: { ...config.master, ...config.line }, dataDir, clock, diagnostics, bootId },
      openParts: () => deps.line()?.openParts ?? 0,
      event: (kind, detail) => this.event(kind, detail),
      use: (job) => deps.line()?.use(job),
      changed: () => {
        facts.masterDue = this.master.due !== null;
        changed();
      },
    });
  }

  /** The model in force, for canary and status; null: nothing is. */
  get inspector(): ModelInspector | null {
    return this.recipes?.inForce?.inspector ?? null;
  }

  /** The recipe in force, and the bank its scores come from; null: none is. */
  get watched(): Watched | null {
    const file = this.recipes?.inForce?.recipe.file;
    return file === undefined ? null : { recipe: file.id, bank: file.bank.sha256 };
  }

  /** Nothing passes: teaching, or a master check. */
  get withheld(): boolean {
    return this.teaching?.running === true || this.master.running;
  }

  /** Opens the model and puts the first recipe in force; where there is nothing to judge with, the facts say why. */
  async begin(camera: ReturnType<typeof createCamera>, signal: AbortSignal): Promise<void> {
    const { config, dataDir, clock, diagnostics, facts, rooms, say } = this.deps;
    const engines = enginesOf(config.inference.engine, dataDir, { diagnostics, progress: say });
    const engine = makeEngine(config.inference, { clock, diagnostics, engines });
    rooms.add('inference', (by) => engine.stop(by));
    const log = this.deps.log();
    if (log === null) throw new Error('the log comes before the model');
    try {
      const deps = { config, dataDir, clock, camera, engine, signal, say };
      const model = await openModel(deps);
      this.bundle = model.bundle.sha256.slice(0, 8);
      const teaching = new Teaching({
        ...{ config, dataDir, engine, model },
        frames: () => this.frames,
        values: (asked, stopped) => cameraValues(camera, config.camera, asked, stopped),
      });
      this.teaching = teaching;
      rooms.add('teaching', async () => teaching.stop());
      rooms.add('master check', async () => this.master.stop());
      const recipes = new Recipes(model, {
        ...{ config, dataDir, clock, diagnostics, engine, log },
        judging: (plan) => this.deps.line()?.judging(plan) ?? false,
        frames: () => this.frames,
        inForce: (kept) => this.inForce(kept),
        busy: () => this.busy(),
      });
      this.recipes = recipes;
      const recipe = await firstRecipe(model, deps);
      const { limit, id, number } = recipe.file;
      say(`recipe ${id} (number ${number}): limit ${limit.value.toFixed(3)}${limit.provisional ? ', provisional' : ''}; ${limit.rule}`);
      await recipes.begin(recipe);
    } catch (thrown) {
      const code = thrown instanceof VerdictdError && !signal.aborted ? obstacles[thrown.code] : undefined;
      if (code === undefined) throw thrown;
      facts.noJob = code;
      const { message, details } = thrown as VerdictdError;
      diagnostics.error({ code, details }, message);
      say(`not ready (${code}): ${message}`);
    }
  }

  inspect(frame: Frame, plan: Plan, by: Ms): Promise<Findings> {
    const found = this.recipes?.inspectorOf(plan)?.inspect(frame, plan, by) ?? this.teaching?.inspect(frame, plan, by);
    return found ?? Promise.reject(new VerdictdError('INFERENCE_FAILED', 'no model is loaded for this part'));
  }

  /** A part was answered. `seen`: its frame, leased until this returns, and what was found; null where it had none. */
  part(report: Report, seen: { frame: Frame; findings: Findings | null } | null): void {
    const { verdict, named } = report;
    if (this.master.running) this.master.part(report);
    this.teaching
      ?.part(report, seen?.frame ?? null)
      .catch((thrown: unknown) => this.deps.diagnostics.error({ err: reason(thrown) }, 'teaching'));
    const nearest = seen?.findings?.nearest?.recipe.id;
    const may = this.deps.config.recipe.wrongPart === 'switch' && named !== true;
    if (verdict.code === Code.wrongPart && may && nearest !== undefined) this.follow(report, nearest);
  }

  /** The recipes, once there is a model. Throws BUNDLE_REFUSED. */
  get opened(): Recipes {
    if (this.recipes === null) throw notYet();
    return this.recipes;
  }

  async teachStart(lesson: Lesson): Promise<TeachStatus> {
    const { teaching } = this;
    if (teaching === null) throw notYet();
    const why = this.busy();
    if (why !== null) throw new VerdictdError('TEACH_REFUSED', `Not taught: ${why}.`);
    await this.take(await teaching.start(lesson));
    return teaching.status();
  }

  teachStatus(): TeachStatus | null {
    return this.teaching?.status() ?? null;
  }

  async teachDiscard(n: number): Promise<TeachStatus> {
    if (this.teaching === null) throw notYet();
    return await this.teaching.discard(n);
  }

  /** Audited, built, stored, put in force. */
  async teachCommit(by: string): Promise<TeachReport> {
    const { teaching, recipes } = this;
    if (teaching === null || recipes === null) throw notYet();
    if (this.deps.facts.selfTestFailed) {
      const why = 'The model failed its self-test (404): what it gave for these parts may be wrong.';
      throw new VerdictdError('TEACH_REFUSED', `${why} Wait until the station is ready, or abort, restart verdictd and teach again.`);
    }
    teaching.ready(); // what is refused is not audited as done
    const { recipe, taken } = teaching.status();
    await this.deps.log()?.audit({ actor: by, action: 'recipeTeach', detail: JSON.stringify({ recipe, parts: taken }) });
    const report = await teaching.commit();
    try {
      await recipes.activate(report.recipe, by);
    } catch (thrown) {
      await this.resume();
      throw thrown;
    }
    return report;
  }

  async teachAbort(): Promise<void> {
    if (this.teaching === null) throw notYet();
    this.teaching.abort();
    await this.resume();
  }

  private busy(): string | null {
    if (this.teaching?.running === true) return `recipe ${this.teaching.status().recipe} is being taught; commit or abort that first`;
    return this.master.running ? 'a check with master parts is running; end it first' : null;
  }

  /** What was in force before teaching. */
  private async resume(): Promise<void> {
    await this.inForce(this.recipes?.inForce ?? null, false);
  }

  private async inForce(kept: Kept | null, changed = this.frames !== null): Promise<void> {
    const { facts, line } = this.deps;
    if (kept === null) {
      facts.noJob = Code.noRecipe;
      this.recipeId = 0;
      line()?.use(null);
      facts.provisional = false;
      await this.master.inForce(null, false);
      this.deps.changed();
      return;
    }
    await this.master.inForce(kept, changed && kept !== this.recipes?.inForce);
    await this.take(kept.job);
  }

  /** The line judges by this job. Only where the camera needs other settings must the parts under way be over first. */
  private async take(job: Job): Promise<void> {
    const { facts, line, show } = this.deps;
    const other = this.frames?.id !== job.plan.id;
    if (other && this.frames !== null) await this.empty();
    this.frames = job.plan;
    this.recipeId = job.plan.recipe.number;
    line()?.use(job);
    facts.provisional = job.limit.provisional;
    facts.noJob = Code.ok;
    this.deps.changed();
    if (other) await show(job.plan);
  }

  private async empty(): Promise<void> {
    const { facts, line, clock } = this.deps;
    facts.noJob = Code.notReady;
    this.deps.changed();
    const end = clock.now() + partsEnd;
    while ((line()?.openParts ?? 0) > 0 && clock.now() < end) await new Promise<void>((done) => clock.at(clock.now() + 5, done));
  }

  /** The part looked like another product, and its trigger named none: the parts that follow are judged as that one. */
  private follow({ verdict }: Report, recipe: string): void {
    if (this.recipes === null || recipe === this.recipes.inForce?.recipe.file.id) return;
    this.recipes
      .activate(recipe, 'station')
      .then(() => this.deps.diagnostics.warn({ recipe, because: verdict.part.resultId }, 'recipe switched by a part'))
      .catch((thrown: unknown) => this.deps.diagnostics.error({ err: reason(thrown) }, 'recipe not switched'));
  }

  private async event(kind: string, detail: string): Promise<void> {
    await this.deps.log()?.event(kind, detail);
    this.deps.drain();
  }
}

function notYet(): VerdictdError {
  return new VerdictdError(
    'BUNDLE_REFUSED',
    'There is no model yet: the station is starting, or its bundle was refused. See `verdictd status`.',
  );
}

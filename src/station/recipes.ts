/**
 * The recipe in force, and those kept ready beside it. A switch to one that is kept costs no loading: the line gets another job, and
 * parts under way keep theirs. Changes come one after another, whichever door they came by; each is audited before it is made.
 */
import { join } from 'node:path';
import { isDeepStrictEqual } from 'node:util';
import type { Config } from '../config/load';
import type { Diagnostics } from '../diagnostics';
import { reason, VerdictdError } from '../errors';
import type { Engine } from '../inspect/engine';
import { ModelInspector } from '../inspect/inspector';
import type { Job } from '../line/job';
import type { Clock, Ms, Plan, RecipeRef } from '../ports';
import { jobOf, type Model } from '../preparation';
import { activateRecipe } from '../recipe/active';
import { misfit } from '../recipe/fit';
import type { Recipe } from '../recipe/recipe';
import { listRecipes, loadRecipe, readRecipe, recipesDir } from '../recipe/store';
import type { SqliteLog } from '../store/log';

/** A recipe whose bank is loaded, proven on the golden picture. */
export interface Kept {
  recipe: Recipe;
  inspector: ModelInspector;
  job: Job;
}

export interface RecipesDeps {
  config: Config;
  dataDir: string;
  clock: Clock;
  diagnostics: Diagnostics;
  engine: Engine;
  log: Pick<SqliteLog, 'audit'>;
  /** Parts are under way under this plan. */
  judging(plan: Plan): boolean;
  /** What the camera takes frames under now; null: nothing yet. */
  frames(): Plan | null;
  /** Judge what comes with it; null: with nothing. Resolves when that is so. */
  inForce(kept: Kept | null): Promise<void>;
  /** Why the recipe must stay as it is (teaching, a master check), as a sentence; null: it may change. */
  busy(): string | null;
}

const selfTestTime: Ms = 60_000; // of the golden picture
const MiB = 2 ** 20;

export class Recipes {
  /** By id, the least used first. */
  private readonly kept = new Map<string, Kept>();
  private readonly byPlan = new WeakMap<Plan, ModelInspector>();
  private current: Kept | null = null;
  /** The first that was loaded: frames are taken under its plan when the camera starts. */
  private first: Plan | null = null;
  private turn: Promise<unknown> = Promise.resolve();

  constructor(
    readonly model: Model,
    private readonly deps: RecipesDeps,
  ) {}

  get inForce(): Kept | null {
    return this.current;
  }

  /** Ids of what is kept ready, the one used last at the end. */
  get ready(): string[] {
    return [...this.kept.keys()];
  }

  /** Judges parts of this plan; undefined once its recipe was given up. */
  inspectorOf(plan: Plan): ModelInspector | undefined {
    return this.byPlan.get(plan);
  }

  /** The first recipe in force, and as many others as are kept ready. Throws RECIPE_REFUSED, INFERENCE_FAILED. */
  async begin(recipe: Recipe): Promise<void> {
    this.first = (await this.load(recipe)).job.plan;
    await this.keepOthers();
    await this.use(recipe);
  }

  /** Puts a recipe in force and remembers it for the next start. Throws RECIPE_MISSING, RECIPE_REFUSED, LOG_UNAVAILABLE; the one before stays. */
  activate(id: string, by: string): Promise<Recipe> {
    return this.inTurn(() => this.activateNow(id, by));
  }

  /** As `activate`, by the number of the wire. */
  activateNumber(number: number, by: string): Promise<Recipe> {
    return this.inTurn(async () => this.activateNow(await this.idOf(number), by));
  }

  /**
   * The recipe of this number is not in force any more, and not kept: nothing is, until one is put in force again, or at the next start.
   * Throws RECIPE_MISSING where it is neither in force nor kept.
   */
  retire(number: number, by: string): Promise<void> {
    return this.inTurn(async () => {
      this.refuseBusy();
      const kept = [...this.kept.values()].find(({ recipe }) => recipe.file.number === number);
      if (kept === undefined) throw new VerdictdError('RECIPE_MISSING', `The recipe ${number} is not in force, and not kept ready.`);
      const { id } = kept.recipe.file;
      await this.deps.log.audit({ actor: by, action: 'recipeRetire', detail: JSON.stringify({ recipe: id, number }) });
      if (this.current === kept) {
        this.current = null;
        await this.deps.inForce(null);
      }
      await this.giveUp(kept);
    });
  }

  /** `act` writes another revision of a recipe; where that recipe is in force, so is the revision. Throws as `act`, RECIPE_REFUSED. */
  revised<T>(id: string, act: () => Promise<T>): Promise<T> {
    return this.inTurn(async () => {
      this.refuseBusy();
      const made = await act();
      if (this.current?.recipe.file.id === id) await this.use(await loadRecipe(this.deps.dataDir, id));
      return made;
    });
  }

  /** Others that a part is compared with: all that are kept. */
  near(): { job: number; recipe: RecipeRef }[] {
    return [...this.kept.values()].flatMap(({ inspector: { job }, job: { plan } }) => (job === null ? [] : [{ job, recipe: plan.recipe }]));
  }

  private async activateNow(id: string, by: string): Promise<Recipe> {
    this.refuseBusy();
    const { dataDir, log } = this.deps;
    return await activateRecipe(id, {
      dataDir,
      audit: (action, detail) => log.audit({ actor: by, action, detail: JSON.stringify(detail) }),
      kept: async (wanted) => {
        const ready = this.kept.get(wanted);
        if (ready === undefined) return null;
        const file = await readRecipe(join(recipesDir(dataDir), wanted), wanted);
        return isDeepStrictEqual(file, ready.recipe.file) ? ready.recipe : null;
      },
      use: (recipe) => this.use(recipe),
    });
  }

  private refuseBusy(): void {
    const why = this.deps.busy();
    if (why !== null) throw new VerdictdError('RECIPE_REFUSED', `The recipe cannot be changed now: ${why}.`);
  }

  private async idOf(number: number): Promise<string> {
    for (const { recipe } of this.kept.values()) if (recipe.file.number === number) return recipe.file.id;
    const all = await listRecipes(this.deps.dataDir);
    const found = all.find(({ file }) => file?.number === number);
    if (found !== undefined) return found.id;
    const there = all.flatMap(({ id, file }) => (file === null ? [] : [`${file.number} (${id})`]));
    throw new VerdictdError('RECIPE_MISSING', `There is no recipe ${number}; there are ${there.join(', ') || 'none'}. Teach it.`);
  }

  private async use(recipe: Recipe): Promise<void> {
    const before = this.current;
    const kept = await this.load(recipe);
    await this.deps.inForce(kept);
    this.current = kept;
    this.touch(kept);
    await this.trim(before);
  }

  /** What is kept already where it is the same revision, else loaded beside; what it takes the place of goes when no part needs it. */
  private async load(recipe: Recipe): Promise<Kept> {
    const { config, engine, clock } = this.deps;
    const { id, camera } = recipe.file;
    const ready = this.kept.get(id);
    if (ready !== undefined && isDeepStrictEqual(ready.recipe.file, recipe.file)) {
      if (ready.inspector.failed) await ready.inspector.selfTest(clock.now() + selfTestTime);
      return ready;
    }
    const { bundle } = this.model;
    const made = misfit(recipe.file, bundle);
    if (made !== null) throw new VerdictdError('RECIPE_REFUSED', `${made}. Teach it again, or set bundle.path to its bundle.`);
    const near = config.recipe.wrongPart === 'off' ? () => [] : () => this.near();
    const inspector = new ModelInspector(engine, bundle, recipe, camera, 'full', near);
    const plan = await inspector.prepareBeside(this.deps.frames() ?? this.first);
    const job = jobOf(plan, recipe, bundle, config, () => inspector.loaded()?.provider ?? '');
    const kept: Kept = { recipe, inspector, job };
    try {
      await inspector.selfTest(clock.now() + selfTestTime);
    } catch (thrown) {
      await inspector.drop();
      throw thrown;
    }
    this.byPlan.set(plan, inspector);
    this.kept.set(id, kept);
    if (ready !== undefined) this.dropLater(ready);
    return kept;
  }

  /** At start: the other recipes of this bundle, by number, while there is room. One that cannot be loaded is told, and left out. */
  private async keepOthers(): Promise<void> {
    const { dataDir, config, diagnostics } = this.deps;
    const { bundle } = this.model;
    for (const { id, file } of await listRecipes(dataDir)) {
      if (file === null || this.kept.has(id) || misfit(file, bundle) !== null) continue;
      if (this.kept.size >= config.recipe.keep || this.bytes() + file.bank.bytes > config.recipe.keepMemory * MiB) return;
      try {
        const kept = await this.load(await loadRecipe(dataDir, id));
        this.kept.delete(id);
        const [...others] = this.kept;
        this.kept.clear();
        for (const [key, value] of [[id, kept] as const, ...others]) this.kept.set(key, value); // used least
      } catch (thrown) {
        diagnostics.warn({ recipe: id, err: reason(thrown) }, 'recipe not kept ready');
      }
    }
  }

  private bytes(): number {
    return [...this.kept.values()].reduce((sum, { recipe }) => sum + recipe.file.bank.bytes, 0);
  }

  private touch(kept: Kept): void {
    const { id } = kept.recipe.file;
    this.kept.delete(id);
    this.kept.set(id, kept);
  }

  /** Gives up the least used beyond the bounds; never what is in force. */
  private async trim(before: Kept | null): Promise<void> {
    const { keep, keepMemory } = this.deps.config.recipe;
    for (const kept of [...this.kept.values()]) {
      if (this.kept.size <= keep && this.bytes() <= keepMemory * MiB) return;
      if (kept === this.current) continue;
      if (kept === before) this.dropLater(kept);
      else await this.giveUp(kept);
    }
  }

  private async giveUp(kept: Kept): Promise<void> {
    const { id } = kept.recipe.file;
    if (this.kept.get(id) === kept) this.kept.delete(id);
    if (this.deps.judging(kept.job.plan)) this.dropLater(kept);
    else await kept.inspector.drop();
  }

  /** Its parts are finished first. */
  private dropLater(kept: Kept): void {
    const { clock, judging, diagnostics } = this.deps;
    const { id } = kept.recipe.file;
    if (this.kept.get(id) === kept) this.kept.delete(id);
    const look = (): void => {
      if (judging(kept.job.plan)) clock.at(clock.now() + 250, look);
      else kept.inspector.drop().catch((thrown: unknown) => diagnostics.warn({ recipe: id, err: reason(thrown) }, 'bank not given up'));
    };
    look();
  }

  private inTurn<T>(act: () => Promise<T>): Promise<T> {
    const done = this.turn.then(act);
    this.turn = done.catch(() => undefined);
    return done;
  }
}

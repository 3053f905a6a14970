/** The station's Inspector: one bundle, one recipe, one engine. */
import { isDeepStrictEqual } from 'node:util';
import type { Bundle } from '../bundle/manifest';
import { Code } from '../codes';
import { InspectionError } from '../errors';
import type { CameraValues, Findings, Frame, Inspector, Ms, Plan, RecipeRef } from '../ports';
import type { Recipe } from '../recipe/recipe';
import type { Engine } from './engine';
import type { Loaded } from './protocol';

/** The golden picture's score may move by this share between two runs of one load: more than any provider's own noise. */
const drift = 0.01;

/** Loads under which a golden picture scored other than before: no recipe takes its first score from one of them. */
const doubted = new WeakSet<Loaded>();

/** Plan ids are unique in the process, whoever makes them. */
let lastPlan = 0;

interface InForce {
  plan: Plan;
  job: number;
  map: { width: number; height: number };
}

export class ModelInspector implements Inspector {
  private inForce: InForce | null = null;
  /** Score of the golden picture with this recipe, by the load that gave it. */
  private reference: { loaded: Loaded; score: number } | null = null;
  /** Its last self-test gave another score: 404. */
  failed = false;

  /** `prepare` starts the engine where its owner has not; `stop` ends it, as its owner may. `camera`: the recipe's values, SFNC names. */
  constructor(
    private readonly engine: Engine,
    private readonly bundle: Bundle,
    private readonly recipe: Recipe,
    private readonly camera: CameraValues,
    private readonly map: 'none' | 'full' = 'full',
    /** Recipes that a part is compared with: is it one of theirs? */
    private readonly near: () => readonly { job: number; recipe: RecipeRef }[] = () => [],
  ) {}

  async prepare(signal: AbortSignal): Promise<Plan> {
    if (!this.engine.started) this.engine.start();
    const { job, map } = await this.engine.load(this.bundle, this.recipe, signal);
    return this.planned(job, map);
  }

  /**
   * As `prepare`, behind the model that runs and beside the recipes it has. `like`: a plan whose frames are as good: where size, colours
   * and camera values are the same, frames need not be told apart. Throws RECIPE_REFUSED, INFERENCE_FAILED.
   */
  async prepareBeside(like: Plan | null): Promise<Plan> {
    const { job, map } = await this.engine.beside(this.recipe);
    const plan = this.planned(job, map);
    if (like === null || !sameFrames(plan, like)) return plan;
    const { id } = like;
    this.inForce = { plan: { ...plan, id }, job, map };
    return this.inForce.plan;
  }

  /** Gives up what `prepareBeside` loaded; no part may be under way with it. */
  async drop(): Promise<void> {
    const now = this.inForce;
    this.inForce = null;
    if (now !== null) await this.engine.drop(now.job);
  }

  /** Number of its load; null before, and after `drop`. */
  get job(): number | null {
    return this.inForce?.job ?? null;
  }

  private planned(job: number, map: InForce['map']): Plan {
    const { width, height, resize, fit, mean, std } = this.bundle.manifest.input;
    const { id, number } = this.recipe.file;
    const plan: Plan = {
      id: ++lastPlan,
      recipe: { id, number },
      input: { width, height, resize, fit, mean, std },
      camera: this.camera,
    };
    this.inForce = { plan, job, map };
    return plan;
  }

  async inspect(frame: Frame, plan: Plan, by: Ms): Promise<Findings> {
    const now = this.inForce;
    if (now === null || now.plan.id !== plan.id || frame.planId !== plan.id) {
      const found = `frame of plan ${frame.planId}, asked for plan ${plan.id}, in force is ${now?.plan.id ?? 'none'}`;
      throw new InspectionError(Code.incompleteFrame, `the frame was taken under other settings than those in force (${found})`);
    }
    const near = this.near().filter(({ job }) => job !== now.job);
    const numbers = near.map(({ job }) => job);
    const found = await this.engine.run(now.job, { ring: frame.ring, slot: frame.slot }, by, this.map, numbers);
    const map = found.map === null ? null : { ...now.map, data: found.map };
    const { score, mapMax, probabilities, ms, compared } = found;
    const findings = { score, mapMax, map, probabilities, provider: this.loaded()?.provider ?? '', ms };
    const [nearest] = [...(compared?.others ?? [])].sort((a, b) => a.score - b.score);
    const recipe = near.find(({ job }) => job === nearest?.job)?.recipe;
    if (compared === undefined || nearest === undefined || recipe === undefined) return findings;
    return { ...findings, nearest: { recipe, score: nearest.score, own: compared.own } };
  }

  /**
   * The golden picture through model and bank once more: its score must be what it was first after the load, which itself was proven
   * on it. That first score is taken only while the model still gives the bundle's own, and from no load that has failed since.
   * Rejects with InspectionError: 404 for another score, else as `inspect`.
   */
  async selfTest(by: Ms): Promise<void> {
    const { golden } = this.engine;
    const loaded = this.loaded();
    const now = this.inForce;
    if (golden === null || loaded === null || now === null) throw new InspectionError(Code.selfTest, 'no model is loaded');
    const first = this.reference?.loaded === loaded ? this.reference.score : null;
    const { score } = await this.engine.run(now.job, { data: golden.data.slice() }, by, 'none');
    if (this.loaded() !== loaded) return; // the worker was replaced meanwhile, and the new one has proven itself
    if (first === null) {
      await this.proveModel(loaded, now.job, golden, by);
      this.reference = { loaded, score };
    } else if (Math.abs(score - first) > Math.max(golden.tolerance, first * drift)) {
      this.failed = true;
      doubted.add(loaded);
      throw changed(score, loaded, `scored ${first.toPrecision(5)} after the load`);
    }
    this.failed = false;
    if (first !== null) doubted.delete(loaded);
  }

  /** The model's own score of the golden picture is the bundle's, as it was when the load was proven. */
  private async proveModel(loaded: Loaded, job: number, golden: NonNullable<Engine['golden']>, by: Ms): Promise<void> {
    const { score } = await this.engine.embed(job, { data: golden.data.slice() }, by);
    if (this.loaded() === loaded && Math.abs(score - golden.score) > golden.tolerance) {
      throw changed(score, loaded, `must score ${golden.score.toPrecision(5)}, as its bundle says`);
    }
    if (doubted.has(loaded)) {
      const why = 'the model failed its self-test with another recipe, so that this one has no score to be held against';
      throw new InspectionError(Code.selfTest, `${why}. Wait until the station is ready, or restart verdictd`);
    }
  }

  /** A lost worker is being replaced. */
  reviving(): boolean {
    return this.engine.reviving;
  }

  /** What was loaded last, with the provider really in use and why others were refused; null before. */
  loaded(): Loaded | null {
    return this.engine.loaded;
  }

  /** Workers that had to be started again. */
  restarts(): number {
    return this.engine.restarts;
  }

  alive(): Ms {
    return this.engine.alive();
  }

  async stop(by: Ms): Promise<void> {
    await this.engine.stop(by);
  }
}

function changed(score: number, { provider }: Loaded, expected: string): InspectionError {
  const found = `the golden picture scores ${score.toPrecision(5)} on ${provider}, and ${expected}`;
  return new InspectionError(Code.selfTest, `${found}. Restart verdictd; if it happens again, the accelerator or its memory is faulty`);
}

/** Whether frames taken under one plan are as good under the other. */
export function sameFrames(a: Pick<Plan, 'input' | 'camera'>, b: Pick<Plan, 'input' | 'camera'>): boolean {
  return isDeepStrictEqual([a.input, a.camera], [b.input, b.camera]);
}

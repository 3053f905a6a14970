/** The station's Inspector: one bundle, one recipe, one engine. */
import type { Bundle } from '../bundle/manifest';
import { Code } from '../codes';
import { InspectionError } from '../errors';
import type { CameraValues, Findings, Frame, Inspector, Ms, Plan } from '../ports';
import type { Recipe } from '../recipe/recipe';
import type { Engine } from './engine';
import type { Loaded } from './protocol';

/** The golden picture's score may move by this share between two runs of one load: more than any provider's own noise. */
const drift = 0.01;

/** Plan ids are unique in the process, whoever makes them. */
let lastPlan = 0;

interface InForce {
  plan: Plan;
  job: number;
}

export class ModelInspector implements Inspector {
  private inForce: InForce | null = null;
  /** Score of the golden picture with this recipe, by the load that gave it. */
  private reference: { loaded: Loaded; score: number } | null = null;

  /** `prepare` starts the engine where its owner has not; `stop` ends it, as its owner may. `camera`: the recipe's values, SFNC names. */
  constructor(
    private readonly engine: Engine,
    private readonly bundle: Bundle,
    private readonly recipe: Recipe,
    private readonly camera: CameraValues,
    private readonly map: 'none' | 'full' = 'full',
  ) {}

  async prepare(signal: AbortSignal): Promise<Plan> {
    if (!this.engine.started) this.engine.start();
    const { job } = await this.engine.load(this.bundle, this.recipe, signal);
    const { width, height, resize, fit, mean, std } = this.bundle.manifest.input;
    const { id, number } = this.recipe.file;
    const plan: Plan = {
      id: ++lastPlan,
      recipe: { id, number },
      input: { width, height, resize, fit, mean, std },
      camera: this.camera,
    };
    this.inForce = { plan, job };
    return plan;
  }

  async inspect(frame: Frame, plan: Plan, by: Ms): Promise<Findings> {
    const now = this.inForce;
    if (now === null || now.plan.id !== plan.id || frame.planId !== plan.id) {
      const found = `frame of plan ${frame.planId}, asked for plan ${plan.id}, in force is ${now?.plan.id ?? 'none'}`;
      throw new InspectionError(Code.incompleteFrame, `the frame was taken under other settings than those in force (${found})`);
    }
    const found = await this.engine.run(now.job, { ring: frame.ring, slot: frame.slot }, by, this.map);
    const size = this.loaded()?.map;
    const map = found.map === null || size === undefined ? null : { ...size, data: found.map };
    const { score, mapMax, probabilities, ms } = found;
    return { score, mapMax, map, probabilities, provider: this.loaded()?.provider ?? '', ms };
  }

  /**
   * The golden picture through model and bank once more: its score must be what it was first after the load, which itself was proven
   * on it. Rejects with InspectionError: 404 for another score, else as `inspect`.
   */
  async selfTest(by: Ms): Promise<void> {
    const { golden } = this.engine;
    const loaded = this.loaded();
    const now = this.inForce;
    if (golden === null || loaded === null || now === null) throw new InspectionError(Code.selfTest, 'no model is loaded');
    const { score } = await this.engine.run(now.job, { data: golden.data.slice() }, by, 'none');
    if (this.loaded() !== loaded) return; // the worker was replaced meanwhile, and the new one has proven itself
    if (this.reference?.loaded !== loaded) this.reference = { loaded, score };
    const { score: first } = this.reference;
    const allowed = Math.max(golden.tolerance, first * drift);
    if (Math.abs(score - first) <= allowed) return;
    throw new InspectionError(
      Code.selfTest,
      `the golden picture scores ${score.toPrecision(5)} on ${loaded.provider}, and scored ${first.toPrecision(5)} after the load. Restart verdictd; if it happens again, the accelerator or its memory is faulty`,
    );
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

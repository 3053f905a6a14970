/** The station's Inspector: one bundle, one recipe, one engine. */
import type { Bundle } from '../bundle/manifest';
import { Code } from '../codes';
import { InspectionError } from '../errors';
import type { CameraValues, Findings, Frame, Inspector, Ms, Plan } from '../ports';
import type { Recipe } from '../recipe/recipe';
import type { Engine } from './engine';
import type { Loaded } from './protocol';

/** Plan ids are unique in the process, whoever makes them. */
let lastPlan = 0;

interface InForce {
  plan: Plan;
  job: number;
}

export class ModelInspector implements Inspector {
  private inForce: InForce | null = null;

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

/** From configuration to what parts are judged with: bundle, recipe (taught on the spot where the demo says so), proven provider. */
import { defaultBundleDir, loadBundle } from './bundle/load';
import type { Bundle } from './bundle/manifest';
import type { createCamera } from './camera/create';
import { tensorOf } from './camera/pushed';
import type { Config } from './config/load';
import { cameras } from './config/schema';
import { reason, VerdictdError } from './errors';
import { placer } from './inspect/boxes';
import type { Engine } from './inspect/engine';
import { gate } from './inspect/quality';
import type { Job } from './line/job';
import type { Clock, Plan } from './ports';
import { activeRecipe } from './recipe/active';
import { misfit } from './recipe/fit';
import { LiveParts } from './recipe/live';
import type { Recipe } from './recipe/recipe';
import { loadRecipe } from './recipe/store';
import { Teacher } from './recipe/teacher';

export interface PreparationDeps {
  config: Config;
  dataDir: string;
  clock: Clock;
  camera: ReturnType<typeof createCamera>;
  engine: Engine; // the caller owns it
  signal: AbortSignal;
  /** What a person waiting at start wants to read. */
  say: (text: string) => void;
}

/** A model that runs, proven, without a recipe yet. */
export interface Model {
  bundle: Bundle;
  /** Number of its load: tokens for teaching. */
  job: number;
}

/** Throws BUNDLE_*, PROVIDER_UNAVAILABLE, ABORTED: each with what to do. */
export async function openModel({
  config,
  engine,
  signal,
  say,
}: Pick<PreparationDeps, 'config' | 'engine' | 'signal' | 'say'>): Promise<Model> {
  const bundle = await loadBundle(config.bundle.path ?? defaultBundleDir());
  if (bundle.manifest.bootstrap) say(`bundle ${bundle.manifest.name}: a bootstrap model, not AD-CLIP`);
  engine.start();
  const { job } = await engine.load(bundle, null, signal);
  return { bundle, job };
}

/** What parts of this recipe are judged with. */
export function jobOf(plan: Plan, recipe: Recipe, bundle: Bundle, config: Config, provider: () => string): Job {
  const { limit, reference, regions } = recipe.file;
  const { wrongPart, wrongPartMargin } = config.recipe;
  return {
    plan,
    bundle: bundle.sha256,
    simulated: !cameras[config.camera.kind].real,
    limit,
    gate: (quality) => gate(quality, reference, config.quality),
    provider,
    boxes: placer(limit.value, regions),
    ...(wrongPart === 'off' ? {} : { wrongPartMargin }),
  };
}

/**
 * The active recipe; taught from the first parts of the line where the configuration says so and there is none for this bundle. Throws
 * RECIPE_*, TEACH_REFUSED, ABORTED: each with what to do.
 */
export async function firstRecipe(model: Model, deps: PreparationDeps): Promise<Recipe> {
  const { config, dataDir, say } = deps;
  const { bundle } = model;
  const { teach: auto } = config.recipe;
  const active = (await activeRecipe(dataDir)) ?? config.recipe.active;
  if (active === null) {
    throw new VerdictdError(
      'RECIPE_MISSING',
      'No recipe is active. Teach one (verdictd teach --recipe ID --good DIR), then put it in force: verdictd recipe activate ID.',
    );
  }
  const found = await loadRecipe(dataDir, active).catch((thrown: unknown) => {
    // A recipe that was altered is not taught over: somebody should know.
    if (auto.auto && thrown instanceof VerdictdError && thrown.code === 'RECIPE_MISSING') return null;
    throw thrown;
  });
  if (found === null) {
    say(`teaching recipe ${active} from the first ${auto.shots + auto.heldOut} good parts`);
    return await autoTeach(active, model, deps);
  }
  const made = misfit(found.file, bundle);
  if (made === null) return found;
  if (!auto.auto) throw new VerdictdError('RECIPE_REFUSED', `${made}. Teach it again, or set bundle.path to its bundle.`);
  say(`${made}: teaching it again`);
  return await autoTeach(active, model, deps);
}

async function autoTeach(
  id: string,
  { bundle, job }: Model,
  { config, dataDir, clock, camera, engine, signal, say }: PreparationDeps,
): Promise<Recipe> {
  const { shots, symmetry, falseReject, heldOut } = config.recipe.teach;
  const { width, height, resize, fit, mean, std } = bundle.manifest.input;
  const plan = { id: 0, recipe: { id, number: 0 }, input: { width, height, resize, fit, mean, std }, camera: {} };
  const live = new LiveParts({ camera, clock, tensorOf, triggered: config.trigger.source === 'mqtt' }, plan);
  const teacher = new Teacher(config.inference.threads);
  let seen = 0;
  camera.showOnly?.('good');
  try {
    teacher.start();
    await live.start(signal);
    const { recipe } = await teacher.teach(
      { dataDir, recipe: id, bundle, parts: live.parts(shots + heldOut), shots, symmetry, falseReject },
      {
        embed: async (data) => (await engine.embed(job, { data })).taps.map((tap) => tap.data),
        signal,
        progress: () => {
          seen++;
          if (seen % shots === 0) say(`teaching: ${seen} of ${shots + heldOut} good parts shown`);
        },
      },
    );
    return recipe;
  } catch (thrown) {
    if (thrown instanceof VerdictdError || signal.aborted) throw thrown;
    throw new VerdictdError('TEACH_REFUSED', `The recipe ${id} could not be taught: ${reason(thrown)}. Start again.`, { cause: thrown });
  } finally {
    camera.showOnly?.('all');
    await live.stop();
    await teacher.end();
  }
}

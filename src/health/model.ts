/** Bundle, recipe and execution provider: by loading them and judging the golden picture, as the station would. */
import type { Bundle } from '../bundle/manifest';
import { reason, VerdictdError } from '../errors';
import type { Loaded } from '../inspect/protocol';
import type { Recipe } from '../recipe/recipe';
import { bad, type Check, good } from './check';

export interface ModelFacts {
  bundlePath: string;
  active: string | null; // recipe
  autoTeach: boolean;
  providers: readonly string[]; // configured, from the top
  /** Throws BUNDLE_*. */
  bundle: () => Promise<Bundle>;
  /** Throws RECIPE_*. */
  recipe: (id: string) => Promise<Recipe>;
  /** Loads both, runs the golden picture, gives what it loaded. Throws PROVIDER_UNAVAILABLE with every refusal. */
  infer: (bundle: Bundle, recipe: Recipe | null) => Promise<Loaded>;
  /** Of the running station: it has the model, and a second one may not fit beside it. Null: none runs. */
  running: { provider: string } | null;
}

export async function modelChecks(facts: ModelFacts): Promise<Check[]> {
  const checks: Check[] = [];
  let bundle: Bundle;
  try {
    bundle = await facts.bundle();
    checks.push(good('model.bundle', `${bundle.manifest.name}, ${bundle.sha256.slice(0, 8)}: every file is what its manifest says`));
  } catch (thrown) {
    const fix = `Install it again (verdictd model verify ${facts.bundlePath} names the file), or set bundle.path to another`;
    return [bad('model.bundle', told(thrown), fix)];
  }
  const recipe = await recipeCheck(facts, bundle, checks);
  checks.push(await inferenceCheck(facts, bundle, recipe));
  return checks;
}

async function recipeCheck(facts: ModelFacts, bundle: Bundle, checks: Check[]): Promise<Recipe | null> {
  const id = 'model.recipe';
  const { active, autoTeach } = facts;
  if (active === null) {
    checks.push(bad(id, 'no recipe is active', 'verdictd teach --recipe ID --good DIR, then set recipe.active to that ID'));
    return null;
  }
  try {
    const recipe = await facts.recipe(active);
    const { sha256, name } = recipe.file.bundle;
    const teach = `verdictd teach --recipe ${active} --good DIR, or set bundle.path to ${name} ${sha256.slice(0, 8)}`;
    if (sha256 !== bundle.sha256) {
      checks.push(bad(id, `${active} was taught with bundle ${name} ${sha256.slice(0, 8)}, in use is ${bundle.sha256.slice(0, 8)}`, teach));
      return null;
    }
    checks.push(good(id, `${active}, number ${recipe.file.number}`));
    return recipe;
  } catch (thrown) {
    const missing = thrown instanceof VerdictdError && thrown.code === 'RECIPE_MISSING';
    if (missing && autoTeach) checks.push(good(id, `${active} is taught from the first parts (recipe.teach.auto)`));
    else
      checks.push(
        bad(id, told(thrown), `verdictd teach --recipe ${active} --good DIR, or set recipe.active to one of verdictd recipe list`),
      );
    return null;
  }
}

async function inferenceCheck({ infer, running, providers }: ModelFacts, bundle: Bundle, recipe: Recipe | null): Promise<Check> {
  const id = 'model.provider';
  const [first = 'cpu'] = providers;
  const install = (rung: string, why: string) =>
    bad(id, why, `Install what ${rung} needs (docs/rig.md, npm run rig:onnxruntime), or set inference.providers to what is meant to run`);
  if (running !== null) {
    if (running.provider === '') return bad(id, 'the running station has no model loaded', 'See verdictd status, which says why');
    if (running.provider === first) return good(id, `the running station judges on ${running.provider}`);
    return install(first, `the running station judges on ${running.provider}, ${first} was asked for first; its diagnostics say why`);
  }
  try {
    const { provider, refusals, golden, ms } = await infer(bundle, recipe);
    const found = `the golden picture scored ${golden.toFixed(4)} on ${provider}, loaded in ${Math.round(ms)} ms`;
    const refused = refusals.map((one) => `${one.provider}: ${one.reason}`).join('; ');
    return refusals.length === 0 ? good(id, found) : install(first, `${found}; refused were ${refused}`);
  } catch (thrown) {
    return install(first, told(thrown));
  }
}

function told(thrown: unknown): string {
  const details = thrown instanceof VerdictdError ? thrown.details : [];
  return [reason(thrown), ...details].join('; ');
}

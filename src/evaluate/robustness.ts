/** Clean pictures against disturbed ones: what noise, blur, light, a turn and a hostile hand do to the figures. */
import type { RunResult } from '../inspect/protocol';
import type { RawImage } from '../native';
import type { InputSpec, Quality } from '../ports';
import { type Search, worstScore } from './adversarial';
import { atLimit, imageFigures } from './figures';
import type { Item } from './item';
import { aboutThePicture, type Model, type Scored, verdictOf } from './judge';
import { type Perturbation, perturbations } from './perturb';
import { draw } from './random';

export interface RobustnessRow {
  name: string; // 'clean' first
  about: string;
  parts: number;
  auroc: number | null;
  ap: number | null;
  f1: number | null;
  falseReject: number | null;
  escape: number | null;
  notJudged: number | null;
}

export interface Robustness {
  rows: RobustnessRow[];
  /** Pictures disturbed: all, or a draw from each class with this seed. */
  parts: { good: number; bad: number; seed: number };
  search: Search & { parts: number };
}

export interface RobustDeps {
  model: Model;
  input: InputSpec;
  decode(path: string): Promise<RawImage>;
  preprocess(picture: RawImage): Promise<{ tensor: Float32Array; quality: Quality }>;
  progress(): void;
}

const mostParts = 60; // a class
const mostSearched = 12; // a class
const seed = 1;

function row(name: string, about: string, scored: readonly Scored[], { recipe }: Model): RobustnessRow {
  const { auroc, ap, f1 } = imageFigures(scored);
  const limit = atLimit(scored, recipe);
  const { falseReject, notJudged } = limit;
  return { name, about, parts: scored.length, auroc, ap, f1, falseReject, escape: limit.escape, notJudged };
}

function chosen(items: readonly Item[], most: number): Item[] {
  return [true, false].flatMap((good) =>
    draw(
      items.filter((item) => item.good === good),
      most,
      seed,
    ),
  );
}

/** Inferences that `robustness` will make, for a progress bar. */
export function robustnessWork(items: readonly Item[]): number {
  return chosen(items, mostParts).length * (perturbations.length + 1) + chosen(items, mostSearched).length * 2;
}

/** Disturbs up to 60 pictures of each class in every way, and searches the worst for up to 12 of each. Raw sensor data is left as it is. */
export async function robustness(items: readonly Item[], search: Search, deps: RobustDeps): Promise<Robustness> {
  const { model } = deps;
  const parts = chosen(items, mostParts);
  const rows: RobustnessRow[] = [];
  const clean: Perturbation = { name: 'clean', about: 'as they are', apply: (picture) => Promise.resolve(picture) };
  for (const perturbation of [clean, ...perturbations]) {
    const scored: Scored[] = [];
    for (const [i, item] of parts.entries()) {
      const one = await disturbed(item, perturbation, i, deps);
      if (one !== null) scored.push(one);
      deps.progress();
    }
    rows.push(row(perturbation.name, perturbation.about, scored, model));
  }
  const searched = chosen(items, mostSearched);
  const before: Scored[] = [];
  const after: Scored[] = [];
  for (const item of searched) {
    const plain = await disturbed(item, clean, 0, deps);
    deps.progress();
    const worst = plain === null ? null : await attacked(item, plain, search, deps);
    deps.progress();
    if (plain === null || worst === null) continue;
    before.push(plain);
    after.push(worst);
  }
  rows.push(row('clean, searched parts', 'the parts of the next line, as they are', before, model));
  rows.push(
    row(
      'adversarial',
      `worst of ${search.budget} steps of +-${search.epsilon} of 255 a picture, signs searched by the score alone`,
      after,
      model,
    ),
  );
  const good = parts.filter((item) => item.good).length;
  return { rows, parts: { good, bad: parts.length - good, seed }, search: { ...search, parts: after.length } };
}

/** Null for a picture that cannot be read or judged: the evaluation before has told why. */
async function disturbed(item: Item, perturbation: Perturbation, number: number, deps: RobustDeps): Promise<Scored | null> {
  const { model } = deps;
  model.signal.throwIfAborted();
  try {
    const picture = await perturbation.apply(await deps.decode(item.path), seed * 100_003 + number);
    const { tensor, quality } = await deps.preprocess(picture);
    return scoredOf(item, await model.run(tensor, 'none'), quality, model);
  } catch (thrown) {
    if (!aboutThePicture(thrown)) throw thrown;
    return null;
  }
}

function scoredOf(item: Item, found: RunResult, quality: Quality, model: Model): Scored {
  return { item, score: found.score, verdict: verdictOf(found, quality, model), mapMax: found.mapMax, ms: 0 };
}

async function attacked(item: Item, plain: Scored, search: Search, deps: RobustDeps): Promise<Scored | null> {
  const { model, input } = deps;
  try {
    const { tensor, quality } = await deps.preprocess(await deps.decode(item.path));
    const score = async (one: Float32Array): Promise<number> => {
      model.signal.throwIfAborted();
      return (await model.run(one, 'none')).score;
    };
    const worst = await worstScore(tensor, item.good, score, input, search);
    const found: RunResult = { score: worst, mapMax: plain.mapMax, map: null, probabilities: null, ms: { queue: 0, model: 0, bank: 0 } };
    return scoredOf(item, found, quality, model);
  } catch (thrown) {
    if (!aboutThePicture(thrown)) throw thrown;
    return null;
  }
}

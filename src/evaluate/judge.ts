/** Scores the pictures of a data set one after the other, and judges each as the station would. */
import type { Word } from '../codes';
import { reason, VerdictdError } from '../errors';
import type { RunResult } from '../inspect/protocol';
import { type GateLimits, gate } from '../inspect/quality';
import { judgeBy } from '../inspect/verdict';
import type { Ms, Quality } from '../ports';
import type { Recipe } from '../recipe/recipe';
import { wordOf } from '../verdict_word';
import type { Item } from './item';

/** A picture as the model takes it. */
export interface Prepared {
  width: number; // px of the file
  height: number;
  tensor: Float32Array;
  quality: Quality;
  ms: Ms; // decoding and preprocessing
}

/** What evaluating needs of the world. */
export interface Model {
  /** Throws IMAGE_UNREADABLE. */
  read(path: string): Promise<Prepared>;
  /** The tensor may be taken away. Throws INFERENCE_FAILED. */
  run(tensor: Float32Array, map: 'none' | 'full'): Promise<RunResult>;
  map: { width: number; height: number };
  recipe: Recipe | null;
  limits: GateLimits;
  signal: AbortSignal;
}

export interface Scored {
  item: Item;
  score: number;
  /** Null without a recipe: there is no limit. */
  verdict: Word | null;
  mapMax: number;
  ms: Ms;
}

const judge = judgeBy({ acceptSimulated: false, acceptProvisional: true, teaching: () => false });
/** A file is no part at the gate: it is judged as the station would, and released to nobody. */
const aFile = { part: { seq: 1, simulated: true }, late: false, operational: true } as const;

/** The station's word about a picture: the quality gate first, then score against limit. Null without a recipe. */
export function verdictOf(found: RunResult, quality: Quality, { recipe, limits }: Pick<Model, 'recipe' | 'limits'>): Word | null {
  if (recipe === null) return null;
  const refused = gate(quality, recipe.file.reference, limits);
  const findings = { ...found, map: null, provider: '' };
  const outcome = refused === null ? { kind: 'findings' as const, findings } : { kind: 'fault' as const, ...refused };
  const { evaluation, released } = judge(outcome, recipe.file, aFile);
  return wordOf({ evaluation, released, part: aFile.part });
}

/** True of an error that is about one picture only; the others go on. */
export function aboutThePicture(thrown: unknown): boolean {
  return thrown instanceof VerdictdError && (thrown.code === 'IMAGE_UNREADABLE' || thrown.code === 'INFERENCE_FAILED');
}

/** One of a pass: what was found, or why nothing was. */
export type Passed =
  | { scored: Scored; map: Float32Array | null; picture: { width: number; height: number } }
  | { item: Item; problem: string };

/** Every item in order; while one is in the model, the next is read. `map` 'full': with the anomaly map, which is dropped after its turn. */
export async function* judgeAll(items: readonly Item[], model: Model, map: 'none' | 'full'): AsyncGenerator<Passed> {
  const read = (item: Item | undefined): Promise<Prepared | null> => (item === undefined ? Promise.resolve(null) : model.read(item.path));
  let next = read(items[0]);
  try {
    for (const [i, item] of items.entries()) {
      model.signal.throwIfAborted();
      const current = next;
      const prepared = await current.catch((thrown: unknown) => {
        if (!aboutThePicture(thrown)) throw thrown;
        return reason(thrown);
      });
      next = read(items[i + 1]);
      next.catch(() => undefined); // told when its turn comes
      if (prepared === null) continue;
      yield typeof prepared === 'string' ? { item, problem: prepared } : await judgeOne(item, prepared, model, map);
    }
  } finally {
    await next.catch(() => undefined);
  }
}

async function judgeOne(item: Item, prepared: Prepared, model: Model, map: 'none' | 'full'): Promise<Passed> {
  const { width, height, tensor, quality, ms } = prepared;
  let found: RunResult;
  try {
    found = await model.run(tensor, map);
  } catch (thrown) {
    if (!aboutThePicture(thrown)) throw thrown;
    return { item, problem: `${item.name}: ${reason(thrown)}` };
  }
  if (!Number.isFinite(found.score)) return { item, problem: `${item.name}: the model gave ${found.score}; expected a score` };
  const verdict = verdictOf(found, quality, model);
  const scored: Scored = { item, score: found.score, verdict, mapMax: found.mapMax, ms: ms + found.ms.model + found.ms.bank };
  return { scored, map: found.map, picture: { width, height } };
}

/** How many shots are worth showing: AUROC by the number of shots, over several draws of them from the data set's own good parts. */
import type { Bundle } from '../bundle/manifest';
import type { Symmetry } from '../recipe/recipe';
import type { GoodPart } from '../recipe/shots';
import { type TeachDeps, teach } from '../recipe/teach';
import { auroc, rank } from '../stats/rank';
import type { Item } from './item';
import { aboutThePicture } from './judge';
import { draw } from './random';

export interface CurvePoint {
  shots: number;
  /** Mean, least and most over the draws. */
  auroc: number;
  least: number;
  most: number;
  draws: number;
}

export interface Curve {
  points: CurvePoint[];
  /** One sentence: from where on more shots add little. */
  advice: string;
}

export interface CurveOptions {
  dataDir: string; // for the recipes that are taught and thrown away
  bundle: Bundle;
  train: readonly GoodPart[];
  test: readonly Item[];
  symmetry: Symmetry;
  falseReject: number;
  draws: number;
}

export interface CurveDeps extends TeachDeps {
  /** Patch tokens of a test picture. Throws IMAGE_UNREADABLE. */
  tokens(path: string): Promise<readonly Float32Array[]>;
}

const steps = [1, 2, 4, 8, 16];
/** A gain of AUROC below this is none a line would notice. */
const worthwhile = 0.005;

export function curveSteps(train: number): number[] {
  return steps.filter((shots) => shots <= train);
}

/** Recipes that will be taught and test pictures that will be read, for a progress bar. */
export function curveWork({ train, test, draws }: Pick<CurveOptions, 'train' | 'test' | 'draws'>): number {
  return curveSteps(train.length).length * draws + test.length;
}

/** Null where nothing can be drawn: fewer than two good parts to teach from, or only one class to test. */
export async function shotsCurve(options: CurveOptions, deps: CurveDeps): Promise<Curve | null> {
  const { train, test, draws } = options;
  const shotCounts = curveSteps(train.length);
  if (train.length < 2 || !test.some(({ good }) => good) || test.every(({ good }) => good)) return null;
  const banks: { shots: number; path: string; scores: number[] }[] = [];
  try {
    for (const shots of shotCounts)
      for (let seed = 0; seed < draws; seed++) {
        const path = await taught(options, deps, shots, seed);
        await deps.bank.open(path);
        banks.push({ shots, path, scores: [] });
        deps.progress?.();
      }
    const bad: boolean[] = [];
    for (const item of test) {
      deps.signal?.throwIfAborted();
      deps.progress?.();
      const tokens = await deps.tokens(item.path).catch((thrown: unknown) => {
        if (!aboutThePicture(thrown)) throw thrown;
        return null; // the evaluation before has told why
      });
      if (tokens === null) continue;
      bad.push(!item.good);
      for (const bank of banks) bank.scores.push((await deps.bank.run(bank.path, tokens)).score?.[0] ?? Number.NaN);
    }
    return summary(shotCounts, banks, bad);
  } finally {
    for (const { path } of banks) await deps.bank.close(path);
  }
}

/** One recipe from `shots` parts drawn with `seed`; gives its bank. All shots go into the bank: there is no limit to set. */
async function taught(
  { dataDir, bundle, train, symmetry, falseReject }: CurveOptions,
  deps: CurveDeps,
  shots: number,
  seed: number,
): Promise<string> {
  const { progress: _, ...quiet } = deps;
  const parts = draw(train, shots, seed);
  const { recipe } = await teach({ dataDir, recipe: `curve-${shots}-${seed}`, bundle, parts, shots, symmetry, falseReject }, quiet);
  return recipe.bankPath;
}

function summary(
  shotCounts: readonly number[],
  banks: readonly { shots: number; scores: number[] }[],
  bad: readonly boolean[],
): Curve | null {
  const points = shotCounts.flatMap((shots): CurvePoint[] => {
    const found = banks.filter((bank) => bank.shots === shots).map(({ scores }) => auroc(rank(scores, bad)));
    const there = found.filter((one): one is number => one !== null);
    if (there.length === 0) return [];
    const mean = there.reduce((sum, one) => sum + one, 0) / there.length;
    return [{ shots, auroc: mean, least: Math.min(...there), most: Math.max(...there), draws: there.length }];
  });
  return points.length === 0 ? null : { points, advice: adviceOf(points) };
}

/** The least number of shots from which on no more shots gain anything worth while. */
export function adviceOf(points: readonly CurvePoint[]): string {
  const last = points.at(-1);
  if (last === undefined || points.length === 1) return 'One number of shots alone says nothing about more of them.';
  const enough = points.find((point, i) => points.slice(i + 1).every((later) => later.auroc - point.auroc < worthwhile)) ?? last;
  const figure = `AUROC ${enough.auroc.toFixed(3)}, ${enough.least.toFixed(3)} to ${enough.most.toFixed(3)} by which parts were shown`;
  if (enough === last) return `The curve still rises at ${last.shots} shots (${figure}): show more.`;
  return `From ${enough.shots} shots on more of them gain less than ${worthwhile} (${figure}): show ${enough.shots}.`;
}

/**
 * How well scores rank bad above good, over every limit at once. Pure. Higher scores mean "more likely bad"; `bad[i]` is the truth of
 * `scores[i]`. Ties are handled as scikit-learn handles them: one step a distinct score. Nothing here gives NaN: a figure that needs both
 * classes is null where one is missing.
 */

/** What a limit just below `score` would do: how many bad and good parts have this score or more. */
export interface Step {
  score: number;
  truePositives: number;
  falsePositives: number;
}

export interface Ranking {
  bad: number;
  good: number;
  /** By falling score, one a distinct score; the last has everything. */
  steps: Step[];
}

export interface F1Max {
  f1: number;
  /** At or above it counts as bad. */
  threshold: number;
  precision: number;
  recall: number;
}

/** Throws RangeError for scores that are not finite or not one a truth: nobody can rank those. */
export function rank(scores: ArrayLike<number>, bad: ArrayLike<boolean | number>): Ranking {
  if (scores.length !== bad.length) throw new RangeError(`${scores.length} scores for ${bad.length} truths`);
  const order = Array.from({ length: scores.length }, (_, i) => i);
  for (const i of order) if (!Number.isFinite(scores[i])) throw new RangeError(`score ${i} is ${scores[i]}; expected a finite number`);
  order.sort((a, b) => (scores[b] ?? 0) - (scores[a] ?? 0));
  const steps: Step[] = [];
  let truePositives = 0;
  let falsePositives = 0;
  for (const [at, i] of order.entries()) {
    if (bad[i]) truePositives++;
    else falsePositives++;
    const next = order[at + 1];
    const score = scores[i] ?? 0;
    if (next === undefined || scores[next] !== score) steps.push({ score, truePositives, falsePositives });
  }
  return { bad: truePositives, good: falsePositives, steps };
}

/** Probability that a bad part scores above a good one, ties counting half (Mann-Whitney): area under the ROC curve. */
export function auroc({ bad, good, steps }: Ranking): number | null {
  if (bad === 0 || good === 0) return null;
  let area = 0;
  let before: Pick<Step, 'truePositives' | 'falsePositives'> = { truePositives: 0, falsePositives: 0 };
  for (const step of steps) {
    area += ((step.falsePositives - before.falsePositives) * (step.truePositives + before.truePositives)) / 2;
    before = step;
  }
  return area / (bad * good);
}

/** Average precision: sum of (R_n - R_n-1) P_n over the steps; no interpolation. */
export function averagePrecision({ bad, good, steps }: Ranking): number | null {
  if (bad === 0 || good === 0) return null;
  let sum = 0;
  let found = 0;
  for (const { truePositives, falsePositives } of steps) {
    sum += ((truePositives - found) / bad) * (truePositives / (truePositives + falsePositives));
    found = truePositives;
  }
  return sum;
}

/** The step with the best F1 = 2 TP / (2 TP + FP + FN); of equals the highest limit. */
export function f1Max({ bad, good, steps }: Ranking): F1Max | null {
  if (bad === 0 || good === 0) return null;
  let best: F1Max | null = null;
  for (const { score, truePositives, falsePositives } of steps) {
    const f1 = (2 * truePositives) / (truePositives + falsePositives + bad);
    if (best !== null && f1 <= best.f1) continue;
    best = { f1, threshold: score, precision: truePositives / (truePositives + falsePositives), recall: truePositives / bad };
  }
  return best;
}

/** Mean of the figures that exist; null where none does. */
export function meanOf(values: readonly (number | null)[]): number | null {
  const there = values.filter((value): value is number => value !== null);
  return there.length === 0 ? null : there.reduce((sum, value) => sum + value, 0) / there.length;
}

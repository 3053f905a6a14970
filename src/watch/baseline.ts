/** What is usual of the good parts of a recipe: learned once from the first of them. Pure. */
import type { Centre } from './ewma';

export const figures = ['score', 'brightness', 'sharpness'] as const;
export type Figure = (typeof figures)[number];
/** Of one good part. Score calibrated; mean brightness 0..255; sharpness as the quality gate has it. */
export type Values = Record<Figure, number>;

/** Sums by Welford's recurrence: `spread` is the sum of squared deviations from the mean. */
export interface Learned {
  parts: number;
  mean: Values;
  spread: Values;
}

export const nothingLearned: Learned = { parts: 0, mean: zero(), spread: zero() };

function zero(): Values {
  return { score: 0, brightness: 0, sharpness: 0 };
}

/** One more good part. A value that is no number leaves everything as it was. */
export function learn(before: Learned, values: Values): Learned {
  if (!figures.every((figure) => Number.isFinite(values[figure]))) return before;
  const parts = before.parts + 1;
  const mean = { ...before.mean };
  const spread = { ...before.spread };
  for (const figure of figures) {
    const off = values[figure] - mean[figure];
    mean[figure] += off / parts;
    spread[figure] += off * (values[figure] - mean[figure]);
  }
  return { parts, mean, spread };
}

/** Smallest spread that counts: what changes less is of no consequence, and equal pictures have none. Score: share of the limit. */
const least = { score: 0.01, brightness: 0.25, sharpness: 0.01 };

/** Mean and standard deviation of one figure. `limit`: the reject limit in force, of which the least spread of scores is a share. */
export function centreOf({ parts, mean, spread }: Learned, figure: Figure, limit: number): Centre {
  const floor = { score: least.score * limit, brightness: least.brightness, sharpness: least.sharpness * mean.sharpness }[figure];
  const sd = Math.sqrt(spread[figure] / Math.max(1, parts - 1));
  return { mean: mean[figure], sd: Math.max(sd, floor, Number.MIN_VALUE) };
}

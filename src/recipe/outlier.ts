/** Shots that do not look like the others, by what the model sees. Pure. */
import { median } from './calibrate';

/** How far one shot lies from the others. */
export interface Standing {
  /** Leave-one-out score, 1 is the median shot: distance to the nearest of the others, patch by patch. A defect shows here. */
  alone: number;
  /**
   * Of the picture as a whole: mean, over the features, of how many robust deviations the shot's mean feature lies from the median shot's.
   * Another product shows here, even if several of its parts are among the shots (fewer than half).
   */
  apart: number;
}

/**
 * Robust deviations (modified z-score of Iglewicz & Hoaglin 1993) beyond which a shot is told. Of scores the logarithm is taken, whose
 * deviation is never believed to be less than what good castings from one camera have: a few shots that happen to be alike must not make
 * the next odd.
 */
const mostDeviations = 3.5;
const mostApart = 3;
const leastDeviation = 0.1;
/** Least deviation of a mean feature between shots, as a share of its deviation within a picture: for the same reason. */
const leastShare = 0.05;
/** Deviations that one feature may tell of: one that never moves in a picture of a good part must not decide alone. */
const mostOfOne = 10;

/** `shots[i][t]`: tokens of shot i at tap t, [patches, dims[t]]. One standing a shot; empty below three shots: there is no majority. */
export function standings(
  shots: readonly (readonly Float32Array[])[],
  dims: readonly number[],
  leaveOneOut: readonly number[],
): Standing[] {
  if (shots.length < 3) return [];
  const sums = new Float64Array(shots.length);
  let features = 0;
  for (const [t, dim] of dims.entries()) {
    const moments = shots.map((taps) => momentsOf(taps[t] ?? new Float32Array(0), dim));
    features += dim;
    for (let j = 0; j < dim; j++) {
      const means = moments.map(({ mean }) => mean[j] ?? Number.NaN);
      const centre = median(means);
      const within = median(moments.map(({ deviation }) => deviation[j] ?? Number.NaN));
      const deviation = Math.max(1.4826 * median(means.map((mean) => Math.abs(mean - centre))), leastShare * within, 1e-12);
      means.forEach((mean, i) => {
        sums[i] = (sums[i] ?? 0) + Math.min(mostOfOne, Math.abs(mean - centre) / deviation);
      });
    }
  }
  return shots.map((_, i) => ({ alone: leaveOneOut[i] ?? Number.NaN, apart: (sums[i] ?? Number.NaN) / features }));
}

function momentsOf(tokens: Float32Array, dim: number): { mean: Float64Array; deviation: Float64Array } {
  const count = tokens.length / dim;
  const mean = new Float64Array(dim);
  for (let i = 0; i < tokens.length; i++) mean[i % dim] = (mean[i % dim] ?? 0) + (tokens[i] ?? 0) / count;
  const squares = new Float64Array(dim);
  for (let i = 0; i < tokens.length; i++)
    squares[i % dim] = (squares[i % dim] ?? 0) + ((tokens[i] ?? 0) - (mean[i % dim] ?? 0)) ** 2 / count;
  return { mean, deviation: squares.map(Math.sqrt) };
}

/** A sentence for each way in which a shot stands apart; the rule is said in it. */
export function outliers(names: readonly string[], all: readonly Standing[]): string[] {
  const logs = all.map(({ alone }) => Math.log(alone));
  const centre = median(logs);
  const deviation = Math.max(leastDeviation, 1.4826 * median(logs.map((x) => Math.abs(x - centre))));
  return all.flatMap(({ alone, apart }, i) => {
    const name = names[i] ?? `shot ${i + 1}`;
    const said: string[] = [];
    // what is no number is far
    if (!((logs[i] ?? Number.NaN) - centre <= mostDeviations * deviation))
      said.push(
        `${name} does not look like the other shots (score against them ${alone.toFixed(2)}, the median shot has 1, more than ${mostDeviations} robust deviations less): if it is not a good part, leave it out and teach again`,
      );
    if (!(apart <= mostApart))
      said.push(
        `${name} does not look like the other shots (its mean features lie ${apart.toFixed(1)} robust deviations away, at most ${mostApart} are usual): is it another product? Leave it out and teach again`,
      );
    return said;
  });
}

/**
 * Shots that do not look like the others, by what the model sees. Pure. Every threshold below was chosen on good castings with pasted
 * defects and on the simulated line (docs/teach.md has the rates); no picture of a really defective part was looked at.
 */
import { median, topMeanOf } from './calibrate';

/** How far one shot lies from the others. */
export interface Standing {
  /** Leave-one-out score, 1 is the median shot: distance to the nearest of the others, patch by patch. */
  alone: number;
  /**
   * How far its strangest patches stick out of its own others: their mean distance over the one that nine in ten of its patches stay
   * below; 1 is the median shot. A defect shows here, even on a part that differs a little all over.
   */
  spot: number;
  /** The middle of its strangest patch, as shares of the picture from the left and from the top. */
  x: number;
  y: number;
  /** Robust deviations by which `alone` and `spot` lie above the other shots', the greater one, each as a share of what is usual. */
  odd: number;
  /**
   * Of the picture as a whole: mean, over the features, of how many robust deviations the shot's mean feature lies from the median shot's.
   * Another product shows here, even if several of its parts are among the shots (fewer than half).
   */
  apart: number;
}

/** A grid of patches with their calibrated distances to the nearest of the other shots. */
export interface Strangeness {
  patches: Float32Array; // [rows*columns]
  columns: number;
  /** Share of the patches that counts as the strangest: the bank's own. */
  top: number;
}

/** Deviations (of the logarithm, by median and median deviation of the others) beyond which a shot is told. */
const mostAlone = 6;
const mostSpot = 4;
const mostApart = 3.5;
/** The deviation believed before any shot was seen, and how many shots that belief is worth: a few that are alike must not make the next odd. */
const prior = { deviation: 0.1, worth: 4 };
/** Patches of a good part that stay below the measure of `spot`. */
const usual = 0.9;
/** Least deviation of a mean feature between shots, as a share of its deviation within a picture: for the same reason. */
const leastShare = 0.05;
/** Deviations that one feature may tell of: one that never moves in a picture of a good part must not decide alone. */
const mostOfOne = 10;

/**
 * `shots[i][t]`: tokens of shot i at tap t, [patches, dims[t]]; `leaveOneOut` and `strange`: of each shot. One standing a shot; empty below
 * three shots: there is no majority.
 */
export function standings(
  shots: readonly (readonly Float32Array[])[],
  dims: readonly number[],
  leaveOneOut: readonly number[],
  strange: readonly Strangeness[],
): Standing[] {
  if (shots.length < 3) return [];
  const sticks = strange.map(sticksOut);
  const middle = median(sticks);
  const spots = sticks.map((value) => value / middle);
  const wholes = apartOf(shots, dims);
  return shots.map((_, i) => {
    const alone = leaveOneOut[i] ?? Number.NaN;
    const spot = spots[i] ?? Number.NaN;
    const odd = Math.max(beyond(leaveOneOut, i) / mostAlone, beyond(spots, i) / mostSpot);
    return { alone, spot, ...placeOf(strange[i]), odd, apart: wholes[i] ?? Number.NaN };
  });
}

function sticksOut({ patches, top }: Strangeness): number {
  const sorted = Float32Array.from(patches).sort();
  const below = sorted[Math.min(sorted.length - 1, Math.floor(usual * sorted.length))] ?? Number.NaN;
  return topMeanOf(patches, top) / Math.max(below, 1e-12);
}

function placeOf(strange: Strangeness | undefined): { x: number; y: number } {
  const { patches, columns } = strange ?? { patches: new Float32Array(1), columns: 1 };
  let strangest = 0;
  patches.forEach((distance, p) => {
    if (distance > (patches[strangest] ?? 0)) strangest = p;
  });
  const column = strangest % columns;
  return { x: (column + 0.5) / columns, y: ((strangest - column) / columns + 0.5) / (patches.length / columns) };
}

/** Deviations of the logarithm of value `i` above the median of the others. */
function beyond(values: readonly number[], i: number): number {
  const others = values.filter((_, j) => j !== i).map(Math.log);
  const centre = median(others);
  const seen = 1.4826 * median(others.map((x) => Math.abs(x - centre)));
  const { deviation: believed, worth } = prior;
  const deviation = Math.sqrt((worth * believed ** 2 + others.length * seen ** 2) / (worth + others.length));
  return (Math.log(values[i] ?? Number.NaN) - centre) / deviation;
}

function apartOf(shots: readonly (readonly Float32Array[])[], dims: readonly number[]): number[] {
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
  return Array.from(sums, (sum) => sum / features);
}

function momentsOf(tokens: Float32Array, dim: number): { mean: Float64Array; deviation: Float64Array } {
  const count = tokens.length / dim;
  const mean = new Float64Array(dim);
  for (let at = 0; at < tokens.length; at += dim) for (let j = 0; j < dim; j++) mean[j] = (mean[j] ?? 0) + (tokens[at + j] ?? 0) / count;
  const squares = new Float64Array(dim);
  for (let at = 0; at < tokens.length; at += dim)
    for (let j = 0; j < dim; j++) squares[j] = (squares[j] ?? 0) + ((tokens[at + j] ?? 0) - (mean[j] ?? 0)) ** 2 / count;
  return { mean, deviation: squares.map(Math.sqrt) };
}

const percent = (share: number): string => `${Math.round(100 * share)} %`;

/** Where to look, for people. */
export function placeText({ x, y }: Pick<Standing, 'x' | 'y'>): string {
  return `at ${percent(x)} from the left, ${percent(y)} from the top`;
}

/** A sentence for each way in which a shot stands apart; the rule is said in it. */
export function outliers(names: readonly string[], all: readonly Standing[]): string[] {
  return all.flatMap((standing, i) => {
    const { alone, spot, odd, apart } = standing;
    const name = names[i] ?? `shot ${i + 1}`;
    const said: string[] = [];
    // what is no number is far
    if (!(odd <= 1))
      said.push(
        `${name} does not look like the other shots (score against them ${alone.toFixed(2)}, its strangest place ${spot.toFixed(2)}, the median shot has 1 and 1; ${placeText(standing)}): look there; if it is not a good part, leave it out and teach again`,
      );
    if (!(apart <= mostApart))
      said.push(
        `${name} does not look like the other shots (its mean features lie ${apart.toFixed(1)} robust deviations away, at most ${mostApart} are usual): is it another product? Leave it out and teach again`,
      );
    return said;
  });
}

/**
 * The shots to look at again whatever was found, the oddest first: one in four, at least two. Empty below four shots. Defective parts
 * that no threshold finds without false alarms are mostly among them.
 */
export function leastAlike<T extends Standing>(all: readonly T[]): T[] {
  if (all.length < 4) return [];
  const oddness = ({ odd, apart }: Standing): number => (apart > mostApart ? Math.max(odd, apart / mostApart) : odd);
  return [...all].sort((a, b) => oddness(b) - oddness(a)).slice(0, Math.max(2, Math.round(all.length / 4)));
}

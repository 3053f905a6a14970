/** The scale of a bank: what the shots score against each other. Pure. */
import { type TapBank, widthOf } from './bank';

/** Distances [taps, shots, patches] of one shot's patches to every shot, as `distancesGraph` gives them. */
export type Distances = Float32Array;

export interface Scale {
  /** Factor of each tap's distances. */
  weights: number[];
  /** Calibrated leave-one-out score of each shot; median 1. */
  leaveOneOut: number[];
  /** The calibrated distances behind it, one array of patches a shot. */
  patches: Float32Array[];
  /** How it came about, for people. */
  rule: string;
}

export function median(values: readonly number[]): number {
  const sorted = [...values].sort((a, b) => a - b);
  const middle = sorted.length >> 1;
  const upper = sorted[middle] ?? Number.NaN;
  return sorted.length % 2 === 1 ? upper : (upper + (sorted[middle - 1] ?? Number.NaN)) / 2;
}

/** Mean of the `share` largest, at least one: the same rule as topMean in the graph. */
export function topMeanOf(values: Float32Array, share: number): number {
  const count = Math.min(values.length, Math.max(1, Math.round(values.length * share)));
  const sorted = Float32Array.from(values).sort();
  let sum = 0;
  for (let i = 1; i <= count; i++) sum += sorted[values.length - i] ?? 0;
  return sum / count;
}

/**
 * From two shots on: each shot is scored against the others (itself left out); every tap counts the same, and the median shot
 * gets the score 1. Null where shots do not differ at all (their median distance is 0) or a distance is not finite.
 */
export function leaveOneOut(distances: readonly Distances[], taps: number, patches: number, top: number): Scale | null {
  const shots = distances.length;
  const perTap = distances.map((own, shot) => Array.from({ length: taps }, (_, t) => nearestOther(own, t, shot, shots, patches)));
  return fuse(perTap, top, `the ${shots} shots, each against the others`);
}

/**
 * From one shot alone: each of its patches against the others of the same picture that lie more than two patches away. On parts
 * from a fixed camera this comes within about 15 % of what further good parts score; it is a guess, and the limit stays provisional.
 */
export function selfSimilarity(taps: readonly TapBank[], top: number): Scale | null {
  return fuse([taps.map(nearestElsewhere)], top, 'a single shot against itself, patches nearby left out');
}

function nearestOther(own: Distances, tap: number, shot: number, shots: number, patches: number): Float32Array {
  const nearest = new Float32Array(patches).fill(Number.POSITIVE_INFINITY);
  for (let other = 0; other < shots; other++) {
    if (other === shot) continue;
    const base = (tap * shots + other) * patches;
    for (let p = 0; p < patches; p++) {
      const distance = own[base + p] ?? Number.NaN;
      if (!(distance >= (nearest[p] ?? 0))) nearest[p] = distance; // NaN goes through
    }
  }
  return nearest;
}

const apart = 2; // patches

/** By features alone: a good part finds each patch where it lies in the bank, so its place adds nothing. */
function nearestElsewhere(bank: TapBank): Float32Array {
  const { tap, chunks, whitening } = bank;
  const width = widthOf(bank);
  const rows = chunks[0]?.rows ?? new Float32Array(0);
  const { columns, dim } = tap;
  const nearest = new Float32Array(tap.rows * columns);
  for (let a = 0; a < nearest.length; a++) {
    const column = a % columns;
    const row = (a - column) / columns;
    let best = Number.POSITIVE_INFINITY;
    for (let y = 0, b = 0; y < tap.rows; y++)
      for (let x = 0; x < columns; x++, b++) {
        const near = y - row <= apart && row - y <= apart && x - column <= apart && column - x <= apart;
        if (!near) best = closer(rows, a * width, b * width, dim, best);
      }
    nearest[a] = whitening === null ? best / 2 : Math.sqrt(best);
  }
  return nearest;
}

/** The lesser of `best` and the squared distance of the `dim` numbers at `a` and at `b`. */
function closer(rows: Float32Array, a: number, b: number, dim: number, best: number): number {
  let sum = 0;
  for (let i = 0; i < dim && sum < best; i++) {
    const difference = (rows[a + i] ?? 0) - (rows[b + i] ?? 0);
    sum += difference * difference;
  }
  return sum < best ? sum : best;
}

function fuse(perTap: readonly (readonly Float32Array[])[], top: number, rule: string): Scale | null {
  const taps = perTap[0]?.length ?? 0;
  const first = Array.from(
    { length: taps },
    (_, t) => 1 / (taps * median(perTap.map((shot) => topMeanOf(shot[t] ?? new Float32Array(0), top)))),
  );
  const scores = perTap.map((shot) => topMeanOf(weightedSum(shot, first), top));
  const middle = median(scores);
  const weights = first.map((weight) => weight / middle);
  const calibrated = scores.map((score) => score / middle);
  if (![...weights, ...calibrated].every((x) => Number.isFinite(x) && x > 0)) return null;
  return { weights, leaveOneOut: calibrated, patches: perTap.map((shot) => weightedSum(shot, weights)), rule };
}

function weightedSum(taps: readonly Float32Array[], weights: readonly number[]): Float32Array {
  const sum = new Float32Array(taps[0]?.length ?? 0);
  taps.forEach((tap, t) => {
    for (let p = 0; p < sum.length; p++) sum[p] = (sum[p] ?? 0) + (tap[p] ?? 0) * (weights[t] ?? 0);
  });
  return sum;
}

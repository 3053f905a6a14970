/** How far a graph in another precision is from the same graph in fp32: measured where a bundle is built, kept in its manifest. */
import type { Manifest } from '../bundle/manifest';
import { VerdictdError } from '../errors';
import type { Probed } from './probe';
import type { Precision } from './weights';

export interface PrecisionError {
  pictures: number; // that were compared
  score: number; // largest difference of the scores
  logit: number; // largest difference of the logits: where a score sits at the end of its scale, this still tells
  map: number; // largest difference of the maps
  rankCorrelation: number; // smallest Spearman correlation of the maps
}

/** Beyond `doubtful` a bundle is built with a warning; beyond `useless` it is not built. */
const doubtful = { score: 0.02, rankCorrelation: 0.999 };
const useless = { score: 0.1, rankCorrelation: 0.98 };

export function precisionError(pairs: readonly { single: Probed; other: Probed }[]): PrecisionError {
  const error: PrecisionError = { pictures: pairs.length, score: 0, logit: 0, map: 0, rankCorrelation: 1 };
  for (const { single, other } of pairs) {
    error.score = Math.max(error.score, Math.abs(single.score - other.score));
    error.logit = Math.max(error.logit, Math.abs((single.logit ?? 0) - (other.logit ?? 0)));
    for (let i = 0; i < single.map.length; i++) error.map = Math.max(error.map, Math.abs((single.map[i] ?? 0) - (other.map[i] ?? 0)));
    error.rankCorrelation = Math.min(error.rankCorrelation, rankCorrelation(single.map, other.map));
  }
  return error;
}

/** As settings of the manifest: fp16ScoreError and so on. */
export function errorSettings(precision: Precision, error: PrecisionError): Manifest['settings'] {
  return {
    [`${precision}ScoreError`]: error.score,
    [`${precision}LogitError`]: error.logit,
    [`${precision}MapError`]: error.map,
    [`${precision}MapRankCorrelation`]: error.rankCorrelation,
    [`${precision}Pictures`]: error.pictures,
  };
}

/** A warning, or null. Throws USAGE where a bundle of this precision would be of no use. */
export function judgeError(precision: Precision, error: PrecisionError): string | null {
  const beyond = (bound: typeof doubtful): boolean => !(error.score <= bound.score && error.rankCorrelation >= bound.rankCorrelation);
  if (!beyond(doubtful)) return null;
  const off = `${precision} is ${error.score.toPrecision(2)} off in the score, rank correlation of the maps ${error.rankCorrelation.toFixed(5)}, on ${error.pictures} pictures`;
  if (beyond(useless))
    throw new VerdictdError(
      'USAGE',
      `${off}; expected at most ${useless.score} and at least ${useless.rankCorrelation}. These weights do not bear it: build with --precision fp32.`,
    );
  return `${off}: compare it with an fp32 bundle on your own parts, or use fp32`;
}

/** Spearman's; equal values in the order of their places. */
export function rankCorrelation(a: Float32Array, b: Float32Array): number {
  const [x, y] = [ranks(a), ranks(b)];
  const mean = (a.length - 1) / 2;
  let [both, square] = [0, 0];
  for (let i = 0; i < a.length; i++) {
    both += ((x[i] ?? 0) - mean) * ((y[i] ?? 0) - mean);
    square += ((x[i] ?? 0) - mean) ** 2;
  }
  return square === 0 ? 1 : both / square;
}

function ranks(values: Float32Array): Float64Array {
  const order = Uint32Array.from(values, (_, i) => i).sort((i, j) => (values[i] ?? 0) - (values[j] ?? 0) || i - j);
  const out = new Float64Array(values.length);
  for (let rank = 0; rank < order.length; rank++) out[order[rank] ?? 0] = rank;
  return out;
}

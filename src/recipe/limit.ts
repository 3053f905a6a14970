/** The reject limit, set by a promise: "at most this share of good parts is rejected", with 95 % confidence. Pure. */
import { VerdictdError } from '../errors';
import { median } from './calibrate';

export interface Limit {
  value: number; // calibrated score; at or below is OK
  provisional: boolean;
  goodParts: number; // held-out good parts that were scored
  goodPartsNeeded: number;
  rule: string; // one sentence for people
}

const confidence = 0.95;

/** Fewest held-out good parts, none above the limit, that show a share of at most `falseReject` with 95 %: (1-f)^M <= 0.05. */
export function goodPartsNeeded(falseReject: number): number {
  return Math.ceil(Math.log(1 - confidence) / Math.log1p(-falseReject));
}

/** P(X <= r) of a binomial with n trials of probability p, 0 < p < 1. */
export function binomialCdf(r: number, n: number, p: number): number {
  let logTerm = n * Math.log1p(-p);
  let sum = 0;
  for (let k = 0; k <= r; k++) {
    sum += Math.exp(logTerm);
    logTerm += Math.log((n - k) / (k + 1)) + Math.log(p) - Math.log1p(-p);
  }
  return Math.min(1, sum);
}

/**
 * Most held-out scores that may lie above the limit: the largest r with P(Bin(M, f) <= r) <= 0.05, that is, the exact one-sided
 * tolerance bound by order statistics (Wilks 1941; the same bound as Clopper-Pearson). -1 where M is too small.
 */
export function allowedAbove(goodParts: number, falseReject: number): number {
  let r = -1;
  while (r + 1 < goodParts && binomialCdf(r + 1, goodParts, falseReject) <= 1 - confidence) r++;
  return r;
}

/**
 * `heldOut`: calibrated scores of good parts that are not in the bank. `leaveOneOut`: of the shots themselves, used only where the
 * held-out parts are too few. Throws TEACH_REFUSED where a score is not finite or there is none.
 */
export function limitByPromise(heldOut: readonly number[], leaveOneOut: readonly number[], falseReject: number): Limit {
  if (!(falseReject > 0 && falseReject <= 0.5))
    throw new VerdictdError('USAGE', `a false-reject promise of ${falseReject}; expected more than 0 and at most 0.5`);
  if (![...heldOut, ...leaveOneOut].every((score) => Number.isFinite(score) && score >= 0))
    throw new VerdictdError('TEACH_REFUSED', 'a good part got a score that is not a number; no limit can be set. Run `verdictd doctor`');
  const needed = goodPartsNeeded(falseReject);
  const facts = { goodParts: heldOut.length, goodPartsNeeded: needed };
  const allowed = allowedAbove(heldOut.length, falseReject);
  const sorted = [...heldOut].sort((a, b) => b - a);
  const bound = sorted[allowed];
  if (allowed >= 0 && bound !== undefined && bound > 0) {
    const rule = `${allowed} of ${heldOut.length} held-out good parts lie above it: at most ${percent(falseReject)} of good parts are rejected, with 95 % confidence (exact binomial bound)`;
    return { value: bound, provisional: false, ...facts, rule };
  }
  return { ...provisional(heldOut, leaveOneOut, falseReject), ...facts };
}

/** Spread of the logarithm of good scores before any was seen, and how many parts that belief is worth. */
const prior = { deviation: 0.1, worth: 4 };
/** From this many held-out parts on, the shots' own scores (a little too high: one shot fewer) are left out. */
const enoughHeldOut = 20;
/** From this many scores on, one bad part among the good ones must not move the limit: median and median deviation. */
const enoughForMedian = 5;

/** The point that a share of `falseReject` is expected to exceed if logarithms of good scores are normal. No promise. */
function provisional(
  heldOut: readonly number[],
  shots: readonly number[],
  falseReject: number,
): { value: number; provisional: true; rule: string } {
  const used = heldOut.length >= enoughHeldOut ? heldOut : [...heldOut, ...shots];
  if (used.length === 0) {
    throw new VerdictdError('TEACH_REFUSED', 'there is no score of a good part to set a limit from. Show at least one good part');
  }
  const logs = used.map((score) => Math.log(Math.max(score, 1e-3)));
  const seen = spread(logs);
  const freedom = prior.worth + seen.freedom;
  const deviation = Math.sqrt((prior.worth * prior.deviation ** 2 + seen.freedom * seen.deviation ** 2) / freedom);
  const value = Math.exp(seen.centre + studentQuantile(1 - falseReject, freedom) * deviation * Math.sqrt(1 + 1 / logs.length));
  const from =
    used === heldOut ? `${heldOut.length} held-out good parts` : `${heldOut.length} held-out good parts and the ${shots.length} shots`;
  const rule = `provisional, from ${from}: ${percent(falseReject)} of good parts are expected above it if the logarithm of their scores is normal; no promise`;
  return { value, provisional: true, rule };
}

function spread(logs: readonly number[]): { centre: number; deviation: number; freedom: number } {
  if (logs.length >= enoughForMedian) {
    const centre = median(logs);
    // 1.4826: of a normal distribution; half the freedom: the median deviation knows less than half of what the variance does.
    return { centre, deviation: 1.4826 * median(logs.map((x) => Math.abs(x - centre))), freedom: (logs.length - 1) / 2 };
  }
  const centre = logs.reduce((sum, x) => sum + x, 0) / logs.length;
  const freedom = logs.length - 1;
  const squares = logs.reduce((sum, x) => sum + (x - centre) ** 2, 0);
  return { centre, deviation: freedom === 0 ? 0 : Math.sqrt(squares / freedom), freedom };
}

function percent(share: number): string {
  return `${Number((share * 100).toPrecision(3))} %`;
}

/** Quantile of the standard normal, |error| < 4.5e-4 (Abramowitz & Stegun 26.2.23). */
function normalQuantile(p: number): number {
  const tail = Math.min(p, 1 - p);
  const t = Math.sqrt(-2 * Math.log(tail));
  const z = t - (2.515517 + 0.802853 * t + 0.010328 * t * t) / (1 + 1.432788 * t + 0.189269 * t * t + 0.001308 * t ** 3);
  return p < 0.5 ? -z : z;
}

/** Quantile of Student's t by Hill's expansion (CACM 13 (1970) 619, algorithm 396), good to a percent from three degrees on. */
export function studentQuantile(p: number, freedom: number): number {
  const z = normalQuantile(p);
  const g1 = (z ** 3 + z) / 4;
  const g2 = (5 * z ** 5 + 16 * z ** 3 + 3 * z) / 96;
  const g3 = (3 * z ** 7 + 19 * z ** 5 + 17 * z ** 3 - 15 * z) / 384;
  const g4 = (79 * z ** 9 + 776 * z ** 7 + 1482 * z ** 5 - 1920 * z ** 3 - 945 * z) / 92160;
  return z + g1 / freedom + g2 / freedom ** 2 + g3 / freedom ** 3 + g4 / freedom ** 4;
}

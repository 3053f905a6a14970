/**
 * The EWMA control chart: an exponentially weighted mean that finds small shifts that last, where single values say nothing. Pure.
 *
 * Sources: S. W. Roberts, "Control chart tests based on geometric moving averages", Technometrics 1 (1959); J. M. Lucas and
 * M. S. Saccucci, "Exponentially weighted moving average control schemes", Technometrics 32 (1990), whose average run lengths
 * test/watch/run_length.ts reproduces; NIST/SEMATECH e-Handbook of Statistical Methods, 6.3.2.4.
 */

/** Weight of the newest value. Small, since what drifts on a line drifts for long, and since it makes the chart robust against values that are not normal. */
export const lambda = 0.05;
/**
 * Control limit in standard deviations of the mean itself. The textbook's 2.6 to 3 gives a false alarm in 370 to 500 values: on a line of
 * one part a second that is one in ten minutes. 5 gives one in
 * millions; what a baseline that had to be learned costs of it is in docs/watch.md.
 */
export const width = 5;
/** Single values count no further out than this: one reflex is no drift. Standard deviations. */
export const clip = 4;
/** The limit, in standard deviations of single values: 0.80. By the variance the mean comes to after many values. */
export const limit: number = width * Math.sqrt(lambda / (2 - lambda));

/** What is usual. */
export interface Centre {
  mean: number;
  sd: number; // > 0
}

/** The chart after one more value: the mean deviation in standard deviations of single values; 0 at the beginning. */
export function advance(deviation: number, value: number, { mean, sd }: Centre): number {
  const one = Math.max(-clip, Math.min(clip, (value - mean) / sd));
  return Number.isFinite(one) ? deviation + lambda * (one - deviation) : deviation;
}

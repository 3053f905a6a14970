/**
 * The q-quantile (0..1) of `values` by linear interpolation between order statistics (Hyndman and Fan's type 7, the default of R
 * and NumPy). NaN for no values. Does not change `values`.
 */
export function quantile(values: ArrayLike<number>, q: number): number {
  const sorted = Float64Array.from(values).sort();
  const at = (sorted.length - 1) * q;
  const low = sorted[Math.floor(at)];
  const high = sorted[Math.ceil(at)];
  if (low === undefined || high === undefined) return Number.NaN;
  return low + (high - low) * (at - Math.floor(at));
}

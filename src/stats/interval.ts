/** What a count of parts proves about the share behind it. Pure. */

export interface Interval {
  low: number; // 0..1
  high: number; // 0..1
}

/** ln Gamma(x), x > 0, Lanczos' approximation (g = 7, nine terms), relative error below 1e-13. */
function logGamma(x: number): number {
  const terms = [
    0.99999999999980993, 676.5203681218851, -1259.1392167224028, 771.32342877765313, -176.61502916214059, 12.507343278686905,
    -0.13857109526572012, 9.9843695780195716e-6, 1.5056327351493116e-7,
  ];
  const z = x - 1;
  const sum = terms.reduce((total, term, i) => (i === 0 ? term : total + term / (z + i)), 0);
  const t = z + 7.5;
  return 0.5 * Math.log(2 * Math.PI) + (z + 0.5) * Math.log(t) - t + Math.log(sum);
}

/** Regularised incomplete beta I_x(a, b) by its continued fraction (Lentz's method; DLMF 8.17.22), a, b > 0, 0 <= x <= 1. */
export function incompleteBeta(x: number, a: number, b: number): number {
  if (x <= 0) return 0;
  if (x >= 1) return 1;
  if (x > (a + 1) / (a + b + 2)) return 1 - incompleteBeta(1 - x, b, a);
  const front = Math.exp(logGamma(a + b) - logGamma(a) - logGamma(b) + a * Math.log(x) + b * Math.log1p(-x)) / a;
  const tiny = 1e-300;
  const away = (value: number) => (Math.abs(value) < tiny ? tiny : value);
  let c = 1;
  let d = 1 / away(1 - ((a + b) * x) / (a + 1));
  let fraction = d;
  for (let m = 1; m < 100_000; m++) {
    const even = (m * (b - m) * x) / ((a + 2 * m - 1) * (a + 2 * m));
    d = 1 / away(1 + even * d);
    c = away(1 + even / c);
    fraction *= d * c;
    const odd = (-(a + m) * (a + b + m) * x) / ((a + 2 * m) * (a + 2 * m + 1));
    d = 1 / away(1 + odd * d);
    c = away(1 + odd / c);
    fraction *= d * c;
    if (Math.abs(d * c - 1) < 1e-15) break;
  }
  return front * fraction;
}

/** x with I_x(a, b) = p, by halving: 60 steps are the last bit. */
function betaQuantile(p: number, a: number, b: number): number {
  let low = 0;
  let high = 1;
  for (let i = 0; i < 60; i++) {
    const middle = (low + high) / 2;
    if (incompleteBeta(middle, a, b) < p) low = middle;
    else high = middle;
  }
  return (low + high) / 2;
}

/**
 * Exact two-sided interval of a share of which `count` of `total` parts were seen (Clopper & Pearson 1934). Null without parts: nothing
 * is known. `confidence` between 0 and 1. Throws RangeError for counts that cannot be.
 */
export function clopperPearson(count: number, total: number, confidence = 0.95): Interval | null {
  if (!(Number.isInteger(count) && Number.isInteger(total) && count >= 0 && count <= total))
    throw new RangeError(`${count} of ${total} is no count of parts`);
  if (total === 0) return null;
  const tail = (1 - confidence) / 2;
  return {
    low: count === 0 ? 0 : betaQuantile(tail, count, total - count + 1),
    high: count === total ? 1 : betaQuantile(1 - tail, count + 1, total - count),
  };
}

/**
 * Upper bound of a share that was never seen in `total` parts, at 95 %: 1 - 0.05^(1/n), about 3/n (the rule of three). Null without parts.
 */
export function neverSeenBound(total: number): number | null {
  return total > 0 ? 1 - 0.05 ** (1 / total) : null;
}

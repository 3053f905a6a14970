/** Temperature scaling of class probabilities (Guo et al. 2017, arXiv 1706.04599): one number, from labelled parts. Pure. */

export interface Temperature {
  /** The difference of the two class logits is divided by it: above 1 the model was too sure of itself. 0.05..20 */
  value: number;
  good: number; // labelled parts behind it
  bad: number;
  /** Mean log loss (nats) of the labels before and after. */
  lossBefore: number;
  lossAfter: number;
}

export interface Labelled {
  anomaly: number; // probability the model gave, 0..1
  bad: boolean;
}

const range = { least: 0.05, most: 20 } as const;
/** Fewest parts of each class: one number from fewer follows single parts. */
export const leastOfEach = 5;
/** A float32 probability saturates: what lies closer to 0 or 1 says no more than this. */
const closest = 1e-7;
const golden = (Math.sqrt(5) - 1) / 2;

/** Natural logarithm of p / (1 - p), of a probability that may have saturated. */
function logit(p: number): number {
  const kept = Math.min(1 - closest, Math.max(closest, p));
  return Math.log(kept / (1 - kept));
}

/** Probabilities at temperature `value`; at 1 they come back as they are. */
export function atTemperature(p: { normal: number; anomaly: number }, value: number): { normal: number; anomaly: number } {
  if (value === 1) return p;
  const anomaly = 1 / (1 + Math.exp(-logit(p.anomaly) / value));
  return { normal: 1 - anomaly, anomaly };
}

/** Mean of -ln of the probability given to what was true, at temperature T. */
function loss(parts: readonly Labelled[], value: number): number {
  const sum = parts.reduce((total, { anomaly, bad }) => {
    const z = (bad ? -1 : 1) * (logit(anomaly) / value);
    return total + Math.max(z, 0) + Math.log1p(Math.exp(-Math.abs(z))); // softplus without overflow
  }, 0);
  return sum / parts.length;
}

/**
 * The temperature of the least log loss, by golden section over its logarithm (the loss is convex in 1/T, so it has one valley). A sentence
 * where the labels cannot give one: too few of a class, or a probability that is no number.
 */
export function fitTemperature(parts: readonly Labelled[]): Temperature | string {
  const bad = parts.filter((part) => part.bad).length;
  const good = parts.length - bad;
  if (good < leastOfEach || bad < leastOfEach)
    return `no temperature for the class probabilities: ${good} good and ${bad} bad parts are labelled, expected at least ${leastOfEach} of each`;
  if (!parts.every(({ anomaly }) => anomaly >= 0 && anomaly <= 1))
    return 'no temperature for the class probabilities: one of them is not a number from 0 to 1';
  const at = (x: number): number => loss(parts, Math.exp(x));
  let low = Math.log(range.least);
  let high = Math.log(range.most);
  let left = high - golden * (high - low);
  let right = low + golden * (high - low);
  let [atLeft, atRight] = [at(left), at(right)];
  while (high - low > 1e-6) {
    if (atLeft <= atRight) {
      [high, right, atRight] = [right, left, atLeft];
      left = high - golden * (high - low);
      atLeft = at(left);
    } else {
      [low, left, atLeft] = [left, right, atRight];
      right = low + golden * (high - low);
      atRight = at(right);
    }
  }
  const value = Math.exp((low + high) / 2);
  return { value, good, bad, lossBefore: loss(parts, 1), lossAfter: loss(parts, value) };
}

/** True where the fit ran into its bounds: labels and probabilities agree perfectly, or say the opposite of each other. */
export function atBound({ value }: Temperature): boolean {
  return value < range.least * 1.01 || value > range.most / 1.01;
}

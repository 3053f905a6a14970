/**
 * Average run length of a two-sided EWMA chart with fixed limits: the chart as a Markov chain of `states` bands (Brook and Evans,
 * Biometrika 59, 1972; for this chart Lucas and Saccucci, Technometrics 32, 1990). Values normal, standard deviation 1.
 */
export function averageRunLength(lambda: number, width: number, shift: number, states = 201): number {
  const limit = width * Math.sqrt(lambda / (2 - lambda));
  const half = limit / states; // of a band
  const middle = (i: number) => -limit + (2 * i + 1) * half;
  const rows = Array.from({ length: states }, (_, i) => {
    const carried = (1 - lambda) * middle(i);
    const reach = (edge: number) => normal((edge - carried) / lambda - shift);
    return Array.from({ length: states }, (_, j) => reach(middle(j) + half) - reach(middle(j) - half));
  });
  // (I - P) run = 1, by elimination
  const system = rows.map((row, i) => [...row.map((p, j) => (i === j ? 1 : 0) - p), 1]);
  for (let i = 0; i < states; i++) {
    const pivot = system[i] as number[];
    for (let k = i + 1; k < states; k++) {
      const row = system[k] as number[];
      const factor = (row[i] as number) / (pivot[i] as number);
      if (factor !== 0) for (let j = i; j <= states; j++) row[j] = (row[j] as number) - factor * (pivot[j] as number);
    }
  }
  const run = new Array<number>(states).fill(0);
  for (let i = states - 1; i >= 0; i--) {
    const row = system[i] as number[];
    let sum = row[states] as number;
    for (let j = i + 1; j < states; j++) sum -= (row[j] as number) * (run[j] as number);
    run[i] = sum / (row[i] as number);
  }
  return run[(states - 1) / 2] as number;
}

/** Distribution function of the normal distribution, to 1e-15 relative: series inside, continued fraction outside (Abramowitz and Stegun 26.2.10, 26.2.14). */
function normal(x: number): number {
  if (x > 0) return 1 - normal(-x);
  if (x < -38) return 0;
  const density = Math.exp(-(x * x) / 2) / Math.sqrt(2 * Math.PI);
  if (x > -3) {
    let term = x;
    let sum = x;
    for (let k = 1; k < 200; k++) {
      term *= (x * x) / (2 * k + 1);
      sum += term;
    }
    return 0.5 + density * sum;
  }
  let fraction = 0;
  for (let k = 120; k > 0; k--) fraction = k / (-x + fraction);
  return density / (-x + fraction);
}

/** Normal draws from a seed: mulberry32 and the polar method. */
export function draws(seed: number): () => number {
  let state = seed >>> 0;
  const uniform = () => {
    state = (state + 0x6d2b79f5) >>> 0;
    let t = Math.imul(state ^ (state >>> 15), 1 | state);
    t = (t + Math.imul(t ^ (t >>> 7), 61 | t)) ^ t;
    return ((t ^ (t >>> 14)) >>> 0) / 4294967296;
  };
  return () => {
    for (;;) {
      const u = 2 * uniform() - 1;
      const v = 2 * uniform() - 1;
      const s = u * u + v * v;
      if (s > 0 && s < 1) return u * Math.sqrt((-2 * Math.log(s)) / s);
    }
  };
}

/**
 * Whitening of patch tokens: after it, plain Euclidean distance is the Mahalanobis distance under the shots' own statistics,
 * so a direction in which good parts vary much counts little. Correlation matrix with shrinkage towards the identity
 * (Ledoit & Wolf's form with a fixed weight), then y = (x - mean) T with T = D^-1/2 L^-T, L L' = shrunk correlation.
 */
export interface Whitening {
  mean: Float32Array; // [dim]
  transform: Float32Array; // [dim, dim], row major; diagonal where there are too few tokens
  full: boolean;
}

/** Weight of the identity in the shrunk correlation. Less lets directions in which the shots hardly differ, mostly noise, speak too loudly. */
const shrinkage = 0.1;
/** Least variance of a feature, as a share of the mean variance: a feature that never moved must not shout. */
const varianceFloor = 1e-3;
/** Beyond this dimension a covariance from a few shots is noise, and costly. */
const largestFull = 256;

/** From tokens, each array row major [n, dim]. Deterministic: plain loops in a fixed order, double precision. */
export function whitening(tokens: readonly Float32Array[], dim: number): Whitening {
  const count = tokens.reduce((sum, array) => sum + array.length / dim, 0);
  const mean = new Float64Array(dim);
  for (const array of tokens) for (let i = 0; i < array.length; i++) mean[i % dim] = (mean[i % dim] ?? 0) + (array[i] ?? 0) / count;
  const full = dim <= largestFull && count >= 4 * dim;
  const variance = variances(tokens, mean, count);
  const average = variance.reduce((sum, v) => sum + v, 0) / dim;
  const scale = variance.map((v) => 1 / Math.sqrt(Math.max(v, average * varianceFloor, 1e-12)));
  const transform = full ? fullTransform(correlation(tokens, mean, scale, count), scale, dim) : diagonal(scale, dim);
  return { mean: Float32Array.from(mean), transform, full };
}

/** (x - mean) T for rows of x. */
export function whiten(x: Float32Array, { mean, transform }: Whitening): Float32Array {
  const dim = mean.length;
  const y = new Float32Array(x.length);
  const row = new Float64Array(dim);
  for (let at = 0; at < x.length; at += dim) {
    row.fill(0);
    for (let i = 0; i < dim; i++) {
      const centred = (x[at + i] ?? 0) - (mean[i] ?? 0);
      const base = i * dim;
      for (let j = i; j < dim; j++) row[j] = (row[j] ?? 0) + centred * (transform[base + j] ?? 0); // upper triangular
    }
    y.set(row, at);
  }
  return y;
}

function variances(tokens: readonly Float32Array[], mean: Float64Array, count: number): Float64Array {
  const dim = mean.length;
  const variance = new Float64Array(dim);
  for (const array of tokens)
    for (let i = 0; i < array.length; i++) {
      const j = i % dim;
      variance[j] = (variance[j] ?? 0) + ((array[i] ?? 0) - (mean[j] ?? 0)) ** 2 / count;
    }
  return variance;
}

function correlation(tokens: readonly Float32Array[], mean: Float64Array, scale: Float64Array, count: number): Float64Array {
  const dim = mean.length;
  const sum = new Float64Array(dim * dim);
  const row = new Float64Array(dim);
  for (const array of tokens)
    for (let at = 0; at < array.length; at += dim) {
      for (let i = 0; i < dim; i++) row[i] = ((array[at + i] ?? 0) - (mean[i] ?? 0)) * (scale[i] ?? 0);
      for (let i = 0; i < dim; i++) {
        const value = row[i] ?? 0;
        for (let j = 0; j <= i; j++) sum[i * dim + j] = (sum[i * dim + j] ?? 0) + value * (row[j] ?? 0);
      }
    }
  for (let i = 0; i < dim; i++)
    for (let j = 0; j <= i; j++) sum[i * dim + j] = ((1 - shrinkage) * (sum[i * dim + j] ?? 0)) / count + (i === j ? shrinkage : 0);
  return sum;
}

/** Lower Cholesky factor in place, then D^-1/2 L^-T (upper triangular). */
function fullTransform(matrix: Float64Array, scale: Float64Array, dim: number): Float32Array {
  for (let i = 0; i < dim; i++)
    for (let j = 0; j <= i; j++) {
      let sum = matrix[i * dim + j] ?? 0;
      for (let k = 0; k < j; k++) sum -= (matrix[i * dim + k] ?? 0) * (matrix[j * dim + k] ?? 0);
      matrix[i * dim + j] = i === j ? Math.sqrt(Math.max(sum, shrinkage * 1e-3)) : sum / (matrix[j * dim + j] ?? 1);
    }
  const transform = new Float32Array(dim * dim);
  const column = new Float64Array(dim);
  for (let c = 0; c < dim; c++) {
    column.fill(0); // solves L column = e_c: column c of L^-1 = row c of L^-T
    for (let i = c; i < dim; i++) {
      let sum = i === c ? 1 : 0;
      for (let k = c; k < i; k++) sum -= (matrix[i * dim + k] ?? 0) * (column[k] ?? 0);
      column[i] = sum / (matrix[i * dim + i] ?? 1);
    }
    for (let i = c; i < dim; i++) transform[c * dim + i] = (scale[c] ?? 0) * (column[i] ?? 0);
  }
  return transform;
}

function diagonal(scale: Float64Array, dim: number): Float32Array {
  const transform = new Float32Array(dim * dim);
  for (let i = 0; i < dim; i++) transform[i * dim + i] = scale[i] ?? 0;
  return transform;
}

/**
 * Building blocks of anomaly models on top of the operators: everything from patch tokens to a score and a map.
 */
import { GraphError, type Value } from './graph';
import { add, clip, concat, div, matMul, mul, reduceMax, reduceMean, reduceSum, reshape, sqrt, sub, topK, transpose } from './ops';

/** x [.., n] W [n, m] + b [m]. */
export function linear(x: Value, weight: Value, bias: Value | null): Value {
  const y = matMul(x, weight);
  return bias === null ? y : add(y, bias);
}

/** Rows of the last axis scaled to length 1. */
export function normalise(x: Value): Value {
  return div(x, sqrt(clip(reduceSum(mul(x, x), [-1], true), 1e-12)));
}

/** [1,C,H,W] -> tokens [1,H*W,C]. */
export function toTokens(x: Value): Value {
  const [n = 1, c = 1, h = 1, w = 1] = x.shape;
  return transpose(reshape(x, [n, c, h * w]), [0, 2, 1]);
}

export interface Upsampling {
  alignCorners: boolean;
  sigma: number; // px of the output; 0: no smoothing
}

/**
 * The matrix A [to, from] of linear interpolation followed by a Gaussian (radius 4 sigma, border pixels repeated by
 * mirroring with the edge, as scipy's mode "reflect"). Both are linear, so upsampling of a map m is A m A'.
 * `quantum` > 0 rounds every entry to its multiples, so that the same matrix comes out on every machine.
 */
export function upsamplingMatrix(from: number, to: number, options: Upsampling, quantum = 0): Float32Array {
  const linearPart = new Float64Array(to * from);
  for (let i = 0; i < to; i++) {
    const exact = options.alignCorners ? (to === 1 ? 0 : (i * (from - 1)) / (to - 1)) : Math.max(0, ((i + 0.5) * from) / to - 0.5);
    const low = Math.min(Math.floor(exact), from - 1);
    const high = Math.min(low + 1, from - 1);
    linearPart[i * from + low] = (linearPart[i * from + low] ?? 0) + 1 - (exact - low);
    linearPart[i * from + high] = (linearPart[i * from + high] ?? 0) + (exact - low);
  }
  const radius = Math.floor(4 * options.sigma + 0.5);
  const kernel = Array.from({ length: 2 * radius + 1 }, (_, i) =>
    options.sigma === 0 ? 1 : Math.exp(-((i - radius) ** 2) / (2 * options.sigma ** 2)),
  );
  const total = kernel.reduce((sum, w) => sum + w, 0);
  const matrix = new Float32Array(to * from);
  for (let i = 0; i < to; i++)
    for (let j = 0; j < from; j++) {
      let sum = 0;
      for (let t = -radius; t <= radius; t++) sum += ((kernel[t + radius] ?? 0) / total) * (linearPart[mirror(i + t, to) * from + j] ?? 0);
      matrix[i * from + j] = quantum > 0 ? Math.round(sum / quantum) * quantum : sum;
    }
  return matrix;
}

function mirror(i: number, n: number): number {
  const period = 2 * n;
  const at = ((i % period) + period) % period;
  return at < n ? at : period - 1 - at;
}

/** map [1,h,w] -> [1,height,width] by two small matrix products (no Resize, no Pad: the same on every provider). */
export function upsample(map: Value, height: number, width: number, options: Upsampling, quantum = 0): Value {
  const [, h, w] = map.shape;
  if (map.shape.length !== 3 || h === undefined || w === undefined) throw new GraphError(`upsample: [${map.shape.join()}] is not [1,h,w]`);
  const { graph } = map;
  const left = graph.weight(`${map.name}_rows`, [height, h], upsamplingMatrix(h, height, options, quantum));
  const right = transposed(upsamplingMatrix(w, width, options, quantum), width, w);
  return matMul(matMul(left, map), graph.weight(`${map.name}_columns`, [w, width], right));
}

/** [rows, columns] -> [columns, rows], row major. */
export function transposed(matrix: Float32Array, rows: number, columns: number): Float32Array {
  const out = new Float32Array(matrix.length);
  for (let i = 0; i < rows; i++) for (let j = 0; j < columns; j++) out[j * rows + i] = matrix[i * columns + j] ?? 0;
  return out;
}

/** Mean of the `share` (0..1) largest of x [1,n], at least one -> [1]. */
export function topMean(x: Value, share: number): Value {
  const k = Math.min(x.shape.at(-1) ?? 1, Math.max(1, Math.round((x.shape.at(-1) ?? 0) * share)));
  return reduceMean(topK(x, k), [-1]);
}

/** One group of bank rows that a query is compared with: whitened (or unit) rows, row major [count, dim]. */
export interface BankChunk {
  rows: Float32Array;
  count: number;
}

/** Most bank rows compared at once: queries x rows is the largest thing in memory. */
const mostRows = 4096;

/**
 * Squared Euclidean distance of each query row to its nearest row of every chunk: queries [n,d] -> one [n] a chunk.
 * |q-b|^2 = |q|^2 - 2 (q.b - |b|^2/2): one matrix product and one maximum for every `mostRows` rows.
 */
export function nearestSquared(queries: Value, chunks: readonly BankChunk[], name: string): Value[] {
  const [n, d] = queries.shape;
  if (n === undefined || d === undefined || queries.shape.length !== 2) throw new GraphError(`nearest: queries [${queries.shape.join()}]`);
  const { graph } = queries;
  const length = reduceSum(mul(queries, queries), [-1]);
  const extended = concat([queries, graph.weight(`${name}_one`, [n, 1], new Float32Array(n).fill(1))], 1);
  return chunks.map(({ rows, count }, index) => {
    if (rows.length !== count * d || count === 0)
      throw new GraphError(`nearest: chunk ${index} has ${rows.length} numbers for ${count} x ${d}`);
    const closest: Value[] = [];
    for (let from = 0; from < count; from += mostRows) {
      const columns = extendedColumns(rows, d, from, Math.min(count, from + mostRows));
      const bank = graph.weight(`${name}_${index}_${from}`, [d + 1, columns.length / (d + 1)], columns);
      closest.push(reduceMax(matMul(extended, bank), [-1]));
    }
    return clip(sub(length, mul(greatest(closest), 2)), 0);
  });
}

/** Rows and columns copied at a time. */
const block = 32;

/** Rows from..to as columns, each with -|b|^2/2 below it: [d+1, to-from]. */
function extendedColumns(rows: Float32Array, d: number, from: number, to: number): Float32Array {
  const count = to - from;
  const columns = new Float32Array((d + 1) * count);
  const norms = new Float64Array(count);
  // in blocks that stay in the cache: one side or the other is read across
  for (let b0 = 0; b0 < count; b0 += block)
    for (let i0 = 0; i0 < d; i0 += block)
      for (let b = b0; b < Math.min(count, b0 + block); b++) {
        let norm = norms[b] ?? 0;
        for (let i = i0, at = (from + b) * d + i0; i < Math.min(d, i0 + block); i++, at++) {
          const value = rows[at] ?? 0;
          columns[i * count + b] = value;
          norm += value * value;
        }
        norms[b] = norm;
      }
  for (let b = 0; b < count; b++) columns[d * count + b] = -(norms[b] ?? 0) / 2;
  return columns;
}

/** Element-wise least, or greatest, of several values of one shape. */
export const least = (values: readonly Value[]): Value => extreme('Min', values);
export const greatest = (values: readonly Value[]): Value => extreme('Max', values);

function extreme(op: 'Min' | 'Max', values: readonly Value[]): Value {
  const [first, ...rest] = values;
  if (first === undefined) throw new GraphError(`${op} of nothing`);
  return rest.length === 0 ? first : first.graph.node(op, values, first.shape);
}

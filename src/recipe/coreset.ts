/**
 * Greedy coreset of a memory bank: k-centre by farthest point (Gonzalez 1985; for patch banks PatchCore, arXiv 2106.08265), distances
 * taken after a random projection (Johnson & Lindenstrauss). Deterministic bit for bit: the projection comes from a fixed seed, sums run in
 * a fixed order, ties go to the earlier row.
 */
import type { BankChunk } from '../onnx/blocks';

const projected = 24; // dimensions
const seed = 0x5eed;
/** Rows compared with each other: greater banks are thinned in groups of every n-th row, so that the time grows with the bank and not with its square. */
const groupSize = 2048;

/**
 * Multiplications of a bank per picture beyond which it is thinned: 4 % of ViT-B/32 at 518 px (85 million weights x 257 tokens = 22 G), so
 * the bank adds no more than that however many shots it was taught from.
 */
const mostWork = 0.04 * 22e9;

/** Rows a tap's bank may keep: the work is shared evenly over the taps, patches x rows x dim each. At least one row a patch. */
export function rowsFor(taps: readonly { rows: number; columns: number; dim: number }[], tap: number): number {
  const one = taps[tap];
  if (one === undefined) throw new RangeError(`there is no tap ${tap}`);
  const patches = one.rows * one.columns;
  return Math.max(patches, Math.floor(mostWork / taps.length / (patches * one.dim)));
}

/** `chunk` itself where it has no more rows than `most`; else the rows that lie farthest apart, in their old order. */
export function coreset({ rows, count }: BankChunk, dim: number, most: number): BankChunk {
  if (count <= most) return { rows, count };
  const points = project(rows, count, dim);
  const groups = Math.ceil(count / groupSize);
  const kept: number[] = [];
  for (let group = 0; group < groups; group++) {
    const members = Math.ceil((count - group) / groups);
    const share = Math.floor(((group + 1) * most) / groups) - Math.floor((group * most) / groups);
    kept.push(...farthest(points, { first: group, stride: groups, count: members }, Math.min(members, share)));
  }
  kept.sort((a, b) => a - b);
  const out = new Float32Array(kept.length * dim);
  kept.forEach((row, i) => {
    out.set(rows.subarray(row * dim, (row + 1) * dim), i * dim);
  });
  return { rows: out, count: kept.length };
}

/** Rows times a matrix of +1 and -1 (Achlioptas 2003), scaled so that lengths are kept on average. */
function project(rows: Float32Array, count: number, dim: number): Float32Array {
  if (dim <= projected) return rows.length === count * projected ? rows : padded(rows, count, dim);
  const signs = new Float32Array(dim * projected);
  let state = seed;
  for (let i = 0; i < signs.length; i++) {
    state = (Math.imul(state, 1664525) + 1013904223) >>> 0;
    signs[i] = state >>> 31 === 0 ? 1 / Math.sqrt(projected) : -1 / Math.sqrt(projected);
  }
  const out = new Float32Array(count * projected);
  for (let row = 0; row < count; row++)
    for (let i = 0; i < dim; i++) {
      const value = rows[row * dim + i] ?? 0;
      for (let j = 0; j < projected; j++)
        out[row * projected + j] = (out[row * projected + j] ?? 0) + value * (signs[i * projected + j] ?? 0);
    }
  return out;
}

function padded(rows: Float32Array, count: number, dim: number): Float32Array {
  const out = new Float32Array(count * projected);
  for (let row = 0; row < count; row++) out.set(rows.subarray(row * dim, (row + 1) * dim), row * projected);
  return out;
}

/** `most` of the rows first, first + stride, ..., chosen one by one, each the farthest from those before; the first is the first. */
function farthest(
  points: Float32Array,
  { first, stride, count }: { first: number; stride: number; count: number },
  most: number,
): number[] {
  const near = new Float32Array(count * projected); // together: every round reads all of them
  for (let i = 0; i < count; i++) {
    const at = (first + i * stride) * projected;
    near.set(points.subarray(at, at + projected), i * projected);
  }
  const distance = new Float32Array(count).fill(Number.POSITIVE_INFINITY);
  const kept: number[] = [];
  let next = 0;
  while (kept.length < most) {
    kept.push(first + next * stride);
    distance[next] = -1; // chosen: never again, even where every row is the same
    const base = next * projected;
    let reach = -1;
    for (let i = 0; i < count; i++) {
      let least = distance[i] ?? 0;
      if (least < 0) continue;
      const sum = squared(near, i * projected, base, least);
      if (sum < least) {
        least = sum;
        distance[i] = sum;
      }
      if (least > reach) {
        reach = least;
        next = i;
      }
    }
  }
  return kept;
}

/** Squared distance of two projected rows; given up where it reaches `enough`. */
function squared(points: Float32Array, a: number, b: number, enough: number): number {
  let sum = 0;
  for (let j = 0; j < projected && sum < enough; j++) {
    const difference = (points[a + j] ?? 0) - (points[b + j] ?? 0);
    sum += difference * difference;
  }
  return sum;
}

import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { InferenceSession, Tensor } from 'onnxruntime-node';
import { greatest, least, linear, nearestSquared, normalise, topMean, toTokens, upsample, upsamplingMatrix } from '../../src/onnx/blocks';
import { checkModel } from '../../src/onnx/check';
import { Graph, GraphError, type Value } from '../../src/onnx/graph';
import * as ops from '../../src/onnx/ops';

const f = (...numbers: number[]): Float32Array => Float32Array.from(numbers);

/** Builds a graph of one input and one output, runs it for real, and gives the output. */
async function compute(
  shape: readonly number[],
  input: Float32Array,
  body: (x: Value) => Value,
): Promise<{ data: number[]; dims: readonly number[] }> {
  const graph = new Graph('test');
  const y = body(graph.input('x', 'float32', shape));
  graph.output('y', y);
  const bytes = graph.toBuffer();
  checkModel(bytes);
  const session = await InferenceSession.create(bytes, { executionProviders: ['cpu'], intraOpNumThreads: 1 });
  const found = (await session.run({ x: new Tensor('float32', input, shape) })).y;
  await session.release();
  expect(found?.dims).toEqual([...y.shape]); // the shape rule is onnxruntime's
  return { data: Array.from((found?.data ?? []) as Float32Array), dims: found?.dims ?? [] };
}

describe('mistakes fail while the graph is built', () => {
  const graph = new Graph('g');
  const x = graph.input('x', 'float32', [1, 3, 4, 4]);
  const row = graph.input('row', 'float32', [1, 3]);
  const other = new Graph('other').input('x', 'float32', [1, 3]);
  const weight = graph.weight('w', [2, 2, 3, 3], new Float32Array(36));
  test.each<[string, () => unknown]>([
    ['shapes that do not broadcast', () => ops.add(row, graph.weight('four', [4], new Float32Array(4)))],
    ['a matrix product that does not fit', () => ops.matMul(row, graph.weight('m', [4, 2], new Float32Array(8)))],
    ['a convolution with other channels', () => ops.conv(x, weight, null)],
    ['a window larger than the picture', () => ops.averagePool(x, { kernel: [5, 5] })],
    ['a pool of something that is no picture', () => ops.maxPool(row, { kernel: [1, 1] })],
    ['a slice beyond the end', () => ops.slice(x, 1, 2, 4)],
    ['a reshape to another count', () => ops.reshape(x, [1, 47])],
    ['a transpose that is no permutation', () => ops.transpose(row, [0, 0])],
    ['parts of different height', () => ops.concat([x, ops.padEdge(x, 1)], 1)],
    ['nothing to concatenate', () => ops.concat([], 0)],
    ['more than there are', () => ops.topK(row, 4)],
    ['an axis that is not there', () => ops.reduceMean(row, [2])],
    ['a normalisation of another length', () => ops.layerNorm(row, graph.weight('s', [2], f(1, 1)), graph.weight('b', [2], f(0, 0)))],
    ['a value of another graph', () => ops.add(row, other)],
    ['a name used twice', () => graph.weight('w', [1], f(1))],
    ['a weight of the wrong length', () => graph.weight('short', [2, 2], f(1, 2, 3))],
    ['a weight that is not a number', () => graph.weight('nan', [1], f(Number.NaN))],
    ['a weight that is infinite', () => graph.weight('inf', [1], f(Number.POSITIVE_INFINITY))],
    ['elements of another type', () => graph.constant('t', 'int64', [1], f(1))],
    [
      'whole numbers that are none',
      () => ops.dynamicMatMul(row, graph.weight('m8', [3, 2], new Float32Array(6)), graph.weight('s8', [2], f(1, 1))),
    ],
    [
      'whole numbers with steps for other columns',
      () => ops.dynamicMatMul(row, graph.constant('m9', 'int8', [3, 2], new Int8Array(6)), graph.weight('s9', [3], f(1, 1, 1))),
    ],
    ['a dimension of nothing', () => graph.input('empty', 'float32', [0])],
  ])('%s', (_, build) => {
    expect(build).toThrow(GraphError);
  });
});

test('arithmetic with scalars and broadcasting', async () => {
  const { data } = await compute([2, 2], f(1, 2, 3, 4), (x) =>
    ops.sub(ops.mul(ops.add(x, 1), ops.reduceMean(x, [1], true)), ops.div(x, 2)),
  );
  expect(data).toEqual([2.5, 3.5, 12.5, 15.5]);
});

test('functions of one value', async () => {
  const { data } = await compute([1, 4], f(-1, 0.25, 4, 9), (x) =>
    ops.concat([ops.sqrt(ops.clip(x, 0, 4)), ops.relu(x), ops.neg(x), ops.abs(x), ops.min(ops.max(x, 0), 1), ops.pow(x, 2)], 0),
  );
  expect(data).toEqual([0, 0.5, 2, 2, 0, 0.25, 4, 9, 1, -0.25, -4, -9, 1, 0.25, 4, 9, 0, 0.25, 1, 1, 1, 0.0625, 16, 81]);
  const smooth = await compute([1, 1], f(0.5), (x) => ops.concat([ops.exp(x), ops.log(x), ops.sigmoid(x), ops.erf(x)], 1));
  [Math.exp(0.5), Math.log(0.5), 1 / (1 + Math.exp(-0.5)), 0.5204998778].forEach((want, i) => {
    expect(smooth.data[i]).toBeCloseTo(want, 6);
  });
});

test('whole numbers: the input in 255 steps from its least to its largest value, the product exact, each column in its own step', async () => {
  const found = await compute([2, 3], f(0, 1, 2, -0.55, 2, 1), (x) =>
    ops.dynamicMatMul(x, x.graph.constant('w', 'int8', [3, 2], Int8Array.of(1, -127, 2, 127, 3, 0)), x.graph.weight('s', [2], f(0.5, 10))),
  );
  const step = 2.55 / 255; // zero lies on step 55, and all values of the input on whole steps
  const x = [0, 100, 200, -55, 200, 100].map((n) => n * step);
  const at = (row: number, w: readonly number[]) => w.reduce((sum, v, i) => sum + v * (x[3 * row + i] ?? Number.NaN), 0);
  const wanted = [0.5 * at(0, [1, 2, 3]), 10 * at(0, [-127, 127, 0]), 0.5 * at(1, [1, 2, 3]), 10 * at(1, [-127, 127, 0])];
  wanted.forEach((want, i) => {
    expect(Math.abs((found.data[i] ?? Number.NaN) / want - 1)).toBeLessThan(1e-6);
  });
});

test('convolution, padding and pools', async () => {
  const picture = Float32Array.from({ length: 16 }, (_, i) => i);
  const box = await compute([1, 1, 4, 4], picture, (x) =>
    ops.conv(ops.padEdge(x, 1), x.graph.weight('w', [1, 1, 3, 3], new Float32Array(9).fill(1 / 9)), x.graph.weight('b', [1], f(1)), {
      stride: 3,
    }),
  );
  expect(box.dims).toEqual([1, 1, 2, 2]);
  expect(box.data[0]).toBeCloseTo(1 + (0 + 0 + 1 + 0 + 0 + 1 + 4 + 4 + 5) / 9, 5);
  const grouped = await compute([1, 2, 1, 1], f(3, 5), (x) => ops.conv(x, x.graph.weight('w', [2, 1, 1, 1], f(2, 10)), null, { group: 2 }));
  expect(grouped.data).toEqual([6, 50]);
  // The border counts only what is inside.
  const mean = await compute([1, 1, 2, 2], f(1, 2, 3, 4), (x) => ops.averagePool(x, { kernel: [3, 3], pad: 1, stride: 2 }));
  expect(mean.data).toEqual([2.5]);
  const largest = await compute([1, 1, 4, 4], picture, (x) => ops.maxPool(x, { kernel: [2, 2], stride: 2 }));
  expect(largest.data).toEqual([5, 7, 13, 15]);
});

test('softmax, layer normalisation, reductions, ordering', async () => {
  const soft = await compute([1, 2], f(0, Math.log(3)), (x) => ops.softmax(x));
  expect(soft.data[1]).toBeCloseTo(0.75, 6);
  const norm = await compute([1, 2], f(1, 3), (x) =>
    ops.layerNorm(x, x.graph.weight('s', [2], f(2, 2)), x.graph.weight('b', [2], f(1, 1))),
  );
  expect(norm.data[0]).toBeCloseTo(-1, 3);
  const all = await compute([2, 3], f(3, 1, 2, 6, 5, 4), (x) =>
    ops.concat([ops.reduceMax(x, [-1]), ops.reduceMin(x, [1]), ops.reduceSum(x, [1]), ops.reshape(ops.topK(x, 2), [4])], 0),
  );
  expect(all.data).toEqual([3, 6, 1, 4, 6, 15, 3, 2, 6, 5]);
  const turned = await compute([1, 2, 1, 2], f(1, 2, 3, 4), (x) => ops.transpose(toTokens(x), [0, 2, 1]));
  expect(turned.data).toEqual([1, 2, 3, 4]);
  const cut = await compute([1, 4], f(1, 2, 3, 4), (x) => ops.slice(x, 1, 1, 3));
  expect(cut.data).toEqual([2, 3]);
});

test('matrix products with leading dimensions, and a linear layer', async () => {
  const { data, dims } = await compute([2, 1, 2], f(1, 2, 3, 4), (x) =>
    linear(x, x.graph.weight('w', [2, 3], f(1, 0, 1, 0, 1, 1)), x.graph.weight('b', [3], f(0, 0, 10))),
  );
  expect(dims).toEqual([2, 1, 3]);
  expect(data).toEqual([1, 2, 13, 3, 4, 17]);
  const unit = await compute([1, 2], f(3, 4), normalise);
  expect(unit.data[0]).toBeCloseTo(0.6, 6);
});

test('upsampling is linear interpolation followed by a Gaussian with mirrored borders', async () => {
  // Without smoothing: half-pixel centres, as align_corners=False; and corners on corners.
  expect(Array.from(upsamplingMatrix(2, 4, { alignCorners: false, sigma: 0 }))).toEqual([1, 0, 0.75, 0.25, 0.25, 0.75, 0, 1]);
  const corners = upsamplingMatrix(2, 3, { alignCorners: true, sigma: 0 });
  expect(Array.from(corners)).toEqual([1, 0, 0.5, 0.5, 0, 1]);
  // Every row sums to 1: a flat map stays flat, also at the border.
  const matrix = upsamplingMatrix(5, 33, { alignCorners: false, sigma: 4 });
  for (let i = 0; i < 33; i++) expect(matrix.subarray(i * 5, i * 5 + 5).reduce((sum, w) => sum + w, 0)).toBeCloseTo(1, 5);
  const { data, dims } = await compute([1, 2, 2], f(0, 1, 2, 3), (x) => upsample(x, 4, 3, { alignCorners: true, sigma: 0 }));
  expect(dims).toEqual([1, 4, 3]);
  expect(data.slice(0, 3)).toEqual([0, 0.5, 1]);
  expect(data[11]).toBeCloseTo(3, 5);
});

test('nearest-neighbour distance equals the plain loop, across chunks', async () => {
  const d = 3;
  const random = (n: number, seed: number): Float32Array => Float32Array.from({ length: n }, (_, i) => Math.sin((i + 1) * seed) * 3);
  const queries = random(5 * d, 12.9898);
  const chunks = [
    { rows: random(5000 * d, 78.233), count: 5000 }, // more than one matrix product
    { rows: random(2 * d, 37.719), count: 2 },
  ];
  const { data } = await compute([5, d], queries, (x) => {
    const each = nearestSquared(x, chunks, 'bank');
    return ops.concat([...each, least(each), greatest(each)], 0);
  });
  const plain = chunks.map(({ rows, count }) =>
    Array.from({ length: 5 }, (_, q) => {
      let best = Number.POSITIVE_INFINITY;
      for (let b = 0; b < count; b++) {
        let sum = 0;
        for (let i = 0; i < d; i++) sum += ((queries[q * d + i] ?? 0) - (rows[b * d + i] ?? 0)) ** 2;
        best = Math.min(best, sum);
      }
      return best;
    }),
  );
  const [a = [], b = []] = plain;
  const wanted = [...a, ...b, ...a.map((x, i) => Math.min(x, b[i] ?? 0)), ...a.map((x, i) => Math.max(x, b[i] ?? 0))];
  data.forEach((value, i) => {
    expect(value).toBeCloseTo(wanted[i] ?? Number.NaN, 4);
  });
});

test('mean of the largest share, at least one', async () => {
  expect((await compute([1, 4], f(4, 1, 3, 2), (x) => topMean(x, 0.5))).data).toEqual([3.5]);
  expect((await compute([1, 4], f(4, 1, 3, 2), (x) => topMean(x, 0.0001))).data).toEqual([4]);
});

test('a file holds the same bytes as the buffer, and is never overwritten', () => {
  const dir = mkdtempSync(join(tmpdir(), 'verdictd-onnx-'));
  try {
    const graph = new Graph('many');
    let x = graph.input('x', 'float32', [1]);
    for (let i = 0; i < 700; i++) x = ops.add(x, graph.weight(`w${i}`, [1], f(i))); // more chunks than one writev takes
    graph.output('y', x);
    const path = join(dir, 'model.onnx');
    graph.writeFile(path);
    expect(readFileSync(path).equals(graph.toBuffer())).toBe(true);
    expect(() => graph.writeFile(path)).toThrow(/EEXIST/);
  } finally {
    rmSync(dir, { recursive: true });
  }
});

import { InferenceSession, Tensor } from 'onnxruntime-node';
import { type BankSettings, bankGraph, distancesGraph, learnTap } from '../../src/recipe/bank';
import { leaveOneOut, median, selfSimilarity, topMeanOf } from '../../src/recipe/calibrate';
import { symmetries } from '../../src/recipe/recipe';
import { turns, variants } from '../../src/recipe/symmetry';
import { whiten, whitening } from '../../src/recipe/whiten';

const tap = { name: 'tokens', rows: 8, columns: 8, dim: 6 };
const patches = 64;
const settings: BankSettings = { distance: 'whitened', top: 0.05, height: 16, width: 16, sigma: 1, alignCorners: false };

/** Tokens of a made-up part: correlated noise about a fixed pattern. */
function tokens(seed: number): Float32Array {
  let s = seed * 7919 + 1;
  const next = (): number => {
    s = (Math.imul(s, 1664525) + 1013904223) >>> 0;
    return s / 2 ** 32 - 0.5;
  };
  const out = new Float32Array(patches * tap.dim);
  for (let p = 0; p < patches; p++) {
    const shared = next();
    for (let i = 0; i < tap.dim; i++) out[p * tap.dim + i] = Math.sin(p * (i + 1)) + 0.3 * shared + 0.1 * (i + 1) * next();
  }
  return out;
}

async function run(bytes: Buffer, data: Float32Array): Promise<Record<string, Float32Array>> {
  const session = await InferenceSession.create(bytes, { executionProviders: ['cpu'], intraOpNumThreads: 1 });
  const found = await session.run({ tokens: new Tensor('float32', data, [1, patches, tap.dim]) });
  await session.release();
  return Object.fromEntries(Object.entries(found).map(([name, { data: values }]) => [name, values as Float32Array]));
}

test('whitened tokens have mean 0 and nearly unit, uncorrelated features', () => {
  const learned = whitening([tokens(1), tokens(2)], tap.dim);
  expect(learned.full).toBe(true);
  const y = [tokens(1), tokens(2)].flatMap((x) => Array.from(whiten(x, learned)));
  const n = 2 * patches;
  for (let i = 0; i < tap.dim; i++)
    for (let j = 0; j <= i; j++) {
      let sum = 0;
      for (let p = 0; p < n; p++) sum += ((y[p * tap.dim + i] ?? 0) * (y[p * tap.dim + j] ?? 0)) / n;
      expect(Math.abs(sum - (i === j ? 1 : 0))).toBeLessThan(0.12); // shrinkage
    }
});

test('features that never move, and too few tokens, give no NaN', () => {
  const flat = new Float32Array(patches * tap.dim).fill(3);
  expect(whiten(flat, whitening([flat], tap.dim)).every(Number.isFinite)).toBe(true);
  const few = whitening([tokens(1).subarray(0, 2 * tap.dim)], tap.dim);
  expect(few.full).toBe(false);
  expect(whiten(tokens(2), few).every(Number.isFinite)).toBe(true);
});

test.each(['whitened', 'cosine'] as const)('%s: the bank gives the calibrated distance of the plain loop', async (distance) => {
  const bank = learnTap(tap, [[tokens(1)], [tokens(2), tokens(3)]], distance);
  const rows = bank.chunks.map((chunk) => chunk.rows);
  const query = tokens(9);
  const found = await run(bankGraph([bank], [2], { ...settings, distance }).toBuffer(), query);
  const learnedQuery = learnTap(tap, [[query]], 'cosine').chunks[0]?.rows ?? query;
  const q = bank.whitening === null ? learnedQuery : whiten(query, bank.whitening);
  const plain = Float32Array.from({ length: patches }, (_, p) => {
    let best = Number.POSITIVE_INFINITY;
    for (const chunk of rows)
      for (let b = 0; b < chunk.length; b += tap.dim) {
        let sum = 0;
        for (let i = 0; i < tap.dim; i++) sum += ((q[p * tap.dim + i] ?? 0) - (chunk[b + i] ?? 0)) ** 2;
        best = Math.min(best, sum);
      }
    return 2 * (distance === 'cosine' ? best / 2 : Math.sqrt(best));
  });
  expect(found.score?.[0]).toBeCloseTo(topMeanOf(plain, settings.top), 3);
  expect(found.map).toHaveLength(256);
  // A part in the bank is at distance nearly 0.
  const own = await run(bankGraph([bank], [2], { ...settings, distance }).toBuffer(), tokens(2));
  expect(own.score?.[0]).toBeLessThan(0.02);
});

test('leave-one-out: the median shot scores 1; the bank is the same bytes every time', async () => {
  const shots = [1, 2, 3, 4, 5].map((seed) => [tokens(seed)]);
  const bank = learnTap(tap, shots, 'whitened');
  const graph = distancesGraph([bank]).toBuffer();
  const distances = await Promise.all(
    shots.map(async ([own]) => (await run(graph, own ?? new Float32Array(0))).distances ?? new Float32Array(0)),
  );
  const scale = leaveOneOut(distances, 1, patches, settings.top);
  expect(median(scale?.leaveOneOut ?? [])).toBeCloseTo(1, 6);
  // The same by leaving a shot out for real, under the same whitening.
  const others = { ...bank, chunks: bank.chunks.slice(1) };
  const found = await run(bankGraph([others], scale?.weights ?? [], settings).toBuffer(), tokens(1));
  expect(found.score?.[0]).toBeCloseTo(scale?.leaveOneOut[0] ?? Number.NaN, 4);
  const again = learnTap(
    tap,
    [1, 2, 3, 4, 5].map((seed) => [tokens(seed)]),
    'whitened',
  );
  expect(
    bankGraph([again], scale?.weights ?? [], settings)
      .toBuffer()
      .equals(bankGraph([bank], scale?.weights ?? [], settings).toBuffer()),
  ).toBe(true);
});

test('shots without any difference give no scale; one shot gives one from itself', async () => {
  const same = learnTap(tap, [[tokens(1)], [tokens(1)]], 'whitened');
  const none = new Float32Array(2 * patches);
  expect(leaveOneOut([none, none], 1, patches, settings.top)).toBeNull();
  const nan = new Float32Array(2 * patches).fill(Number.NaN);
  expect(leaveOneOut([nan, nan], 1, patches, settings.top)).toBeNull();
  expect(same.chunks).toHaveLength(2);
  const single = selfSimilarity([learnTap(tap, [[tokens(1)]], 'whitened')], settings.top);
  expect(single?.leaveOneOut).toEqual([1]);
  expect(selfSimilarity([learnTap(tap, [[new Float32Array(patches * tap.dim)]], 'whitened')], settings.top)).toBeNull();
});

test('symmetries are those of the square, each once', () => {
  const side = 3;
  const tensor = Float32Array.from({ length: 27 }, (_, i) => i);
  const all = [...variants(tensor, side, 'all')].map((t) => t.join());
  expect(new Set(all).size).toBe(8);
  expect(all[0]).toBe(tensor.join());
  expect([...variants(tensor, side, 'rotations')].map((t) => Array.from(t.subarray(0, 9)).join())).toEqual([
    '0,1,2,3,4,5,6,7,8',
    '6,3,0,7,4,1,8,5,2',
    '8,7,6,5,4,3,2,1,0',
    '2,5,8,1,4,7,0,3,6',
  ]);
  expect([...variants(tensor, side, 'flips')]).toHaveLength(4);
  expect(symmetries.map(turns)).toEqual([false, false, true, true]);
});

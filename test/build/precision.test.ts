/** Bundles in another precision than fp32: what is refused, what is measured, what the numbers are. */
import { existsSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { judgeError, type PrecisionError, precisionError, rankCorrelation } from '../../src/build/precision';
import { columnSteps, quantised } from '../../src/build/quantise';
import { checkModel } from '../../src/onnx/check';
import { apart, outputs, Workshop } from './bundles';
import { adapterFile, clipFile, formulaClip } from './formula';
import { testWithVectors, vector } from './vectors';

const shop = new Workshop();
afterAll(() => shop.close());

const error = (change: Partial<PrecisionError>): PrecisionError => ({
  pictures: 6,
  score: 0,
  logit: 0,
  map: 0,
  rankCorrelation: 1,
  ...change,
});

test('an error beyond its bounds is refused, a doubtful one is told, both with the figures; NaN is refused', () => {
  for (const beyond of [{ score: 0.11 }, { rankCorrelation: 0.97 }, { score: Number.NaN }, { rankCorrelation: Number.NaN }])
    expect(() => judgeError('int8', error(beyond))).toThrow(expect.objectContaining({ code: 'USAGE' }));
  expect(() => judgeError('int8', error({ score: 0.25 }))).toThrow(/int8 is 0\.25 off in the score.*6 pictures.*--precision fp32/);
  expect(judgeError('fp16', error({ score: 0.03 }))).toContain('fp16 is 0.030 off in the score');
  expect(judgeError('int8', error({ rankCorrelation: 0.998 }))).toContain('0.99800');
  expect(judgeError('int8', error({ score: 0.02, rankCorrelation: 0.999, logit: 9, map: 9 }))).toBeNull();
});

test('the error is the worst of all pictures', () => {
  const seen = (score: number, logit: number, ...map: number[]) => ({ score, logit, map: Float32Array.from(map) });
  const found = precisionError([
    { single: seen(0.5, 1, 0, 1, 2, 3), other: seen(0.5, 1.25, 0, 1, 2, 3) },
    { single: seen(0.5, -1, 0, 1, 2, 3), other: seen(0.25, -1, 0, 2, 1, 3) },
  ]);
  expect(found).toEqual({ pictures: 2, score: 0.25, logit: 0.25, map: 1, rankCorrelation: expect.closeTo(0.8, 12) });
  expect(rankCorrelation(Float32Array.of(1, 2, 3), Float32Array.of(30, 20, 10))).toBeCloseTo(-1, 12);
});

test('whole numbers: no wrapping at the ends, zeros stay zero, every weight within half a step of itself', () => {
  const rows = 3;
  const columns = 50;
  const matrix = Float32Array.from({ length: rows * columns }, (_, i) =>
    i < columns ? 0 : Math.sin(i * i) * (i < 2 * columns ? 1e-6 : 1e6),
  );
  const steps = columnSteps(matrix, rows, columns);
  const whole = quantised(matrix, rows, columns, steps);
  let most = 0;
  for (let row = 0; row < rows; row++)
    for (let column = 0; column < columns; column++) {
      const step = steps[row] ?? Number.NaN;
      const back = (whole[column * rows + row] ?? Number.NaN) * step;
      expect(Math.abs(back - (matrix[row * columns + column] ?? Number.NaN))).toBeLessThanOrEqual(step * 0.5001);
      most = Math.max(most, Math.abs(whole[column * rows + row] ?? Number.NaN));
    }
  expect(most).toBe(127);
  expect(Array.from(steps)).toEqual([1, expect.closeTo(1e-6 / 127, 9), expect.closeTo(1e6 / 127, -1)]);
  expect(columnSteps(Float32Array.of(-1, 0.5), 1, 2)[0]).toBe(Math.fround(1 / 127)); // the largest may be negative
});

test('weights that do not bear int8 are refused and leave no bundle', async () => {
  const config = {
    embed: 24,
    visual: { width: 64, layers: 3, heads: 1, mlp: 96, patch: 4, grid: 4, imageSize: 16 },
    text: { width: 64, layers: 2, heads: 1, mlp: 80, context: 20, vocabulary: 40 },
  };
  const tensors = formulaClip(config);
  // One channel a thousand times as loud as all others takes all the steps there are, and the weights that read it are nothing.
  for (let block = 0; block < 3; block++)
    for (const [norm, reader] of [
      ['ln_1', 'attn.in_proj_weight'],
      ['ln_2', 'mlp.c_fc.weight'],
    ] as const) {
      const at = `visual.transformer.resblocks.${block}`;
      const scale = tensors.get(`${at}.${norm}.weight`)?.values;
      const matrix = tensors.get(`${at}.${reader}`)?.values;
      if (scale === undefined || matrix === undefined) throw new Error('no such tensors');
      scale[5] = 1000;
      for (let i = 5; i < matrix.length; i += 64) matrix[i] = 0;
    }
  const adapter = { normal: [38, 7, 7, 7, 7, 3, 5, 39], anomalous: [38, 7, 7, 7, 7, 4, 3, 5, 39], context: 4, depth: 2, deep: 2 };
  const [clip, prompts, out] = ['loud.safetensors', 'loud-adapter.safetensors', 'refused'].map((name) => join(shop.dir, name)) as [
    string,
    string,
    string,
  ];
  writeFileSync(clip, clipFile(tensors));
  writeFileSync(prompts, adapterFile(tensors, 64, 20, adapter));
  const job = { method: 'anomalyclip', clip, adapter: prompts, activation: 'quickgelu', precision: 'int8', out } as const;
  await expect(shop.build(job, { imageSize: 16, dpamLayer: 4 })).rejects.toThrow(
    expect.objectContaining({ code: 'USAGE', message: expect.stringContaining('--precision fp32') as string }),
  );
  expect(existsSync(out)).toBe(false);
});

testWithVectors('int8: a quarter of the weights, the error in the manifest, and the score near the authors’', async () => {
  const clip = shop.unpack('anomalyclip-tiny/clip.safetensors.gz', 'anomalyclip.safetensors');
  const job = { method: 'anomalyclip', clip, adapter: vector('anomalyclip-tiny/prompt_learner.pth') } as const;
  const options = { dpamLayer: 5, featuresList: [2, 4], imageSize: 70 };
  const single = await shop.build(job, options);
  const golden = vector('anomalyclip-tiny/defect.png');
  const made = await shop.build({ ...job, precision: 'int8', golden }, options);
  const { int8ScoreError, int8LogitError, int8MapError, int8MapRankCorrelation, int8Pictures, precision } = made.manifest.settings;
  expect(precision).toBe('int8');
  expect(int8Pictures).toBe(7); // the golden image and the drawn ones
  expect(Object.keys(made.manifest.files).sort()).toEqual(['golden.png', 'model.onnx']);
  expect(int8MapRankCorrelation).toBeGreaterThan(0.98);
  for (const measured of [int8ScoreError, int8LogitError, int8MapError]) expect(measured).toBeGreaterThan(0);
  const [full, whole] = [await outputs(single, golden), await outputs(made, golden)];
  const off = apart(whole.score, full.score ?? []);
  expect(off).toBeGreaterThan(0);
  expect(off).toBeLessThanOrEqual(int8ScoreError as number); // the golden image is one of those measured
  expect(apart(whole.map, full.map ?? [])).toBeLessThanOrEqual(int8MapError as number);
  const facts = checkModel(join(made.built.out, 'model.onnx'));
  expect(facts.operators.MatMulInteger).toBe(facts.operators.DynamicQuantizeLinear);
  expect(facts.operators.MatMulInteger).toBeGreaterThan(0);
  expect(facts.bytes).toBeLessThan(0.5 * checkModel(join(single.built.out, 'model.onnx')).bytes);
  await single.session.release();
  await made.session.release();
});

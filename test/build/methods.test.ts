/** Bundles against the numbers of the authors' own code (reference vectors), within the tolerances stated there. */
import { readFileSync } from 'node:fs';
import { openCheckpoint } from '../../src/build/checkpoint';
import { clipWeights } from '../../src/build/clip_names';
import { learnedPrompts } from '../../src/build/learned';
import { interpolatePositions } from '../../src/build/positions';
import { anovl, anovlTexture, aprilGan, prompts, winclip } from '../../src/build/prompts';
import { embedTokens, encodeEnsemble, encodeText, unit } from '../../src/build/text';
import { Tokenizer } from '../../src/build/tokenizer';
import { readPicture } from '../../src/camera/picture';
import { upsamplingMatrix } from '../../src/onnx/blocks';
import { apart, expectations, nearestCosine, outputs, Workshop } from './bundles';
import { type Numbers, Plain } from './formula';
import { testWithVectors, vector } from './vectors';

const shop = new Workshop();
afterAll(() => shop.close());

const textTolerance = 1e-5;
const scoreTolerance = 1e-4;
const mapTolerance = (layers: number): number => 2e-4 * layers;
const tokenizer = (): string => vector('tokenizer/bpe_simple_vocab_16e6.txt.gz');
const images = ['normal', 'defect'] as const;

/** m [n,n] upsampled bilinearly to [size,size]. */
function upsampled(m: Float32Array, size: number, alignCorners: boolean): Float32Array {
  const n = Math.sqrt(m.length);
  const a = upsamplingMatrix(n, size, { alignCorners, sigma: 0 });
  const rows = new Float64Array(size * n);
  for (let i = 0; i < size; i++)
    for (let k = 0; k < n; k++)
      for (let j = 0; j < n; j++) rows[i * n + j] = (rows[i * n + j] ?? 0) + (a[i * n + k] ?? 0) * (m[k * n + j] ?? 0);
  return Float32Array.from({ length: size * size }, (_, at) => {
    const [i, j] = [Math.floor(at / size), at % size];
    let sum = 0;
    for (let k = 0; k < n; k++) sum += (rows[i * n + k] ?? 0) * (a[j * n + k] ?? 0);
    return sum;
  });
}

describe('anomalyclip', () => {
  const folder = 'anomalyclip-tiny';
  const clip = () => shop.unpack(`${folder}/clip.safetensors.gz`, 'anomalyclip.safetensors');
  const adapter = () => vector(`${folder}/prompt_learner.pth`);
  const expected = () => expectations(vector(`${folder}/expected.safetensors`));

  testWithVectors('text features of learned and of ordinary prompts', async () => {
    const weights = clipWeights(openCheckpoint(clip()));
    const tower = { clip: weights, where: clip(), scratch: shop.dir, signal: new AbortController().signal };
    const learned = learnedPrompts(openCheckpoint(adapter()), weights, clip());
    expect([learned.context, learned.deep.length, learned.deepLength, learned.normal.end, learned.anomalous.end]).toEqual([
      12, 2, 4, 15, 16,
    ]);
    const found = await encodeText(tower, [learned.normal, learned.anomalous], learned.deep);
    expect(
      apart(
        found.flatMap((row) => [...row]),
        expected()('text_features_raw'),
      ),
    ).toBeLessThanOrEqual(textTolerance);
    const units = found.flatMap((row) => [...unit(row, '')]);
    expect(apart(units, expected()('text_features'))).toBeLessThanOrEqual(textTolerance);
    const words = Tokenizer.open(tokenizer());
    const plain = ['a photo of a flawless metal nut.', 'a cropped photo of the damaged metal nut.'].map((text) =>
      embedTokens(weights, clip(), words.tokenize(text)),
    );
    const raw = await encodeText(tower, plain);
    expect(
      apart(
        raw.flatMap((row) => [...row]),
        expected()('plain_text_raw'),
      ),
    ).toBeLessThanOrEqual(textTolerance);
  });

  testWithVectors('positions for another grid', () => {
    const table = clipWeights(openCheckpoint(clip())).tensors.get('visual.positional_embedding')?.read() ?? new Float32Array();
    expect(apart(interpolatePositions(table, 128, 7, 8, 'bilinear'), expected()('pos_70'))).toBeLessThanOrEqual(1e-6);
    expect(apart(interpolatePositions(table, 128, 7, 7, 'bilinear'), expected()('pos_56'))).toBe(0);
  });

  const cases = [
    { name: 'dpam3_multi', dpamLayer: 3, featuresList: [1, 2, 3, 4], imageSize: 70 },
    { name: 'dpam5_last', dpamLayer: 5, featuresList: [4], imageSize: 70 },
    { name: 'dpam5_multi', dpamLayer: 5, featuresList: [2, 4], imageSize: 70 },
    { name: 'dpam3_nointerp', dpamLayer: 3, featuresList: [2, 4], imageSize: 56 },
  ];
  for (const { name, ...options } of cases) {
    testWithVectors(`${name}: score and map of both pictures`, async () => {
      const made = await shop.build({ method: 'anomalyclip', clip: clip(), adapter: adapter() }, options);
      const wanted = expected();
      for (const image of images) {
        const found = await outputs(made, vector(`${folder}/${image}.png`));
        expect(apart(found.score, wanted(`${image}/${name}/score`))).toBeLessThanOrEqual(scoreTolerance);
        expect(apart(found.map, wanted(`${image}/${name}/map_smooth`))).toBeLessThanOrEqual(mapTolerance(options.featuresList.length));
        const [normal = 0, anomaly = 0] = found.probabilities ?? [];
        expect(anomaly).toBeCloseTo(found.score?.[0] ?? 0, 6);
        expect(Math.log(anomaly / normal)).toBeCloseTo(found.logit?.[0] ?? 0, 3);
      }
      expect(made.manifest.taps.map((tap) => tap.name)).toEqual(options.featuresList.map((block) => `tokens_${block}`));
      await made.session.release();
    });
  }

  testWithVectors("OpenAI's TorchScript file: the same from half-precision weights", async () => {
    const torchScript = shop.unpack('openai-jit-tiny/tiny-openai-jit.pt.gz', 'clip.pt');
    const options = { dpamLayer: 5, featuresList: [2, 4], imageSize: 70 };
    const made = await shop.build({ method: 'anomalyclip', clip: torchScript, adapter: adapter() }, options);
    const wanted = expectations(vector('openai-jit-tiny/expected-from-jit-fp16.safetensors'));
    for (const image of images) {
      const found = await outputs(made, vector(`${folder}/${image}.png`));
      expect(apart(found.score, wanted(`${image}/score`))).toBeLessThanOrEqual(scoreTolerance);
      expect(apart(found.map, wanted(`${image}/map_smooth`))).toBeLessThanOrEqual(mapTolerance(2));
    }
    expect(made.built.warnings).toEqual([]);
    await made.session.release();
  });

  testWithVectors('half precision: within its tolerance, and the manifest says how far off', async () => {
    const options = { dpamLayer: 5, featuresList: [2, 4], imageSize: 70 };
    const made = await shop.build({ method: 'anomalyclip', clip: clip(), adapter: adapter(), precision: 'fp16' }, options);
    const wanted = expected();
    for (const image of images) {
      const found = await outputs(made, vector(`${folder}/${image}.png`));
      expect(apart(found.score, wanted(`${image}/dpam5_multi/score`))).toBeLessThanOrEqual(2e-2);
    }
    const { fp16ScoreError, fp16MapError, fp16MapRankCorrelation } = made.manifest.settings;
    expect(fp16ScoreError).toBeGreaterThan(0);
    expect(fp16ScoreError).toBeLessThanOrEqual(2e-2);
    expect(fp16MapError).toBeGreaterThan(0);
    expect(fp16MapRankCorrelation).toBeGreaterThanOrEqual(0.999);
    await made.session.release();
  });
});

describe('april-gan', () => {
  const folder = 'april-gan-tiny';
  const clip = () => shop.unpack(`${folder}/clip.safetensors.gz`, 'april.safetensors');

  testWithVectors('text features, positions, score, zero-shot and two-shot map', async () => {
    const wanted = expectations(vector(`${folder}/expected.safetensors`));
    const weights = clipWeights(openCheckpoint(clip()));
    const table = weights.tensors.get('visual.positional_embedding')?.read() ?? new Float32Array();
    expect(apart(interpolatePositions(table, 128, 7, 8, 'bicubic'), wanted('pos_embed_bicubic_aa'))).toBeLessThanOrEqual(2e-6);
    const text = { clip: weights, where: clip(), scratch: shop.dir, signal: new AbortController().signal };
    const options = {
      imageSize: null,
      dpamLayer: null,
      featuresList: null,
      object: 'metal nut',
      texture: false,
      featureSurgery: false,
      mapScale: 1,
    };
    const words = { clip: weights, clipPath: clip(), tokenizer: Tokenizer.open(tokenizer()), text, options };
    const pair = await encodeEnsemble(words, aprilGan, true);
    const columns = Array.from(pair.normal, (v, i) => [v, pair.anomalous[i] ?? Number.NaN]).flat();
    expect(apart(columns, wanted('text_features'))).toBeLessThanOrEqual(textTolerance);

    const job = { method: 'april-gan', clip: clip(), adapter: vector(`${folder}/linearlayer.pth`), tokenizer: tokenizer() } as const;
    const made = await shop.build(job, { object: 'metal nut', imageSize: 70 });
    const references = await Promise.all(['ref11', 'ref12'].map((name) => outputs(made, vector(`${folder}/${name}.png`))));
    for (const image of images) {
      const found = await outputs(made, vector(`${folder}/${image}.png`));
      expect(apart(found.probabilities, wanted(`${image}/prob`))).toBeLessThanOrEqual(scoreTolerance);
      expect(apart(found.map, wanted(`${image}/zero_shot_map`))).toBeLessThanOrEqual(mapTolerance(4));
      const few = made.manifest.taps.map((tap) => {
        const banks = references.map((reference) => reference[tap.name] ?? new Float32Array());
        return upsampled(nearestCosine(found[tap.name] ?? new Float32Array(), banks, tap.dim), 70, true);
      });
      const sum = few.reduce((a, b) => a.map((v, i) => v + (b[i] ?? 0)));
      expect(apart(sum, wanted(`${image}/few_shot_map`))).toBeLessThanOrEqual(mapTolerance(4));
    }
    await made.session.release();
  });
});

describe('winclip', () => {
  const folder = 'winclip-tiny';
  const clip = () => shop.unpack(`${folder}/clip.safetensors.gz`, 'winclip.safetensors');

  testWithVectors('score, map and patch tokens, zero-shot', async () => {
    const wanted = expectations(vector(`${folder}/expected.safetensors`));
    const job = { method: 'winclip', clip: clip(), tokenizer: tokenizer(), activation: 'gelu' } as const;
    const made = await shop.build(job, { object: 'metal nut' });
    expect(made.built.inputSize).toBe(64);
    for (const image of images) {
      const found = await outputs(made, vector(`${folder}/${image}.png`));
      expect(apart(found.score, wanted(`${image}/0shot/score`))).toBeLessThanOrEqual(scoreTolerance);
      expect(apart(found.map, wanted(`${image}/0shot/map`))).toBeLessThanOrEqual(mapTolerance(1));
      expect(apart(found.tokens, wanted(`${image}/patch`))).toBeLessThanOrEqual(1e-4);
    }
    await made.session.release();
  });

  test('its ensemble: a template that is there twice counts twice', () => {
    expect(prompts(winclip.normal, winclip.templates, 'a $& nut')).toHaveLength(7 * 21);
    expect(prompts(winclip.anomalous, winclip.templates, 'nut')).toContain('a photo of a nut with flaw for anomaly detection.');
  });
});

describe('sowa', () => {
  const folder = 'sowa-tiny';
  const clip = () => shop.unpack(`${folder}/clip.safetensors.gz`, 'sowa.safetensors');
  const adapter = () => shop.unpack(`${folder}/sowa_own.safetensors.gz`, 'sowa_own.safetensors');

  testWithVectors('score, zero-shot and two-shot map', async () => {
    const wanted = expectations(vector(`${folder}/expected.safetensors`));
    const made = await shop.build({ method: 'sowa', clip: clip(), adapter: adapter() });
    const references = await Promise.all(['ref11', 'ref12'].map((name) => outputs(made, vector(`${folder}/${name}.png`))));
    for (const image of images) {
      const found = await outputs(made, vector(`${folder}/${image}.png`));
      expect(apart(found.probabilities, wanted(`${image}/probs`))).toBeLessThanOrEqual(scoreTolerance);
      expect(apart(found.map, wanted(`${image}/zs_map_smooth`))).toBeLessThanOrEqual(mapTolerance(4));
      const few = made.manifest.taps.map((tap) => {
        const banks = references.map((reference) => reference[tap.name] ?? new Float32Array());
        return upsampled(nearestCosine(found[tap.name] ?? new Float32Array(), banks, tap.dim), 64, true);
      });
      const sum = few.reduce((a, b) => a.map((v, i) => v + (b[i] ?? 0)));
      expect(apart(sum, wanted(`${image}/kshot_map`))).toBeLessThanOrEqual(mapTolerance(4));
    }
    await made.session.release();
  });
});

/** Rows against the two texts of length 1: probability of "anomalous" for each. */
function probabilities(
  rows: readonly ArrayLike<number>[],
  text: { normal: Float32Array; anomalous: Float32Array },
  scale: number,
): Float32Array {
  return Float32Array.from(rows, (row) => {
    const values = Array.from(row);
    const length = Math.hypot(...values);
    const difference = values.reduce((sum, v, i) => sum + (v / length) * ((text.anomalous[i] ?? 0) - (text.normal[i] ?? 0)), 0);
    return 1 / (1 + Math.exp(-scale * difference));
  });
}

async function ensembleText(clipPath: string, activation: 'gelu' | 'quickgelu', ensemble: typeof anovl, unitFirst: boolean) {
  const weights = { ...clipWeights(openCheckpoint(clipPath)), activation: { value: activation, certain: true } };
  const text = { clip: weights, where: clipPath, scratch: shop.dir, signal: new AbortController().signal };
  const options = {
    imageSize: null,
    dpamLayer: null,
    featuresList: null,
    object: 'metal nut',
    texture: false,
    featureSurgery: false,
    mapScale: 1,
  };
  return encodeEnsemble({ clip: weights, clipPath, tokenizer: Tokenizer.open(tokenizer()), text, options }, ensemble, unitFirst);
}

testWithVectors('clip: the picture and the patches of plain CLIP, at its own temperature', async () => {
  const clip = shop.unpack('winclip-tiny/clip.safetensors.gz', 'winclip.safetensors');
  const wanted = expectations(vector('winclip-tiny/expected.safetensors'));
  const made = await shop.build({ method: 'clip', clip, tokenizer: tokenizer(), activation: 'gelu' }, { object: 'metal nut' });
  const scale = made.manifest.settings.logitScale as number;
  expect(scale).toBeCloseTo(1 / 0.07, 4);
  const text = await ensembleText(clip, 'gelu', winclip, true);
  const projection = clipWeights(openCheckpoint(clip)).tensors.get('visual.proj')?.read() ?? new Float32Array();
  for (const image of images) {
    const found = await outputs(made, vector(`winclip-tiny/${image}.png`));
    expect(apart(found.score, probabilities([wanted(`${image}/image_embedding`)], text, scale))).toBeLessThanOrEqual(scoreTolerance);
    const patches = wanted(`${image}/patch`); // after ln_post, not projected: [64,128]
    const rows = Array.from({ length: 64 }, (_, n) =>
      Array.from({ length: 32 }, (_, e) => {
        let sum = 0;
        for (let c = 0; c < 128; c++) sum += (patches[n * 128 + c] ?? 0) * (projection[c * 32 + e] ?? 0);
        return sum;
      }),
    );
    expect(apart(found.map, upsampled(probabilities(rows, text, scale), 64, false))).toBeLessThanOrEqual(mapTolerance(1));
  }
  await made.session.release();
});

testWithVectors('clip with feature surgery: the products less what both classes have in common', async () => {
  const clip = shop.unpack('winclip-tiny/clip.safetensors.gz', 'winclip.safetensors');
  const wanted = expectations(vector('winclip-tiny/expected.safetensors'));
  const job = { clip, tokenizer: tokenizer(), activation: 'gelu' } as const;
  const options = { object: 'metal nut', featureSurgery: true };
  await expect(shop.build({ ...job, method: 'winclip' }, options)).rejects.toThrow(/--feature-surgery is for --method clip/);
  const made = await shop.build({ ...job, method: 'clip' }, options);
  const text = await ensembleText(clip, 'gelu', winclip, true);
  const projection = clipWeights(openCheckpoint(clip)).tensors.get('visual.proj')?.read() ?? new Float32Array();
  const unitRow = (row: ArrayLike<number>) => {
    const length = Math.hypot(...Array.from(row));
    return Array.from(row, (v) => v / length);
  };
  const dot = (a: ArrayLike<number>, b: ArrayLike<number>) => Array.from(a).reduce((sum, v, i) => sum + v * (b[i] ?? Number.NaN), 0);
  for (const image of images) {
    const found = await outputs(made, vector(`winclip-tiny/${image}.png`));
    const whole = unitRow(wanted(`${image}/image_embedding`));
    const classes = [text.normal, text.anomalous];
    const raised = classes.map((one) => Math.exp(2 * dot(whole, one)));
    const share = raised.map((e) => e / ((raised[0] ?? 0) + (raised[1] ?? 0)));
    const patches = wanted(`${image}/patch`);
    const values = Float32Array.from({ length: 64 }, (_, n) => {
      const joint = Array.from({ length: 32 }, (__, e) => {
        let sum = 0;
        for (let c = 0; c < 128; c++) sum += (patches[n * 128 + c] ?? 0) * (projection[c * 32 + e] ?? 0);
        return sum;
      });
      const feature = unitRow(joint);
      // As the authors have it: weights of mean 1, products element by element, their mean over the classes taken off.
      let similarity = 0;
      for (let e = 0; e < 32; e++) {
        const products = classes.map((one, c) => (feature[e] ?? 0) * (one[e] ?? 0) * 2 * (share[c] ?? 0));
        similarity += (products[1] ?? 0) - ((products[0] ?? 0) + (products[1] ?? 0)) / 2;
      }
      return similarity;
    });
    expect(apart(found.map, upsampled(values, 64, false))).toBeLessThanOrEqual(1e-5);
  }
  await made.session.release();
});

testWithVectors('anovl: its templates for objects and for textures, those of the authors', () => {
  const { anovl: listed } = JSON.parse(readFileSync(vector('prompts/prompts.json'), 'utf8')) as { anovl: Record<string, string[]> };
  const all = (...keys: string[]) => keys.flatMap((key) => listed[key] ?? []).sort();
  expect([...anovl.templates].sort()).toEqual(all('inds_temp', 'img_temp', 'mnf_temp'));
  expect([...anovlTexture.templates].sort()).toEqual(all('inds_temp', 'text_temp', 'surf_temp'));
  expect([...anovlTexture.normal].sort()).toEqual(all('state_normal'));
  expect([...anovlTexture.anomalous].sort()).toEqual(all('state_anomaly'));
});

testWithVectors('anovl for textures: other words, another score; no other method takes them', async () => {
  const clip = shop.unpack('anomalyclip-tiny/clip.safetensors.gz', 'anomalyclip.safetensors');
  const job = { clip, tokenizer: tokenizer(), activation: 'quickgelu' } as const;
  const options = { object: 'leather', imageSize: 56 };
  await expect(shop.build({ ...job, method: 'clip' }, { ...options, texture: true })).rejects.toThrow(/--texture is for --method anovl/);
  const picture = vector('anomalyclip-tiny/defect.png');
  const made = await shop.build({ ...job, method: 'anovl' }, { ...options, texture: true });
  const other = await shop.build({ ...job, method: 'anovl' }, options);
  expect([made.manifest.settings.texture, other.manifest.settings.texture]).toEqual([true, false]);
  expect((await outputs(made, picture)).score?.[0]).not.toBe((await outputs(other, picture)).score?.[0]);
  await made.session.release();
  await other.session.release();
});

testWithVectors('anovl: V-V patches of the last block averaged over their neighbours, no temperature', async () => {
  const clip = shop.unpack('anomalyclip-tiny/clip.safetensors.gz', 'anomalyclip.safetensors');
  const made = await shop.build(
    { method: 'anovl', clip, tokenizer: tokenizer(), activation: 'quickgelu' },
    { object: 'metal nut', imageSize: 56 },
  );
  const weights = clipWeights(openCheckpoint(clip));
  const tensors: Numbers = new Map([...weights.tensors].map(([name, tensor]) => [name, { shape: tensor.shape, values: tensor.read() }]));
  const text = await ensembleText(clip, 'quickgelu', anovl, false);
  const path = vector('anomalyclip-tiny/defect.png');
  const found = await outputs(made, path);
  const seen = new Plain(tensors, weights.config).see((await readPicture(path, made.manifest.input)).tensor, 1);
  expect(apart(found.score, probabilities([seen.post], text, 1))).toBeLessThanOrEqual(scoreTolerance);
  const p = probabilities(seen.patches, text, 1);
  const at = (y: number, x: number) => p[Math.min(6, Math.max(0, y)) * 7 + Math.min(6, Math.max(0, x))] ?? Number.NaN;
  const around = Float32Array.from(p, (_, i) => {
    let sum = 0;
    for (const dy of [-1, 0, 1]) for (const dx of [-1, 0, 1]) sum += at(Math.floor(i / 7) + dy, (i % 7) + dx);
    return sum / 9;
  });
  expect(apart(found.map, upsampled(around, 56, true))).toBeLessThanOrEqual(1e-5);
  await made.session.release();
});

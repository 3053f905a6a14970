/** Other measures than any published model has: nothing is wired in. And files that do not belong together. */
import { existsSync, mkdirSync, readdirSync, readFileSync, renameSync, symlinkSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import sharp from 'sharp';
import { openCheckpoint } from '../../src/build/checkpoint';
import type { ClipConfig } from '../../src/build/clip_config';
import { clipWeights } from '../../src/build/clip_names';
import { learnedPrompts } from '../../src/build/learned';
import { encodeText, unit } from '../../src/build/text';
import { readPicture } from '../../src/camera/picture';
import { sha256 } from '../../src/hash';
import { upsamplingMatrix } from '../../src/onnx/blocks';
import { halfBits, halfValue } from '../../src/onnx/half';
import { apart, outputs, Workshop } from './bundles';
import { type Adapter, adapterFile, clipFile, formulaClip, Plain } from './formula';

const shop = new Workshop();
afterAll(() => shop.close());
const { exp, hypot } = Math;

const small: ClipConfig = {
  embed: 24,
  visual: { width: 64, layers: 2, heads: 1, mlp: 96, patch: 4, grid: 4, imageSize: 16 },
  text: { width: 64, layers: 2, heads: 1, mlp: 80, context: 20, vocabulary: 40 },
};
const odd: ClipConfig = {
  embed: 17,
  visual: { width: 192, layers: 5, heads: 3, mlp: 100, patch: 10, grid: 3, imageSize: 30 },
  text: { width: 128, layers: 3, heads: 2, mlp: 256, context: 31, vocabulary: 50 },
};
const learned: Adapter = { normal: [38, 7, 7, 7, 7, 3, 5, 39], anomalous: [38, 7, 7, 7, 7, 4, 3, 5, 39], context: 4, depth: 2, deep: 2 };

function files(
  name: string,
  config: ClipConfig,
  adapter: Adapter = learned,
): { clip: string; adapter: string; tensors: ReturnType<typeof formulaClip> } {
  const tensors = formulaClip(config);
  const paths = { clip: join(shop.dir, `${name}.safetensors`), adapter: join(shop.dir, `${name}-adapter.safetensors`) };
  writeFileSync(paths.clip, clipFile(tensors));
  writeFileSync(paths.adapter, adapterFile(tensors, config.text.width, config.text.context, adapter));
  return { ...paths, tensors };
}

async function picture(): Promise<string> {
  const path = join(shop.dir, 'picture.png');
  const data = Buffer.from(Array.from({ length: 40 * 50 * 3 }, (_, i) => (i * i * 7 + i * 31) & 255));
  await sharp(data, { raw: { width: 50, height: 40, channels: 3 } })
    .png()
    .toFile(path);
  return path;
}

describe.each([
  { name: 'small', config: small, dpamLayer: 2 },
  { name: 'odd', config: odd, dpamLayer: 4 },
])('$name', ({ name, config, dpamLayer }) => {
  test('score and map are those of plain loops', async () => {
    const { clip, adapter, tensors } = files(name, config);
    const { imageSize, layers, grid } = config.visual;
    const made = await shop.build({ method: 'anomalyclip', clip, adapter, activation: 'quickgelu' }, { imageSize, dpamLayer });
    const path = await picture();
    const found = await outputs(made, path);
    const weights = clipWeights(openCheckpoint(clip));
    const prompts = learnedPrompts(openCheckpoint(adapter), weights, clip);
    const tower = { clip: weights, where: clip, scratch: shop.dir, signal: new AbortController().signal };
    const [normal = new Float32Array(), anomalous = new Float32Array()] = (
      await encodeText(tower, [prompts.normal, prompts.anomalous], prompts.deep)
    ).map((feature) => unit(feature, clip));
    const seen = new Plain(tensors, config).see((await readPicture(path, made.manifest.input)).tensor, layers - dpamLayer + 2);
    const probability = (feature: Float64Array) => {
      const length = hypot(...feature);
      const difference = feature.reduce((sum, v, i) => sum + (v / length) * ((anomalous[i] ?? 0) - (normal[i] ?? 0)), 0);
      return 1 / (1 + exp(-difference / 0.07));
    };
    expect(apart(found.score, [probability(seen.feature)])).toBeLessThanOrEqual(1e-4);
    const a = upsamplingMatrix(grid, imageSize, { alignCorners: false, sigma: 4 });
    const p = seen.patches.map(probability);
    const map = Array.from({ length: imageSize ** 2 }, (_, at) => {
      let sum = 0;
      for (let k = 0; k < grid * grid; k++)
        sum +=
          (p[k] ?? 0) * (a[Math.floor(at / imageSize) * grid + Math.floor(k / grid)] ?? 0) * (a[(at % imageSize) * grid + (k % grid)] ?? 0);
      return sum;
    });
    expect(apart(found.map, map)).toBeLessThanOrEqual(2e-4);
    expect(made.manifest.settings.features).toEqual([layers]);
    await made.session.release();
  });
});

test("the authors' list on a shallow model: blocks that are not there are left out and named; a map factor is a factor", async () => {
  const { clip, adapter } = files('list', small);
  const build = (mapScale: number) =>
    shop.build({ method: 'anomalyclip', clip, adapter, activation: 'gelu' }, { imageSize: 21, featuresList: [2, 6, 12], mapScale });
  const one = await build(1);
  expect(one.built.warnings).toEqual([expect.stringContaining('6, 12 of the features list are left out')]);
  expect(one.manifest.settings).toMatchObject({ features: [2], dpamLayer: 3, activation: 'gelu' });
  const two = await build(2);
  const path = await picture();
  const [a, b] = [await outputs(one, path), await outputs(two, path)];
  expect(
    apart(
      b.map,
      [...(a.map ?? [])].map((v) => 2 * v),
    ),
  ).toBeLessThanOrEqual(1e-5);
  for (const made of [one, two]) await made.session.release();
});

describe('files that do not belong together are named, and nothing is left behind', () => {
  const refused = async (job: Parameters<Workshop['build']>[0], options: Parameters<Workshop['build']>[1] = {}): Promise<string> => {
    const out = join(shop.dir, 'refused');
    const before = readdirSync(shop.dir).filter((name) => name.startsWith('.'));
    try {
      await shop.build({ ...job, out }, options);
    } catch (thrown) {
      expect(existsSync(out)).toBe(false);
      expect(readdirSync(shop.dir).filter((name) => name.startsWith('.'))).toEqual(before);
      const { code, message } = thrown as { code: string; message: string };
      return `${code} ${message}`;
    }
    throw new Error('it was built');
  };

  test('another width, another depth, another CLIP of the same width', async () => {
    const a = files('a', small);
    const b = files('b', odd);
    expect(await refused({ method: 'anomalyclip', clip: a.clip, adapter: b.adapter })).toMatch(
      /CHECKPOINT_REFUSED .*b-adapter.*prompts are 128 wide, the text tower of .*a\.safetensors is 64 wide/,
    );
    const deep = files('deep', small, { ...learned, depth: 3 });
    expect(await refused({ method: 'anomalyclip', clip: a.clip, adapter: deep.adapter })).toMatch(
      /learned tokens for 3 blocks, the text tower has 2/,
    );
    const context = files('context', { ...small, text: { ...small.text, context: 25 } });
    expect(await refused({ method: 'anomalyclip', clip: a.clip, adapter: context.adapter })).toMatch(/25 rows .* takes 20/);
    const words = files('words', small, { ...learned, normal: [38, 7, 7, 7, 7, 3, 5, 39] });
    const other = formulaClip(small);
    const table = other.get('token_embedding.weight')?.values ?? new Float32Array();
    for (let i = 5 * 64; i < 6 * 64; i++) table[i] = (table[i] ?? 0) + 0.1;
    const clip = join(shop.dir, 'other.safetensors');
    writeFileSync(clip, clipFile(other));
    expect(await refused({ method: 'anomalyclip', clip, adapter: words.adapter })).toMatch(
      /its row of token 5 differs from that of .*other/,
    );
    const few = files('few', { ...small, text: { ...small.text, vocabulary: 30 } });
    expect(await refused({ method: 'anomalyclip', clip: few.clip, adapter: a.adapter })).toMatch(
      /has 30 token rows, and a prompt uses token 38/,
    );
  });

  test('an adapter of another method, or none', async () => {
    const { clip, adapter } = files('c', small);
    expect(await refused({ method: 'anomalyclip', clip, adapter: clip })).toMatch(/no prompt learner \(no tensor "ctx_pos"\)/);
    expect(await refused({ method: 'anomalyclip', clip })).toMatch(/USAGE .*needs --adapter FILE/);
    expect(await refused({ method: 'april-gan', clip, adapter })).toMatch(/no linear layers/);
    expect(await refused({ method: 'sowa', clip, adapter })).toMatch(/no window attention adapters/);
    expect(await refused({ method: 'clip', clip })).toMatch(/USAGE .*--object NAME/);
    expect(await refused({ method: 'winclip', clip }, { object: 'nut' })).toMatch(/USAGE .*--tokenizer FILE/);
  });

  test('settings that do not fit the model', async () => {
    const { clip, adapter } = files('d', small);
    const job = { method: 'anomalyclip', clip, adapter } as const;
    expect(await refused(job, { dpamLayer: 20 })).toMatch(/--dpam-layer 20 does not fit a model of 2 blocks; expected 2 .* to 3/);
    expect(await refused(job, { dpamLayer: 1 })).toMatch(/--dpam-layer 1/);
    expect(await refused(job, { featuresList: [6, 12] })).toMatch(/--features-list 6,12 names no block .* blocks 1 to 2/);
    expect(await refused(job, { imageSize: 3 })).toMatch(/--image-size 3 gives a grid of 0/);
    expect(await refused({ ...job, golden: join(shop.dir, 'none.png') }, { imageSize: 16 })).toMatch(/IMAGE_UNREADABLE .*none\.png/);
    expect(await refused({ ...job, method: 'sowa' }, { imageSize: 20 })).toMatch(/--image-size 16, or none/);
  });

  test('a folder that holds something else stays as it is; a bundle is replaced only by a proven one', async () => {
    const { clip, adapter } = files('e', small);
    const out = join(shop.dir, 'taken');
    mkdirSync(out);
    writeFileSync(join(out, 'diary.txt'), 'mine');
    await expect(shop.build({ method: 'anomalyclip', clip, adapter, out })).rejects.toThrow(/holds files that are no bundle/);
    expect(readdirSync(out)).toEqual(['diary.txt']);
    const first = await shop.build({ method: 'anomalyclip', clip, adapter, out: join(shop.dir, 'kept') }, { imageSize: 16 });
    await first.session.release();
    const before = readFileSync(join(first.built.out, 'manifest.json'), 'utf8');
    await expect(shop.build({ method: 'anomalyclip', clip, adapter, out: first.built.out }, { dpamLayer: 9 })).rejects.toThrow(
      /--dpam-layer 9/,
    );
    expect(readFileSync(join(first.built.out, 'manifest.json'), 'utf8')).toBe(before);
    const second = await shop.build({ method: 'anomalyclip', clip, adapter, out: first.built.out }, { imageSize: 20 });
    await second.session.release();
    expect(second.manifest.input.width).toBe(20);
  });
});

test('a checkpoint behind a link, as in HuggingFace’s cache: its own name, the hash of the file it leads to', async () => {
  const { clip, adapter } = files('behind', small);
  const blob = join(shop.dir, 'blob');
  renameSync(clip, blob);
  symlinkSync(blob, clip);
  const made = await shop.build({ method: 'anomalyclip', clip, adapter, activation: 'quickgelu' }, { imageSize: 16, dpamLayer: 2 });
  expect(made.manifest.sources[0]).toEqual({ name: 'behind.safetensors', sha256: sha256(readFileSync(blob)) });
  await made.session.release();
});

test('half precision rounds to nearest, ties to even', () => {
  const cases: [number, number][] = [
    [0, 0],
    [1, 0x3c00],
    [-2, 0xc000],
    [65504, 0x7bff],
    [65520, 0x7c00],
    [1 + 2 ** -11, 0x3c00], // halfway: to the even one below
    [1 + 3 * 2 ** -11, 0x3c02], // halfway: to the even one above
    [2 ** -24, 1],
    [2 ** -25, 0],
    [2 ** -25 * 1.5, 1],
    [2 ** -14 - 2 ** -26, 0x0400], // the largest subnormal rounds up into the normal ones
  ];
  for (const [value, bits] of cases) expect([value, halfBits(value)]).toEqual([value, bits]);
  for (let bits = 0; bits < 0x7c00; bits += 7) expect(halfBits(halfValue(bits))).toBe(bits);
});

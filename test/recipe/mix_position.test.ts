/** The model's own score mixed in, and parts that always lie alike: taught with the default bundle, run in onnxruntime. */
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { InferenceSession, Tensor } from 'onnxruntime-node';
import { loadBundle } from '../../src/bundle/load';
import type { Bundle } from '../../src/bundle/manifest';
import { VerdictdError } from '../../src/errors';
import { type BankSettings, bankGraph, learnTap } from '../../src/recipe/bank';
import { selfSimilarity } from '../../src/recipe/calibrate';
import { learnMix, type Mix, mixed } from '../../src/recipe/mix';
import { BankRunner } from '../../src/recipe/runner';
import type { GoodPart } from '../../src/recipe/shots';
import { type TeachDeps, type TeachOptions, teach } from '../../src/recipe/teach';

const side = 256;
const bank = new BankRunner(1);
let bundle: Bundle;
let withLogit: Bundle; // the default bundle as if it had a zero-shot score: `embed` gives one
let model: InferenceSession;
let deps: TeachDeps;
let dataDir: string;

beforeAll(async () => {
  bundle = await loadBundle(null);
  const outputs = { ...bundle.manifest.outputs, logit: 'logit' };
  withLogit = { ...bundle, manifest: { ...bundle.manifest, outputs } };
  model = await InferenceSession.create(bundle.modelPath, { executionProviders: ['cpu'], intraOpNumThreads: 1 });
  bank.start();
  deps = { embed, bank, utc: () => '2026-01-01T00:00:00.000Z' };
});
afterAll(async () => {
  await model.release();
  await bank.end();
});
beforeEach(() => {
  dataDir = mkdtempSync(join(tmpdir(), 'verdictd-mix-'));
});
afterEach(() => rmSync(dataDir, { recursive: true, force: true }));

/** The brighter the picture, the more it looks like an anomaly. */
function logitOf(tensor: Float32Array): number {
  return (20 * tensor.reduce((sum, x) => sum + x, 0)) / tensor.length;
}
/** Tokens by picture: the same few are taught again and again. */
const seen = new Map<number, Float32Array>();
async function embed(tensor: Float32Array): Promise<Float32Array[]> {
  const logit = logitOf(tensor);
  const known = seen.get(logit);
  const tokens = known ?? (await model.run({ image: new Tensor('float32', tensor, [1, 3, side, side]) })).tokens?.data;
  if (!(tokens instanceof Float32Array)) throw new Error('the model gave no tokens');
  seen.set(logit, tokens);
  return [Float32Array.from(tokens), Float32Array.of(logit)];
}

/** A plate with a bore, noise of its own and a brightness of its own. */
function plate(seed: number, bore: { x: number; y: number }): Float32Array {
  const { imul, round } = Math; // a lookup of a global is slow in here
  let s = (seed + 1) * 2654435761;
  const tensor = new Float32Array(3 * side * side);
  for (let y = 0; y < side; y++)
    for (let x = 0; x < side; x++) {
      s = (imul(s, 1664525) + 1013904223) >>> 0;
      const hole = (x - bore.x) ** 2 + (y - bore.y) ** 2 < 20 ** 2;
      const grey = (hole ? 60 : 150) + (seed % 16) * 2 + (s / 2 ** 32) * 20;
      for (let c = 0; c < 3; c++) tensor[(c * side + y) * side + x] = (round(grey) / 255 - 0.5) / 0.5;
    }
  return tensor;
}
function part(name: string, tensor: Float32Array): GoodPart {
  const quality = { mean: 130, dark: 0, bright: 0, sharpness: 5 };
  return { name, read: () => Promise.resolve({ tensor: Float32Array.from(tensor), quality, picture: null }) };
}
/** The bore in its place, to a few pixels. */
let plates: GoodPart[] = [];
const good = (n: number): GoodPart[] => {
  if (plates.length === 0) plates = Array.from({ length: 8 }, (_, i) => part(`good${i}`, plate(i, { x: 80 + (i % 3), y: 128 - (i % 2) })));
  return plates.slice(0, n);
};

const options = (changes: Partial<TeachOptions>): TeachOptions => ({
  dataDir,
  recipe: 'plate',
  bundle,
  parts: good(8),
  shots: 4,
  symmetry: 'none',
  falseReject: 0.005,
  ...changes,
});
async function refusal(work: Promise<unknown>): Promise<string> {
  return await work.then(
    () => Promise.reject(new Error('accepted')),
    (thrown: unknown) => (thrown instanceof VerdictdError ? `${thrown.code} ${thrown.message}` : Promise.reject(thrown as Error)),
  );
}

describe('mixing', () => {
  test.each<[string, Partial<TeachOptions>, RegExp]>([
    ['more than all of it', { mix: 1.5 }, /share of 1.5.*0 to 1/],
    ['a share that is no number', { mix: Number.NaN }, /share of NaN/],
    ['of a bundle that has no zero-shot score', { mix: 0.5 }, /has no zero-shot score/],
  ])('%s is refused', async (_, changes, message) => {
    expect(await refusal(teach(options(changes), deps))).toMatch(message);
  });

  test('a model that gives no number for it, or none at all, is refused', async () => {
    for (const logit of [[Float32Array.of(Number.NaN)], []]) {
      const broken = { ...deps, embed: async (t: Float32Array) => [...(await embed(t)).slice(0, 1), ...logit] };
      expect(await refusal(teach(options({ bundle: withLogit, mix: 0.5 }), broken))).toMatch(/TEACH_REFUSED.*zero-shot/);
    }
  });

  test('shots that say the same, one shot, and logits far out give a finite scale', () => {
    for (const logits of [[-3], [2, 2, 2], [-80, -79, -81], [60, 61]]) {
      const mix = learnMix(
        'logit',
        0.5,
        logits,
        logits.map(() => 1),
      );
      expect(mix).not.toBeNull();
      expect(mix?.power).toBeLessThanOrEqual(1);
      if (mix !== null) expect(mixed(1, logits[0] ?? 0, mix)).toBeGreaterThan(0);
    }
  });

  test('the graph gives what the formula says; it grows with the logit, and stays finite and >= 0', async () => {
    const tap = { name: 'tokens', rows: 4, columns: 4, dim: 3 };
    const tokens = Float32Array.from({ length: 48 }, (_, i) => Math.sin(i * i));
    const settings: BankSettings = { distance: 'cosine', top: 0.1, height: 8, width: 8, sigma: 0, alignCorners: false };
    const taught = learnTap(tap, [[Float32Array.from({ length: 48 }, (_, i) => Math.cos(i * i))]], 'cosine');
    const mix: Mix = { output: 'logit', weight: 0.4, power: 0.3, centre: -1.2 };
    const open = (graph: Buffer) => InferenceSession.create(graph, { executionProviders: ['cpu'], intraOpNumThreads: 1 });
    const [plain, both] = [
      await open(bankGraph([taught], [1], settings).toBuffer()),
      await open(bankGraph([taught], [1], settings, mix).toBuffer()),
    ];
    const feeds = { tokens: new Tensor('float32', tokens, [1, 16, 3]) };
    const alone = await plain.run(feeds);
    const own = Number(alone.score?.data[0]);
    let last = 0;
    for (const logit of [-60, -20, -8, -1, -1e-3, 0, 1e-3, 1, 8, 60]) {
      const found = await both.run({ ...feeds, logit: new Tensor('float32', Float32Array.of(logit), [1]) });
      const score = Number(found.score?.data[0]);
      expect(score).toBeCloseTo(mixed(own, logit, mix), 4);
      expect(score).toBeGreaterThan(last);
      last = score;
      const apart = Number(found.map?.data[5]) - mixed(Number(alone.map?.data[5]), logit, mix);
      expect(Math.abs(apart)).toBeLessThan(1e-4);
    }
    await plain.release();
    await both.release();
  });

  test('without a share the bank is the same to the last byte; with one the recipe says it, and scores are mixed as it says', async () => {
    const plain = await teach(options({ bundle }), deps);
    const none = await teach(options({ bundle: withLogit, mix: 0, recipe: 'none' }), deps);
    expect(readFileSync(none.recipe.bankPath).equals(readFileSync(plain.recipe.bankPath))).toBe(true);
    expect(none.recipe.file.limit).toEqual(plain.recipe.file.limit);
    expect(none.recipe.file.mix).toBeUndefined();
    const both = await teach(options({ bundle: withLogit, mix: 0.4, recipe: 'both' }), deps);
    const { mix } = both.recipe.file;
    if (mix === undefined) throw new Error('no mix in the recipe');
    expect(mix).toMatchObject({ output: 'logit', weight: 0.4 });
    const rest = good(8).filter(({ name }) => !both.recipe.file.shots.some(({ source }) => source === name));
    expect(both.heldOut).toHaveLength(4);
    for (const [i, one] of rest.entries())
      expect(both.heldOut[i]).toBeCloseTo(mixed(plain.heldOut[i] ?? 0, logitOf((await one.read()).tensor), mix), 4);
    const again = await teach(options({ bundle: withLogit, mix: 0.4, recipe: 'again' }), deps);
    expect(readFileSync(again.recipe.bankPath).equals(readFileSync(both.recipe.bankPath))).toBe(true);
  });
});

describe('parts that always lie alike', () => {
  test.each<[string, Partial<TeachOptions>, RegExp]>([
    ['beside a symmetry', { position: 0.15, symmetry: 'rotations' }, /symmetry rotations do not always lie alike/],
    ['to nothing', { position: 0 }, /known to 0 of the picture/],
    ['to no number', { position: Number.NaN }, /known to NaN/],
    ['to more than the picture', { position: 1.5 }, /known to 1.5/],
  ])('%s: refused', async (_, changes, message) => {
    expect(await refusal(teach(options(changes), deps))).toMatch(message);
  });

  test('a bore in the wrong place escapes without the place, and is found with it; good parts pass either way', async () => {
    const wrong = [part('wrong', plate(3, { x: 176, y: 128 }))];
    const anywhere = await teach(options({ bad: wrong }), deps);
    expect(anywhere.report.escape).toMatchObject({ bad: 1, escaped: 1 });
    const inPlace = await teach(options({ bad: wrong, position: 0.15 }), deps);
    expect(inPlace.report.escape).toMatchObject({ bad: 1, escaped: 0 });
    expect(inPlace.recipe.file.position).toBe(0.15);
    for (const { heldOut, report } of [anywhere, inPlace]) {
      expect(heldOut).toHaveLength(4);
      expect(heldOut.filter((score) => score > report.limit)).toEqual([]);
    }
  });

  test('the scale of a single shot knows nothing of places: it is what it is without', () => {
    const tap = { name: 'tokens', rows: 8, columns: 8, dim: 6 };
    const tokens = Float32Array.from({ length: 64 * 6 }, (_, i) => Math.sin(i * 1.7) + Math.cos(i * i));
    for (const distance of ['whitened', 'cosine'] as const) {
      const scales = [null, 0.15].map((tolerance) => selfSimilarity([learnTap(tap, [[tokens]], distance, tolerance)], 0.05));
      expect(scales[0]).not.toBeNull();
      expect(scales[1]).toEqual(scales[0]);
    }
  });
});

import { mkdtempSync, readdirSync, readFileSync, rmSync, symlinkSync, unlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { InferenceSession, Tensor } from 'onnxruntime-node';
import sharp from 'sharp';
import { loadBundle } from '../../src/bundle/load';
import type { Bundle } from '../../src/bundle/manifest';
import { VerdictdError } from '../../src/errors';
import { sha256 } from '../../src/hash';
import { Draft } from '../../src/recipe/draft';
import { BankRunner } from '../../src/recipe/runner';
import type { GoodPart } from '../../src/recipe/shots';
import { listRecipes, loadRecipe, numberFor } from '../../src/recipe/store';
import { type TeachDeps, type TeachOptions, teach } from '../../src/recipe/teach';

const side = 256;
const { sin, hypot, round, abs } = Math; // a lookup of a global is slow in here
let dataDir: string;
let bundle: Bundle;
let model: InferenceSession;
const bank = new BankRunner(1);
let deps: TeachDeps;

beforeAll(async () => {
  bundle = await loadBundle(null);
  model = await InferenceSession.create(bundle.modelPath, { executionProviders: ['cpu'], intraOpNumThreads: 1 });
  bank.start();
  deps = { embed, bank, utc: () => '2026-01-01T00:00:00.000Z' };
});
afterAll(async () => {
  await model.release();
  await bank.end();
});
beforeEach(() => {
  dataDir = mkdtempSync(join(tmpdir(), 'verdictd-recipe-'));
});
afterEach(() => rmSync(dataDir, { recursive: true, force: true }));

async function embed(tensor: Float32Array): Promise<Float32Array[]> {
  const found = await model.run({ image: new Tensor('float32', tensor, [1, 3, side, side]) });
  return [Float32Array.from(found.tokens?.data as Float32Array)];
}

/** A drawn part: rings and bars with noise of its own, at the model's own size, on the 8 bit grid. */
const drawn = new Map<string, Uint8Array>();
function pixels(seed: number, scratch = false): Uint8Array {
  const known = drawn.get(`${seed} ${scratch}`) ?? draw(seed, scratch);
  drawn.set(`${seed} ${scratch}`, known);
  return known;
}
function draw(seed: number, scratch: boolean): Uint8Array {
  let s = (seed + 1) * 2654435761;
  const rgb = new Uint8Array(side * side * 3);
  for (let y = 0; y < side; y++)
    for (let x = 0; x < side; x++) {
      s = (Math.imul(s, 1664525) + 1013904223) >>> 0;
      const r = hypot(x - 128, y - 128);
      const ring = sin(r / 5) * 40 + (r < 90 ? 120 : 60) + (seed % 12) * 4; // no two parts are the same scene
      const mark = scratch && abs(x - y / 2 - 60) < 2 && y > 60 && y < 140 ? 70 : 0;
      const grey = round(ring + mark + (s / 2 ** 32) * 20);
      rgb.set([grey, grey, grey - 10], (y * side + x) * 3);
    }
  return rgb;
}

function part(name: string, rgb: Uint8Array): GoodPart {
  return {
    name,
    read() {
      const tensor = new Float32Array(3 * side * side);
      let mean = 0;
      for (let at = 0; at < side * side; at++)
        for (let c = 0; c < 3; c++) {
          const v = rgb[at * 3 + c] ?? 0;
          tensor[c * side * side + at] = (v / 255 - 0.5) / 0.5;
          mean += v / rgb.length;
        }
      const quality = { mean, dark: 0, bright: 0, sharpness: 5 };
      return Promise.resolve({
        tensor,
        quality,
        picture: { width: side, height: side, stride: side * 3, pixelFormat: 'RGB8' as const, data: rgb },
      });
    },
  };
}
const good = (n: number, from = 0): GoodPart[] => Array.from({ length: n }, (_, i) => part(`good${from + i}`, pixels(from + i)));
const unreadable: GoodPart = {
  name: 'broken.png',
  read: () => Promise.reject(new VerdictdError('IMAGE_UNREADABLE', 'broken.png is cut off')),
};
const options = (changes: Partial<TeachOptions>): TeachOptions => ({
  dataDir,
  recipe: 'plate',
  bundle,
  parts: good(4),
  shots: null,
  symmetry: 'none',
  falseReject: 0.005,
  ...changes,
});

async function refusal(work: Promise<unknown>): Promise<VerdictdError> {
  try {
    await work;
  } catch (thrown) {
    if (thrown instanceof VerdictdError) return thrown;
    throw thrown;
  }
  throw new Error('accepted');
}
const files = (dir: string): Record<string, string> =>
  Object.fromEntries(
    readdirSync(dir, { recursive: true, withFileTypes: true })
      .filter((entry) => entry.isFile())
      .map((entry) => [join(entry.parentPath, entry.name).slice(dir.length), sha256(readFileSync(join(entry.parentPath, entry.name)))]),
  );

describe('parts that cannot make a recipe are refused with a sentence, and leave nothing behind', () => {
  test.each<[string, Partial<TeachOptions>, RegExp]>([
    ['no part', { parts: [] }, /at least one/],
    ['zero shots', { shots: 0 }, /0 shots/],
    ['a promise of nothing', { falseReject: 0 }, /promise of 0/],
    ['only unreadable parts', { parts: [unreadable, unreadable] }, /none of the 2 pictures.*cut off/],
    ['the same picture again and again', { parts: [1, 2, 3].map((i) => part(`copy${i}`, pixels(7))) }, /all 3 pictures are the same/],
    ['a black picture', { parts: [part('cap', new Uint8Array(side * side * 3))] }, /black/],
    ['a picture of nothing', { parts: [part('grey', new Uint8Array(side * side * 3).fill(128))] }, /no scale/],
  ])('%s', async (_, changes, message) => {
    const error = await refusal(teach(options(changes), deps));
    expect(error.code).toBe('TEACH_REFUSED');
    expect(error.message).toMatch(message);
    expect(await listRecipes(dataDir)).toEqual([]);
    expect(Object.keys(files(dataDir))).toEqual([]);
  });

  test('a model that gives NaN, or too few tokens', async () => {
    const nan = { ...deps, embed: async (t: Float32Array) => (await embed(t)).map((x) => x.fill(Number.NaN, 5, 6)) };
    expect((await refusal(teach(options({}), nan))).code).toBe('TEACH_REFUSED');
    const few = { ...deps, embed: async (t: Float32Array) => (await embed(t)).map((x) => x.subarray(1)) };
    expect((await refusal(teach(options({}), few))).code).toBe('TEACH_REFUSED');
  });

  test('a stop signal', async () => {
    const abort = new AbortController();
    const progress = (): void => abort.abort(new Error('stopped by SIGTERM'));
    await expect(teach(options({}), { ...deps, progress, signal: abort.signal })).rejects.toThrow('SIGTERM');
    expect(Object.keys(files(dataDir))).toEqual([]);
  });

  test('an id that cannot be one', async () => {
    expect((await refusal(teach(options({ recipe: '../up' }), deps))).code).toBe('USAGE');
  });
});

test('one shot makes a provisional recipe and says what it is worth', async () => {
  const { report, recipe } = await teach(options({ parts: good(1) }), deps);
  expect(report).toMatchObject({ recipe: 'plate', number: 1, shots: 1, provisional: true, goodPartsNeeded: 598, bundle: bundle.sha256 });
  expect(report.limit).toBeGreaterThan(1);
  expect(report.warnings.join()).toMatch(/one shot alone.*provisional/);
  expect(recipe.file.limit.rule).toMatch(/single shot/);
});

test('broken, doubled, dark and odd parts are named; the others teach', async () => {
  const dark = part(
    'dark',
    pixels(3).map((v) => v / 3),
  );
  const odd = part(
    'odd',
    pixels(4, true).map((v, i) => (Math.floor(i / 3) % 16 < 8 ? v : 255 - v)),
  );
  const parts = [...good(5), unreadable, part('twin', pixels(0)), dark, odd];
  const { report } = await teach(options({ parts, shots: 8 }), deps);
  const said = report.warnings.join('\n');
  expect(report.shots).toBe(7);
  expect(said).toMatch(/broken\.png is cut off/);
  expect(said).toMatch(/same picture/);
  expect(said).toMatch(/dark is much darker/);
  expect(said).toMatch(/odd does not look like the other shots/);
  expect(said).toMatch(/7 shots instead of 8/);
});

describe('who is not like the others is named', () => {
  test('a defective part, by its score against the others', async () => {
    const { report } = await teach(options({ parts: [...good(6), part('scratched', pixels(6, true))] }), deps);
    expect(report.warnings.join('\n')).toMatch(/scratched does not look like the other shots \(score/);
    expect(report.warnings.filter((one) => /does not look like/.test(one) && !one.startsWith('scratched'))).toEqual([]);
    expect(report.standing.map(({ name }) => name)).toContain('scratched');
  });

  test('two parts of another product, which are like each other', async () => {
    const other = [7, 8].map((i) =>
      part(
        `other${i}`,
        pixels(i).map((v, at) => {
          const [x, y] = [(Math.floor(at / 3) % side) + 3 * i, Math.floor(at / 3 / side)];
          return 60 + (v % 16) + (((x >> 3) ^ (y >> 4)) & 1) * 120;
        }),
      ),
    );
    const { report } = await teach(options({ parts: [...good(6), ...other] }), deps);
    for (const name of ['other7', 'other8'])
      expect(report.warnings.join('\n')).toMatch(new RegExp(`${name} does not look like the other shots .*another product`));
  });

  test('a part left lying: its second picture is left out, and held-out parts are not counted twice', async () => {
    const again = part(
      'again',
      pixels(0).map((v, at) => v + (at % 2)),
    );
    const { report, heldOut } = await teach(options({ parts: [...good(4), again], shots: 2 }), deps);
    expect(report.warnings.join('\n')).toMatch(/again is nearly the same picture as good0/);
    expect(heldOut).toHaveLength(2);
  });
});

describe('bad parts, limit samples, grey zone and region rules', () => {
  const scratched = (n: number): GoodPart[] => Array.from({ length: n }, (_, i) => part(`bad${i}`, pixels(30 + i, true)));

  test('rules that would pass every part, and a grey zone that is none, are refused', async () => {
    const nothing = { include: [], ignore: [[0, 0, 1, 1]] as const, mask: null, minArea: 0, top: 1 };
    expect((await refusal(teach(options({ regions: nothing }), deps))).message).toMatch(/nothing of the picture/);
    expect((await refusal(teach(options({ grey: -1 }), deps))).message).toMatch(/grey zone of -1/);
    expect((await refusal(teach(options({ grey: Number.NaN }), deps))).code).toBe('TEACH_REFUSED');
  });

  test('bad parts say how many escape, and do not move the limit', async () => {
    const without = await teach(options({ parts: good(8), shots: 4 }), deps);
    const { report, recipe } = await teach(options({ parts: good(8), shots: 4, bad: scratched(3) }), deps);
    expect(report.limit).toBe(without.report.limit);
    expect(report.escape).toMatchObject({ bad: 3 });
    expect(recipe.file.limit.escape).toEqual(report.escape);
    expect(report.warnings.join('\n')).toMatch(/of 3 known-bad parts are not rejected: at most/);
  });

  test('a limit sample passes; a bad part no worse than it is named', async () => {
    const { report, recipe } = await teach(options({ parts: good(8), shots: 4, limitSamples: scratched(1), bad: scratched(1) }), deps);
    // The bad part is the limit sample's own picture: it is left out as a copy, and nothing is claimed.
    expect(report.escape).toBeNull();
    expect(recipe.file.limit.limitSamples).toBe(1);
    expect(recipe.file.limit.rule).toMatch(/raised from .* limit sample bad0/);
  });

  test('region rules: a scratch under the ignore rectangle scores as a good part, elsewhere it does not; the recipe holds them', async () => {
    const regions = (ignore: readonly (readonly [number, number, number, number])[]) => ({
      include: [],
      ignore,
      mask: null,
      minArea: 0.0005,
      top: 1,
    });
    const where = [0.3, 0.15, 0.45, 0.5] as const; // the scratch lies there
    const run = (ignore: readonly (typeof where)[]) =>
      teach(options({ parts: good(8), shots: 4, limitSamples: scratched(1), regions: regions(ignore) }), deps);
    const seen = await run([]);
    const ignored = await run([where]);
    expect(seen.report.limit).toBeGreaterThan(ignored.report.limit);
    expect(seen.recipe.file.limit.rule).toMatch(/limit sample/);
    expect(ignored.recipe.file.regions).toEqual(regions([where]));
    for (const one of [seen, ignored]) expect(one.report.limit).toBeGreaterThan(0);
  });
});

test('good parts lie near 1, a scratch lies above, by the bank as the station runs it', async () => {
  const { recipe, heldOut } = await teach(options({ parts: good(12), shots: 6 }), deps);
  expect(heldOut).toHaveLength(6);
  for (const score of heldOut) expect(Math.abs(score - 1)).toBeLessThan(0.4);
  await bank.open(recipe.bankPath);
  const { tensor } = await part('bad', pixels(50, true)).read();
  const bad = await bank.run(recipe.bankPath, await embed(tensor));
  await bank.close(recipe.bankPath);
  expect(bad.score?.[0]).toBeGreaterThan(Math.max(...heldOut));
  expect(bad.map).toHaveLength(side * side);
});

test('the same shots again: the same bytes; another product: the first one untouched; the earlier revision kept', async () => {
  const first = await teach(options({ symmetry: 'flips' }), deps);
  const before = files(join(dataDir, 'recipes', 'plate'));
  await teach(options({ recipe: 'other', parts: good(3, 20) }), deps);
  expect(files(join(dataDir, 'recipes', 'plate'))).toEqual(before);
  const again = await teach(options({ symmetry: 'flips' }), deps);
  expect(again.recipe.file.bank).toEqual(first.recipe.file.bank);
  expect(again.recipe.file.limit).toEqual(first.recipe.file.limit);
  expect(again.recipe.file).toMatchObject({ number: 1, revision: 2 });
  const kept = JSON.parse(readFileSync(join(dataDir, 'recipes', 'plate', 'history', '1', 'recipe.json'), 'utf8')) as unknown;
  expect(kept).toMatchObject(first.recipe.file);
  expect((await listRecipes(dataDir)).map(({ id, file }) => [id, file?.number])).toEqual([
    ['other', 2],
    ['plate', 1],
  ]);
});

test('shots are kept without loss, from a picture or from the tensor alone', async () => {
  const { recipe } = await teach(options({ parts: good(2) }), deps);
  const shot = recipe.file.shots[0];
  const stored = await sharp(join(recipe.dir, shot?.file ?? ''))
    .raw()
    .toBuffer();
  expect(Buffer.from(pixels(0)).equals(stored)).toBe(true);
  const bare = good(2).map((one) => ({ ...one, read: async () => ({ ...(await one.read()), picture: null }) }));
  const again = await teach(options({ parts: bare }), deps);
  expect(again.recipe.file.bank).toEqual(recipe.file.bank);
  expect(again.recipe.file.shots.map((one) => one.sha256)).toEqual(recipe.file.shots.map((one) => one.sha256));
});

describe('a recipe on disk', () => {
  test('that is not there: the error names those that are', async () => {
    expect((await refusal(loadRecipe(dataDir, 'plate'))).message).toMatch(/there is none yet/);
    await teach(options({}), deps);
    const error = await refusal(loadRecipe(dataDir, 'plates'));
    expect(error.code).toBe('RECIPE_MISSING');
    expect(error.message).toMatch(/there are plate\b/);
  });

  test('with one bit changed, a file missing or linked, or a broken recipe.json', async () => {
    const { recipe } = await teach(options({}), deps);
    for (const name of [recipe.file.bank.file, recipe.file.shots[0]?.file ?? '']) {
      const path = join(recipe.dir, name);
      const bytes = readFileSync(path);
      const bad = Buffer.from(bytes);
      bad[100] = (bad[100] ?? 0) ^ 1;
      writeFileSync(path, bad);
      const error = await refusal(loadRecipe(dataDir, 'plate'));
      expect(error.code).toBe('RECIPE_REFUSED');
      expect(error.message).toContain(sha256(bad));
      unlinkSync(path);
      expect((await refusal(loadRecipe(dataDir, 'plate'))).message).toMatch(/is missing/);
      symlinkSync('/etc/hostname', path);
      expect((await refusal(loadRecipe(dataDir, 'plate'))).message).toMatch(/symbolic link/);
      unlinkSync(path);
      writeFileSync(path, bytes);
    }
    const path = join(recipe.dir, 'recipe.json');
    const text = readFileSync(path, 'utf8');
    for (const bad of [
      '',
      '{',
      text.replace('"plate"', '"other"'),
      text.replace('shots/', '../../shots/'),
      text.replace('"value"', '"worth"'),
      text.replace(/"value": [0-9]/, (limit) => `${limit}9`), // a limit that nothing exceeds
      text.replace('"provisional": true', '"provisional": false'),
      text.replace(/,\s*"seal": "[0-9a-f]+"/, ''),
      '[]',
    ]) {
      writeFileSync(path, bad);
      expect((await refusal(loadRecipe(dataDir, 'plate'))).code).toBe('RECIPE_REFUSED');
    }
    expect(await listRecipes(dataDir)).toMatchObject([{ id: 'plate', file: null }]);
    expect((await refusal(numberFor(dataDir, 'next'))).code).toBe('RECIPE_REFUSED');
    writeFileSync(path, text);
    await loadRecipe(dataDir, 'plate');
  });

  test('half written by a teach that was cut short: not seen, and swept away by the next', async () => {
    const draft = await Draft.begin(dataDir, 'plate');
    await draft.addShot(Buffer.from('x'), '.png', 'somewhere');
    expect(await listRecipes(dataDir)).toEqual([]);
    await teach(options({}), deps);
    expect(readdirSync(join(dataDir, 'recipes'))).toEqual(['plate']);
  });
});

import { createHash } from 'node:crypto';
import { existsSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { PassThrough } from 'node:stream';
import sharp from 'sharp';
import { Context } from '../../src/cli/context';
import { type Inspected, register } from '../../src/cli/inspect';
import { Io } from '../../src/cli/io';
import { buildProgram } from '../../src/cli/program';
import { preprocess } from '../../src/native';
import type { RecipeFile } from '../../src/recipe/recipe';
import { recipeText } from '../../src/recipe/store';
import { Bench, bundleOf, golden, nan, recipeOf, side } from './models';

const bench = new Bench();
afterAll(() => bench.close());
const pictures = join(bench.dir, 'pictures');
const dataDir = join(bench.dir, 'data');

const hash = (bytes: Buffer) => createHash('sha256').update(bytes).digest('hex');

async function grey(path: string, value: number, width = 32, height = 24): Promise<string> {
  mkdirSync(join(path, '..'), { recursive: true });
  await sharp({ create: { width, height, channels: 3, background: { r: value, g: value, b: value } } })
    .png()
    .toFile(path);
  return path;
}

/** A bundle as a folder that loadBundle takes: golden image 51, that is 0.2. */
async function bundleDir(name: string, options: Parameters<typeof bundleOf>[2] = {}): Promise<string> {
  const dir = join(bench.dir, `${name}-bundle`);
  mkdirSync(dir);
  const { manifest, modelPath } = bundleOf(bench.dir, name, { goldenScore: 0.2, ...options });
  writeFileSync(join(dir, 'model.onnx'), readFileSync(modelPath));
  await grey(join(dir, 'golden.png'), 51);
  manifest.files = {};
  for (const file of ['model.onnx', 'golden.png']) {
    const bytes = readFileSync(join(dir, file));
    manifest.files[file] = { sha256: hash(bytes), bytes: bytes.length };
  }
  writeFileSync(join(dir, 'manifest.json'), JSON.stringify(manifest));
  return dir;
}

/** Score = 10 x the grey value in 0..1; limit 5, grey zone 1. */
function recipe(id: string, bundle: string, limit: Partial<RecipeFile['limit']> = {}): void {
  const dir = join(dataDir, 'recipes', id);
  mkdirSync(join(dir, 'shots'), { recursive: true });
  const { file, bankPath } = recipeOf(bench.dir, id);
  const bank = readFileSync(bankPath);
  writeFileSync(join(dir, 'bank.onnx'), bank);
  const sha256 = hash(readFileSync(join(bundle, 'manifest.json')));
  const whole: RecipeFile = {
    ...file,
    bundle: { name: 'tiny', sha256 },
    bank: { file: 'bank.onnx', sha256: hash(bank), bytes: bank.length, vectors: 1 },
    limit: { ...file.limit, value: 5, grey: 1, ...limit },
    reference: { mean: 120, sharpness: 0 },
  };
  writeFileSync(join(dir, 'recipe.json'), recipeText(whole));
}

interface Ran {
  exit: number;
  error: { code?: string; message: string } | null;
  lines: Inspected[];
  text: string;
}

async function run(...args: string[]): Promise<Ran> {
  const stdout = new PassThrough();
  const stderr = new PassThrough();
  const io = new Io(stdout, stderr, () => undefined);
  const context = new Context(io, new AbortController().signal, {});
  const program = buildProgram(context, [register]);
  for (const one of [program, ...program.commands]) one.configureOutput({ writeOut: () => undefined, writeErr: () => undefined });
  const argv = ['--data-dir', dataDir, '--log-level', 'silent', '--set', 'inference.providers=cpu', 'inspect', ...args];
  let error: Ran['error'] = null;
  try {
    await program.parseAsync(argv, { from: 'user' });
  } catch (thrown) {
    error = thrown as Error;
  }
  const text = String(stdout.read() ?? '');
  const lines = args.includes('--json')
    ? text
        .split('\n')
        .filter(Boolean)
        .map((line) => JSON.parse(line) as Inspected)
    : [];
  return { exit: error === null ? context.exitCode : -1, error, lines, text };
}

let tiny = '';
beforeAll(async () => {
  tiny = await bundleDir('tiny');
  recipe('plate', tiny);
  await grey(join(pictures, 'good', '1.png'), 100);
  await grey(join(pictures, 'good', '10.png'), 120);
  await grey(join(pictures, 'bad', '2.png'), 160, 40, 30);
});

test.each([
  [[], 'commander.missingArgument'],
  [['x.png', '--recipe', 'Not A Slug'], 'commander.invalidArgument'],
  [['x.png', '--recipe', 'nobody'], 'RECIPE_MISSING'],
  [['x.png', '--bundle', '/nowhere'], 'BUNDLE_MISSING'],
])('arguments %p: %s', async (args, code) => {
  expect((await run(...args, '--json')).error?.code).toBe(code);
});

test('a bundle changed by one bit is refused before anything is judged', async () => {
  const dir = await bundleDir('flipped');
  const model = readFileSync(join(dir, 'model.onnx'));
  model[model.length >> 1] = (model[model.length >> 1] ?? 0) ^ 1;
  writeFileSync(join(dir, 'model.onnx'), model);
  const { error, lines } = await run(pictures, '--bundle', dir, '--json');
  expect(error).toMatchObject({ code: 'BUNDLE_REFUSED', message: expect.stringContaining('model.onnx was altered') as string });
  expect(lines).toEqual([]);
});

test('a recipe made for another bundle is refused', async () => {
  recipe('stranger', await bundleDir('other'));
  const { error } = await run(pictures, '--recipe', 'stranger', '--bundle', tiny, '--json');
  expect(error?.code).toBe('RECIPE_REFUSED');
  expect(error?.message).toContain('Name its bundle with --bundle DIR');
});

test('what cannot be judged is a line with ERROR and why; the others are judged; exit code 1', async () => {
  const broken = join(bench.dir, 'broken.png');
  writeFileSync(broken, 'no picture');
  const empty = join(bench.dir, 'empty');
  mkdirSync(empty);
  const names = [broken, join(bench.dir, 'missing.png'), empty, join(pictures, 'good', '1.png')];
  for (const more of [[], ['--recipe', 'plate']]) {
    const { lines, exit, error } = await run(...names, '--bundle', tiny, ...more, '--json');
    expect(error).toBeNull();
    expect(exit).toBe(1);
    expect(lines.map((line) => line.image)).toEqual(names);
    for (const line of lines.slice(0, 3)) {
      expect(line).toMatchObject({ score: null, evaluation: 0, verdict: 'ERROR', mapMax: null, width: null, height: null });
      expect(line.error?.length).toBeGreaterThan(30);
    }
    expect(lines[3]).toMatchObject({ width: 32, height: 24 });
    expect(lines[3]).not.toHaveProperty('error');
  }
});

test('a model that gives NaN on one picture: ERROR for that one', async () => {
  const dir = await bundleDir('nan', { map: nan.map });
  const black = await grey(join(bench.dir, 'black.png'), 0);
  const { lines, exit } = await run(black, join(pictures, 'good', '1.png'), '--bundle', dir, '--json');
  expect(exit).toBe(1);
  expect(lines[0]).toMatchObject({
    verdict: 'ERROR',
    evaluation: 0,
    score: null,
    width: 32,
    error: expect.stringContaining('NaN') as string,
  });
  expect(lines[1]).toMatchObject({ verdict: null, evaluation: null });
});

test('a picture too dark for the recipe is not judged good, whatever the model says', async () => {
  const dark = await grey(join(bench.dir, 'dark.png'), 20);
  const { lines, exit } = await run(dark, '--bundle', tiny, '--recipe', 'plate', '--json');
  expect(exit).toBe(1);
  expect(lines[0]).toMatchObject({ evaluation: 0, verdict: 'ERROR', error: expect.stringContaining('too dark') as string });
});

test('two images that would write one file are refused before the work', async () => {
  const twin = await grey(join(bench.dir, 'twin', '1.png'), 100);
  const out = join(bench.dir, 'twin-out');
  const { error } = await run(join(pictures, 'good', '1.png'), twin, '--bundle', tiny, '--map-out', out, '--json');
  expect(error?.code).toBe('USAGE');
  expect(existsSync(out)).toBe(false);
});

test('without a recipe: the method’s own score, and no verdict', async () => {
  const { lines, exit } = await run(pictures, '--bundle', tiny, '--json');
  expect(exit).toBe(0);
  expect(lines.map((line) => line.image.slice(pictures.length + 1))).toEqual(['bad/2.png', 'good/1.png', 'good/10.png']);
  const [first] = lines;
  expect(Object.keys(first ?? {})).toEqual([
    ...['image', 'score', 'limit', 'evaluation', 'verdict', 'probabilities', 'mapMax', 'width', 'height', 'ms'],
  ]);
  expect(first).toMatchObject({ limit: null, evaluation: null, verdict: null, probabilities: null, width: 40, height: 30 });
  [160, 100, 120].forEach((value, i) => {
    expect(lines[i]?.score).toBeCloseTo(value / 255, 5);
    expect(lines[i]?.mapMax).toBeCloseTo(value / 255, 5);
  });
  expect(Object.keys(first?.ms ?? {}).sort()).toEqual(['bank', 'decode', 'model', 'preprocess', 'queue']);
});

test('with a recipe: calibrated score, limit, evaluation and its word', async () => {
  const { lines, exit } = await run(pictures, '--bundle', tiny, '--recipe', 'plate', '--json');
  expect(exit).toBe(0);
  expect(lines.map(({ limit, evaluation, verdict }) => [limit, evaluation, verdict])).toEqual([
    [5, 2, 'FAIL'],
    [5, 1, 'PASS'],
    [5, 3, 'UNDECIDED'],
  ]);
  expect(lines[0]?.score).toBeCloseTo(1600 / 255, 4);
});

test('arrays: the map as judged and the tensor as the model saw it, under the folder’s names', async () => {
  const maps = join(bench.dir, 'maps');
  const tensors = join(bench.dir, 'tensors');
  const out = ['--map-out', maps, '--tensor-out', tensors];
  expect((await run(pictures, join(pictures, 'bad', '2.png'), '--bundle', tiny, ...out, '--json')).exit).toBe(0);
  const floats = (bytes: Buffer) => {
    const start = 10 + bytes.readUInt16LE(8);
    return { header: bytes.toString('latin1', 10, start), data: new Float32Array(Uint8Array.from(bytes.subarray(start)).buffer) };
  };
  for (const name of ['good/1', 'good/10', 'bad/2', '2']) expect(existsSync(join(maps, `${name}.npy`))).toBe(true);
  const tensor = floats(readFileSync(join(tensors, 'good', '1.npy')));
  expect(tensor.header).toContain(`'shape': (3, ${side}, ${side}), `);
  const data = new Uint8Array(32 * 24 * 3).fill(100);
  const input = { width: side, height: side, resize: 'bicubic', fit: 'squash', mean: [0, 0, 0], std: [1, 1, 1] } as const;
  const expected = await preprocess(
    { width: 32, height: 24, stride: 96, pixelFormat: 'RGB8', data },
    { ...input, mean: [...input.mean], std: [...input.std] },
  );
  expect(tensor.data).toEqual(expected.tensor);
  const map = floats(readFileSync(join(maps, 'good', '1.npy')));
  expect(map.header).toContain(`'shape': (${side}, ${side}), `);
  expect(map.data).toHaveLength(side * side);
  expect(Math.max(...map.data)).toBeCloseTo(100 / 255, 5);
});

test('for people: one row an image', async () => {
  const { text, exit } = await run(join(pictures, 'good', '1.png'), '--bundle', tiny, '--recipe', 'plate');
  expect(exit).toBe(0);
  expect(text).toBe(`PASS         3.9216 / 5.0000  ${join(pictures, 'good', '1.png')}\n`);
  expect(golden).toBe(0.5);
});

import { cpSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, symlinkSync, unlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { defaultBundleDir, loadBundle } from '../../src/bundle/load';
import type { Manifest } from '../../src/bundle/manifest';
import { VerdictdError } from '../../src/errors';
import { sha256 } from '../../src/hash';
import { Graph } from '../../src/onnx/graph';

let root: string;
let dir: string;
beforeAll(() => {
  root = mkdtempSync(join(tmpdir(), 'verdictd-bundle-'));
});
afterAll(() => rmSync(root, { recursive: true, force: true }));
beforeEach(() => {
  dir = join(root, `b${Math.random()}`);
  cpSync(defaultBundleDir(), dir, { recursive: true });
});

async function refusal(folder: string = dir): Promise<VerdictdError> {
  try {
    await loadBundle(folder);
  } catch (thrown) {
    if (thrown instanceof VerdictdError) return thrown;
    throw thrown;
  }
  throw new Error('accepted');
}

const manifest = (): Manifest => JSON.parse(readFileSync(join(dir, 'manifest.json'), 'utf8')) as Manifest;
const write = (changed: unknown): void => writeFileSync(join(dir, 'manifest.json'), JSON.stringify(changed));
/** Puts another model in, with a manifest that names its true hash. */
function swapModel(bytes: Buffer): void {
  const changed = manifest();
  changed.files['model.onnx'] = { sha256: sha256(bytes), bytes: bytes.length };
  write(changed);
  writeFileSync(join(dir, 'model.onnx'), bytes);
}

test('no folder, no manifest', async () => {
  expect((await refusal(join(root, 'none'))).code).toBe('BUNDLE_MISSING');
  mkdirSync(join(root, 'empty'));
  expect((await refusal(join(root, 'empty'))).code).toBe('BUNDLE_MISSING');
});

test('one bit changed, anywhere: refused, with the file, the hash it has and the hash it should have', async () => {
  const names = Object.keys(manifest().files);
  for (let i = 0; i < 60; i++) {
    const name = names[i % names.length] ?? '';
    const path = join(dir, name);
    const bytes = readFileSync(path);
    const bit = (i * 104729) % (bytes.length * 8);
    const bad = Buffer.from(bytes);
    bad[bit >> 3] = (bad[bit >> 3] ?? 0) ^ (1 << (bit & 7));
    writeFileSync(path, bad);
    const { code, message } = await refusal();
    expect(code).toBe('BUNDLE_REFUSED');
    expect(message).toContain(name);
    expect(message).toContain(sha256(bad));
    expect(message).toContain(manifest().files[name]?.sha256);
    writeFileSync(path, bytes);
  }
  await loadBundle(dir);
});

test('cut off, too long, missing, too many, linked', async () => {
  const path = join(dir, 'model.onnx');
  const bytes = readFileSync(path);
  for (let i = 0; i < 50; i++) {
    writeFileSync(path, bytes.subarray(0, Math.floor((bytes.length * i) / 50)));
    expect((await refusal()).message).toMatch(/model\.onnx has \d+ bytes; expected/);
  }
  writeFileSync(path, Buffer.concat([bytes, Buffer.from([0])]));
  expect((await refusal()).message).toContain(`has ${bytes.length + 1} bytes; expected ${bytes.length}`);
  unlinkSync(path);
  expect((await refusal()).message).toMatch(/model\.onnx is missing/);
  symlinkSync(join(defaultBundleDir(), 'model.onnx'), path);
  expect((await refusal()).message).toMatch(/symbolic link/);
  unlinkSync(path);
  writeFileSync(path, bytes);
  writeFileSync(join(dir, 'weights.bin'), 'x');
  expect((await refusal()).message).toMatch(/weights\.bin, which its manifest does not name/);
});

test.each<[string, (m: Manifest) => unknown, RegExp]>([
  ['a key nobody knows', (m) => ({ ...m, signed: true }), /signed/],
  ['another format', (m) => ({ ...m, format: 2 }), /format/],
  [
    'a file outside the folder',
    (m) => ({ ...m, files: { ...m.files, '../secret': { sha256: 'a'.repeat(64), bytes: 1 } } }),
    /\.\.\/secret/,
  ],
  ['a hash that is none', (m) => ({ ...m, files: { 'model.onnx': { sha256: 'zz', bytes: 1 } } }), /64 hex digits/],
  ['no model', (m) => ({ ...m, files: { 'golden.png': m.files['golden.png'] } }), /model\.onnx/],
  ['no golden picture', (m) => ({ ...m, golden: { ...m.golden, image: 'other.png' } }), /other\.png/],
  [
    'a tap the model does not have',
    (m) => ({ ...m, taps: [{ name: 'deep', rows: 4, columns: 4, dim: 8 }] }),
    /outputs are .*expected .*deep/,
  ],
  ['taps of another size', (m) => ({ ...m, taps: m.taps.map((tap) => ({ ...tap, dim: tap.dim + 1 })) }), /expected/],
  ['another input size', (m) => ({ ...m, input: { ...m.input, width: 128 } }), /inputs are/],
])('a manifest with %s', async (_, change, message) => {
  write(change(manifest()));
  const error = await refusal();
  expect(error.code).toBe('BUNDLE_REFUSED');
  expect(error.message).toMatch(message);
});

test('a manifest that is not JSON, or absurdly long', async () => {
  writeFileSync(join(dir, 'manifest.json'), '{"format":1,');
  expect((await refusal()).message).toMatch(/not JSON/);
  writeFileSync(join(dir, 'manifest.json'), Buffer.alloc(2 << 20, 32));
  expect((await refusal()).message).toMatch(/expected at most/);
});

test('a model with a true hash that is not what the manifest promises is still refused', async () => {
  const graph = new Graph('other');
  graph.output('score', graph.input('image', 'float32', [1]));
  swapModel(graph.toBuffer());
  expect((await refusal()).message).toMatch(/inputs are image float32 \[1\]/);
  swapModel(Buffer.from('not a model'));
  expect((await refusal()).code).toBe('BUNDLE_REFUSED');
});

test('the default bundle loads, says that it is a bootstrap model, and is small', async () => {
  const bundle = await loadBundle(null);
  expect(bundle.manifest.bootstrap).toBe(true);
  expect(bundle.sha256).toBe(sha256(readFileSync(join(bundle.dir, 'manifest.json'))));
  const bytes = readdirSync(bundle.dir).reduce((sum, name) => sum + readFileSync(join(bundle.dir, name)).length, 0);
  expect(bytes).toBeLessThan(1_000_000);
});

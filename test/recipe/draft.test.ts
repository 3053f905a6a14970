/** A recipe's files while it is being taught: in their order, whole, and nothing left where one cannot be written. */
import { mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as pause } from 'node:timers/promises';
import type { InputSpec } from '../../src/ports';
import { bankGraph, learnTap } from '../../src/recipe/bank';
import { type Decided, Draft } from '../../src/recipe/draft';
import { shotFile } from '../../src/recipe/shots';
import { listRecipes, loadRecipe } from '../../src/recipe/store';

let dataDir: string;
beforeEach(() => {
  dataDir = mkdtempSync(join(tmpdir(), 'verdictd-draft-'));
});
afterEach(() => rmSync(dataDir, { recursive: true, force: true }));

const settings = { distance: 'cosine', top: 0.5, height: 8, width: 8, sigma: 0, alignCorners: false } as const;
const tap = learnTap({ name: 't', rows: 2, columns: 2, dim: 2 }, [[Float32Array.of(1, 2, 3, 4, 5, 6, 7, 8)]], 'cosine');
const decided: Decided = {
  title: 'plate',
  created: '2026-01-01T00:00:00.000Z',
  bundle: { name: 'none', sha256: 'a'.repeat(64) },
  symmetry: 'none',
  limit: { value: 1, grey: 0, falseReject: 0.05, provisional: true, goodParts: 0, goodPartsNeeded: 59, rule: 'none' },
  reference: { mean: 100, sharpness: 1 },
  camera: {},
};
const later = async (ms: number, text: string) => {
  await pause(ms);
  return Buffer.from(text);
};

test('a shot that cannot be made or written: refused by commit, and nothing is left behind', async () => {
  const draft = await Draft.begin(dataDir, 'plate');
  void draft.addShot(Promise.reject(new Error('the encoder broke')), '.png', 'a');
  draft.setBank(bankGraph([tap], [1], settings), 4);
  await expect(draft.commit(decided)).rejects.toThrow('the encoder broke');
  await draft.discard();
  expect(await listRecipes(dataDir)).toEqual([]);

  const second = await Draft.begin(dataDir, 'plate');
  rmSync(join(second.dir, 'shots'), { recursive: true });
  writeFileSync(join(second.dir, 'shots'), 'a file where a folder should be');
  void second.addShot(Buffer.from('x'), '.png', 'a');
  second.setBank(bankGraph([tap], [1], settings), 4);
  await expect(second.commit(decided)).rejects.toMatchObject({
    code: 'DATA_DIR_UNUSABLE',
    message: expect.stringMatching(/cannot be written.*Make room/),
  });
  await second.discard();
  expect(readdirSync(join(dataDir, 'recipes'))).toEqual([]);
});

test('given up while shots are being written: no file appears afterwards', async () => {
  const draft = await Draft.begin(dataDir, 'plate');
  void draft.addShot(later(30, 'x'), '.png', 'a');
  await draft.discard();
  await pause(40);
  expect(readdirSync(join(dataDir, 'recipes'))).toEqual([]);
});

test('shots stand in their order, however long each took; the same bytes twice are one file; every hash holds', async () => {
  const draft = await Draft.begin(dataDir, 'plate');
  void draft.addShot(later(30, 'first'), '.png', 'a');
  void draft.addShot(later(1, 'second'), '.jpg', 'b');
  void draft.addShot(Buffer.from('first'), '.png', 'c');
  draft.setBank(bankGraph([tap], [1], settings), 4);
  const { file, bankPath, dir } = await draft.commit(decided);
  expect(file.shots.map(({ source }) => source)).toEqual(['a', 'b', 'c']);
  expect(file.shots[0]?.file).toBe(file.shots[2]?.file);
  expect(readdirSync(join(dir, 'shots'))).toHaveLength(2);
  expect(await loadRecipe(dataDir, 'plate')).toEqual({ dir, file, bankPath });
});

describe('a shot as a file', () => {
  const input: InputSpec = { width: 2, height: 1, resize: 'bicubic', fit: 'squash', mean: [0, 0, 0], std: [1, 1, 1] };
  const sample = (file?: Buffer) => ({
    tensor: Float32Array.of(0, 1, 0, 0.5, 1, 0),
    quality: { mean: 128, dark: 0, bright: 0, sharpness: 5 },
    picture: { width: 2, height: 1, stride: 2, pixelFormat: 'BayerRG8' as const, data: Uint8Array.of(3, 4) },
    ...(file === undefined ? {} : { file }),
  });

  test.each([
    ['a/b/part.JPEG', '.jpeg'],
    ['part.tif', '.tif'],
    ['x_4096x2160_BayerRG8.raw', '_4096x2160_BayerRG8.raw'],
  ])('%s is kept byte for byte', async (name, extension) => {
    const bytes = Buffer.from(`the bytes of ${name}`);
    const kept = shotFile(name, sample(bytes), input);
    expect(kept).toEqual({ bytes, extension });
  });

  test('a file of no known kind, and a frame without a file, are written anew', async () => {
    for (const made of [shotFile('part', sample(Buffer.from('x')), input), shotFile('live part 1', sample(), input)]) {
      expect(made.extension).toBe('_2x1_BayerRG8.raw');
      expect(await made.bytes).toEqual(Uint8Array.of(3, 4));
    }
  });
});

test('what is read back is what was written', async () => {
  const draft = await Draft.begin(dataDir, 'plate');
  await draft.addShot(Buffer.from('bytes'), '.png', 'a');
  draft.setBank(bankGraph([tap], [1], settings), 4);
  const { dir, file } = await draft.commit(decided);
  expect(readFileSync(join(dir, file.shots[0]?.file ?? ''), 'utf8')).toBe('bytes');
});

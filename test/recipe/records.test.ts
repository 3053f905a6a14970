import { appendFileSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { VerdictdError } from '../../src/errors';
import { activateRecipe, activeRecipe } from '../../src/recipe/active';
import { bankGraph, learnTap } from '../../src/recipe/bank';
import { Draft } from '../../src/recipe/draft';
import { revise, revisions, rollback } from '../../src/recipe/revise';
import { loadRecipe } from '../../src/recipe/store';
import { activate, addLabel, goBack } from '../../src/station/records';
import { verifyLog } from '../../src/store/verify';
import { clean, dataDir as logDir, query, start, stop, verdict } from '../store/support/station';

let dataDir: string;
beforeEach(() => {
  dataDir = mkdtempSync(join(tmpdir(), 'verdictd-records-'));
});
afterEach(() => rmSync(dataDir, { recursive: true, force: true }));
afterAll(clean);

/** A recipe of the smallest bank there is; `limit` also makes its bytes differ. */
async function make(id: string, limit: number, dir = dataDir): Promise<void> {
  const draft = await Draft.begin(dir, id);
  await draft.addShot(Buffer.from(`shot ${limit}`), '.png', 'nowhere');
  const tap = learnTap(
    { name: 'tokens', rows: 2, columns: 2, dim: 4 },
    [[Float32Array.from({ length: 16 }, (_, i) => i + limit)]],
    'cosine',
  );
  const settings = { distance: 'cosine', top: 0.5, height: 8, width: 8, sigma: 0, alignCorners: false } as const;
  await draft.setBank(bankGraph([tap], [1], settings), 4);
  await draft.commit({
    title: id,
    created: '2026-01-01T00:00:00.000Z',
    bundle: { name: 'b', sha256: 'b'.repeat(64) },
    symmetry: 'none',
    limit: { value: limit, grey: 0, falseReject: 0.05, provisional: false, goodParts: 60, goodPartsNeeded: 59, rule: 'a rule' },
    reference: { mean: 100, sharpness: 5 },
    camera: {},
  });
}
async function refusal(work: Promise<unknown>): Promise<VerdictdError> {
  return await work.then(
    () => Promise.reject(new Error('accepted')),
    (thrown: unknown) => (thrown instanceof VerdictdError ? thrown : Promise.reject(thrown as Error)),
  );
}
const audited: string[] = [];
const audit = (action: string): Promise<void> => Promise.resolve(void audited.push(action));

describe('activating', () => {
  test('a recipe that is not there, or was altered, is refused; the choice before stays, and nothing is audited', async () => {
    await make('plate', 1.5);
    await activateRecipe('plate', { dataDir, audit });
    audited.length = 0;
    expect((await refusal(activateRecipe('none', { dataDir, audit }))).code).toBe('RECIPE_MISSING');
    await make('other', 1.7);
    const { bankPath } = await loadRecipe(dataDir, 'other');
    appendFileSync(bankPath, 'x');
    expect((await refusal(activateRecipe('other', { dataDir, audit }))).code).toBe('RECIPE_REFUSED');
    expect(audited).toEqual([]);
    expect(await activeRecipe(dataDir)).toBe('plate');
  });

  test('where the station cannot take it, or the audit cannot be written, the choice before stays', async () => {
    await make('plate', 1.5);
    await make('other', 1.7);
    await activateRecipe('plate', { dataDir, audit });
    const broken = () => Promise.reject(new VerdictdError('INFERENCE_FAILED', 'it does not load'));
    await refusal(activateRecipe('other', { dataDir, audit, use: broken }));
    await refusal(activateRecipe('other', { dataDir, audit: broken }));
    expect(await activeRecipe(dataDir)).toBe('plate');
  });

  test.each(['', '{', '[]', '{"recipe":"../up"}', '{"recipe":"a","more":1}'])(
    'a spoilt choice %p is an error, never a guess; a new one mends it',
    async (text) => {
      await make('plate', 1.5);
      expect(await activeRecipe(dataDir)).toBeNull();
      writeFileSync(join(dataDir, 'recipes', 'active.json'), text);
      expect((await refusal(activeRecipe(dataDir))).message).toMatch(/recipe activate/);
      await activateRecipe('plate', { dataDir, audit });
      expect(await activeRecipe(dataDir)).toBe('plate');
      expect(readdirSync(join(dataDir, 'recipes')).sort()).toEqual(['active.json', 'plate']);
    },
  );
});

describe('going back', () => {
  test('without an earlier revision, or to one that is not kept: refused with those that are', async () => {
    await make('plate', 1.5);
    expect((await refusal(rollback(dataDir, 'plate', null))).message).toMatch(/no earlier revision/);
    await make('plate', 1.6);
    expect((await refusal(rollback(dataDir, 'plate', 7))).message).toMatch(/revision 7: kept are 1/);
    expect((await loadRecipe(dataDir, 'plate')).file.revision).toBe(2);
  });

  test('to one whose bank or whose limit was altered: refused, and the one in force stays', async () => {
    await make('plate', 1.5);
    const { bankPath } = await loadRecipe(dataDir, 'plate');
    await make('plate', 1.6);
    const path = join(dataDir, 'recipes', 'plate', 'history', '1', 'recipe.json');
    const text = readFileSync(path, 'utf8');
    writeFileSync(path, text.replace('"value": 1.5', '"value": 9.5'));
    expect((await refusal(rollback(dataDir, 'plate', 1))).code).toBe('RECIPE_REFUSED');
    writeFileSync(path, text);
    appendFileSync(bankPath, 'x');
    expect((await refusal(rollback(dataDir, 'plate', 1))).code).toBe('RECIPE_REFUSED');
    expect((await loadRecipe(dataDir, 'plate')).file).toMatchObject({ revision: 2, limit: { value: 1.6 } });
  });

  test('the earlier one is the newest then, byte for byte but for its revision; nothing is lost, and one can go forth again', async () => {
    await make('plate', 1.5);
    const first = (await loadRecipe(dataDir, 'plate')).file;
    await make('plate', 1.6);
    expect((await rollback(dataDir, 'plate', null)).file).toEqual({ ...first, revision: 3 });
    expect(await revisions(dataDir, 'plate')).toEqual([1, 2]);
    expect((await rollback(dataDir, 'plate', 2)).file).toMatchObject({ revision: 4, limit: { value: 1.6 } });
  });

  test('a change never changes id, number or revision as it likes, and is sealed', async () => {
    await make('plate', 1.5);
    const { file } = await revise(dataDir, 'plate', (before) => ({
      ...before,
      number: 9,
      revision: 77,
      limit: { ...before.limit, grey: 0.1 },
    }));
    expect(file).toMatchObject({ id: 'plate', number: 1, revision: 2, limit: { grey: 0.1 } });
    await expect(revise(dataDir, 'plate', (before) => ({ ...before, limit: { ...before.limit, value: Number.NaN } }))).rejects.toThrow();
    expect((await loadRecipe(dataDir, 'plate')).file.revision).toBe(2);
  });
});

test('labels and audit rows go into the real log beside the verdicts, which stay; a label for no part is refused', async () => {
  const dir = logDir();
  const { log } = await start(dir);
  try {
    const label = { resultId: verdict(1).part.resultId, label: 'bad', description: 'scratch', by: 'ann' } as const;
    expect((await refusal(addLabel({ dataDir: dir, log }, label))).code).toBe('LABEL_REFUSED');
    await log.open(verdict(1).part);
    await log.commit(verdict(1));
    expect(await addLabel({ dataDir: dir, log }, label)).toEqual({ id: 1 });
    expect(await addLabel({ dataDir: dir, log }, { ...label, label: 'good', by: 'ben' })).toEqual({ id: 2 });
    await make('plate', 1.5, dir);
    await make('plate', 1.6, dir);
    expect(await activate({ dataDir: dir, log }, { recipe: 'plate', by: 'ann' })).toMatchObject({ number: 1, revision: 2, limit: 1.6 });
    expect(await goBack({ dataDir: dir, log }, { recipe: 'plate', to: null, by: 'ann' })).toMatchObject({ revision: 3, limit: 1.5 });
    expect((await refusal(goBack({ dataDir: dir, log }, { recipe: 'plate', to: 9, by: 'ann' }))).code).toBe('RECIPE_MISSING');
  } finally {
    await stop(log);
  }
  expect(query(dir, 'SELECT result_id, label, labelled_by FROM labels ORDER BY id')).toEqual([
    { result_id: 'P0000000000001', label: 'bad', labelled_by: 'ann' },
    { result_id: 'P0000000000001', label: 'good', labelled_by: 'ben' },
  ]);
  expect(query(dir, 'SELECT actor, action FROM audit ORDER BY id')).toEqual(
    ['recipeActivate', 'recipeRollback', 'recipeRollback'].map((action) => ({ actor: 'ann', action })),
  );
  expect(await verifyLog(join(dir, 'log.db'), new AbortController().signal)).toMatchObject({ ok: true, rows: 1 });
});

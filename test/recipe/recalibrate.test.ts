/** Limits from a real log with real labels: written by the store, read as the command reads them. */
import { join } from 'node:path';
import { VerdictdError } from '../../src/errors';
import { bankGraph, learnTap } from '../../src/recipe/bank';
import { Draft } from '../../src/recipe/draft';
import { comparableLimits, readLogged } from '../../src/recipe/logged';
import { limitOf, type Recalibration, recalibrate } from '../../src/recipe/recalibrate';
import { revise } from '../../src/recipe/revise';
import { loadRecipe } from '../../src/recipe/store';
import { atTemperature, fitTemperature } from '../../src/recipe/temperature';
import { addLabel, setLimit } from '../../src/station/records';
import type { SqliteLog } from '../../src/store/log';
import { clean, dataDir as logDir, query, start, stop, verdict } from '../store/support/station';

afterAll(clean);
const sha = 'b'.repeat(64);

/** A recipe of the smallest bank there is, made from `shot`. */
async function make(dir: string, limit: number, shot = 1, provisional = true): Promise<void> {
  const draft = await Draft.begin(dir, 'cast');
  await draft.addShot(Buffer.from(`shot ${shot}`), '.png', 'nowhere');
  const rows = Float32Array.from({ length: 16 }, (_, i) => i + shot);
  const tap = learnTap({ name: 'tokens', rows: 2, columns: 2, dim: 4 }, [[rows]], 'cosine');
  const settings = { distance: 'cosine', top: 0.5, height: 8, width: 8, sigma: 0, alignCorners: false } as const;
  await draft.setBank(bankGraph([tap], [1], settings), 4);
  await draft.commit({
    title: 'cast',
    created: '2026-01-01T00:00:00.000Z',
    bundle: { name: 'b', sha256: sha },
    symmetry: 'none',
    limit: { value: limit, grey: 0, falseReject: 0.05, provisional, goodParts: 0, goodPartsNeeded: 59, rule: 'a rule' },
    reference: { mean: 100, sharpness: 5 },
    camera: {},
  });
}

interface Seen {
  score: number;
  limit?: number;
  bundle?: string;
  simulated?: boolean;
  p?: number;
  labels?: readonly (readonly ['good' | 'bad', string])[];
}

/** Commits one verdict a part, as the rule decides it, and its labels. */
async function fill(log: SqliteLog, dir: string, parts: readonly Seen[], from = 1): Promise<void> {
  for (const [i, { score, limit = 1.5, bundle = sha, simulated = false, p, labels = [] }] of parts.entries()) {
    const probabilities = p === undefined ? null : { normal: 1 - p, anomaly: p };
    const terms = score > limit ? ({ evaluation: 2, code: 101, released: 0 } as const) : simulated ? ({ released: 0 } as const) : {};
    const one = verdict(from + i, { score, limit, bundle, probabilities, ...terms }, { simulated });
    await log.open(one.part);
    await log.commit(one);
    for (const [label, by] of labels) await addLabel({ dataDir: dir, log }, { resultId: one.part.resultId, label, description: '', by });
  }
}

async function withLog(work: (log: SqliteLog, dir: string) => Promise<void>): Promise<void> {
  const dir = logDir();
  const { log } = await start(dir);
  try {
    await work(log, dir);
  } finally {
    await stop(log);
  }
}

async function calibrate(dir: string, terms = { falseReject: 0.05, grey: 0 }, last = 1000): Promise<Recalibration> {
  const recipe = await loadRecipe(dir, 'cast');
  const comparable = await comparableLimits(dir, recipe);
  return recalibrate(recipe.file, readLogged(join(dir, 'log.db'), recipe.file, comparable, last), comparable, terms);
}
async function refusal(work: Promise<unknown>): Promise<VerdictdError> {
  return await work.then(
    () => Promise.reject(new Error('accepted')),
    (thrown: unknown) => (thrown instanceof VerdictdError ? thrown : Promise.reject(thrown as Error)),
  );
}
const ann = (label: 'good' | 'bad') => [[label, 'ann']] as const;
const good = (score: number): Seen => ({ score, labels: ann('good') });
const bad = (score: number): Seen => ({ score, labels: ann('bad') });
/** Scores of good parts, none alike, all below 1.3. */
const goods = (n: number): Seen[] => Array.from({ length: n }, (_, i) => good(1 + (0.3 * ((i * 37) % n)) / n));

describe('labels that cannot give a limit: a sentence, never a limit', () => {
  test.each<[string, Seen[], RegExp]>([
    ['no log rows', [], /no part is labelled/],
    ['verdicts without a label', [{ score: 1 }], /no part is labelled/],
    ['only bad parts', [bad(2), bad(3)], /only bad parts are labelled \(2\)/],
    [
      'people who disagree',
      [
        {
          score: 1,
          labels: [
            ['good', 'ann'],
            ['bad', 'ben'],
          ],
        },
      ],
      /none of the labelled parts can be used.*called good and another bad \(A1\)/,
    ],
    ['another model', [{ ...good(1), bundle: 'd'.repeat(64) }], /1 labelled parts judged with another model/],
    ['a limit no revision had', [{ ...good(1), limit: 1.7 }], /1 labelled parts judged with another model, bank/],
  ])('%s', async (_, parts, message) => {
    await withLog(async (log, dir) => {
      await make(dir, 1.5);
      await fill(log, dir, parts);
      const error = await refusal(calibrate(dir));
      expect(error.code).toBe('TEACH_REFUSED');
      expect(error.message).toMatch(message);
      expect(error.message).toMatch(/verdictd log label/);
    });
  });

  test('there is no log', async () => {
    const dir = logDir();
    await make(dir, 1.5);
    expect((await refusal(calibrate(dir))).code).toBe('LOG_UNAVAILABLE');
  });

  test('verdicts of another bank under the very same limit name neither bank: left out', async () => {
    await withLog(async (log, dir) => {
      await make(dir, 1.5, 1);
      await fill(log, dir, [good(1), good(1.1)]);
      await make(dir, 1.5, 2);
      expect((await refusal(calibrate(dir))).message).toMatch(/2 labelled parts judged with another model, bank/);
    });
  });

  test.each([
    ['equal to nothing', 0],
    ['one', 1],
  ])('scores of %s still give a limit above 0, and no promise', async (_, score) => {
    await withLog(async (log, dir) => {
      await make(dir, 1.5);
      await fill(log, dir, [good(score)]);
      const { after } = await calibrate(dir);
      expect(after.limit).toBeGreaterThan(score);
      expect(Number.isFinite(after.limit)).toBe(true);
      expect(after.provisional).toBe(true);
    });
  });
});

test('too few parts, or rejects alone, never take the place of a limit that keeps a promise; the recipe stays as it was', async () => {
  await withLog(async (log, dir) => {
    await make(dir, 1.5, 1, false);
    await fill(log, dir, [...goods(10), ...Array.from({ length: 200 }, () => ({ score: 1 }))]);
    const few = await calibrate(dir);
    expect(few.warnings.join()).toMatch(/needs 59 labelled good parts, there are 10/);
    const args = { recipe: 'cast', revision: 1, limit: limitOf(few), temperature: null, by: 'ann' };
    expect((await refusal(setLimit({ dataDir: dir, log }, args))).message).toMatch(/keeps its limit/);
    // somebody labels only what was rejected: 60 good parts, every one of them above the limit
    await fill(
      log,
      dir,
      Array.from({ length: 60 }, (_, i) => good(1.6 + i / 1000)),
      1000,
    );
    const rejects = await calibrate(dir);
    expect(rejects.after.provisional).toBe(true);
    expect(rejects.warnings.join()).toMatch(/no fair sample/);
    const again = { ...args, limit: limitOf(rejects) };
    expect((await refusal(setLimit({ dataDir: dir, log }, again))).message).toMatch(/keeps its limit/);
    const wrong = { ...args, limit: { ...limitOf(few), provisional: false }, revision: 7 };
    expect((await refusal(setLimit({ dataDir: dir, log }, wrong))).message).toMatch(/revision 1 by now/);
    expect((await loadRecipe(dir, 'cast')).file).toMatchObject({ revision: 1, limit: { value: 1.5 } });
    expect(query(dir, 'SELECT * FROM audit')).toEqual([]);
  });
});

test('sixty good parts give a promise; what would have changed is told before anything changes, then it is a revision', async () => {
  await withLog(async (log, dir) => {
    await make(dir, 1.5);
    const parts = [...goods(60), bad(1.4), bad(2), good(1.2)];
    await fill(log, dir, [{ ...good(1.45), simulated: true }, { ...good(9), bundle: 'd'.repeat(64) }, ...parts]);
    // ann corrects herself: her newest judgement is hers
    await addLabel({ dataDir: dir, log }, { resultId: verdict(65).part.resultId, label: 'bad', description: '', by: 'ann' });
    await addLabel({ dataDir: dir, log }, { resultId: verdict(65).part.resultId, label: 'good', description: '', by: 'ann' });
    const found = await calibrate(dir);
    const most = Math.max(...goods(60).map(({ score }) => score));
    expect(found.after).toMatchObject({ limit: most, provisional: false, falseReject: 0.05 });
    expect(found.labelled).toEqual({ good: 61, bad: 2, contradictory: 0, otherRevision: 1, simulated: 1 });
    expect(found.escape.before).toMatchObject({ bad: 2, escaped: 1 });
    expect(found.escape.after).toMatchObject({ bad: 2, escaped: 0 });
    const { looked, unlike, changed } = found.verdicts;
    expect({ looked, unlike, changed }).toEqual({ looked: 65, unlike: 1, changed: [{ from: 'OK', to: 'NG', parts: 2 }] });
    expect(found.verdicts.parts).toContainEqual({ resultId: verdict(63).part.resultId, partId: 'A63', score: 1.4, from: 'OK', to: 'NG' });
    expect((await calibrate(dir, { falseReject: 0.05, grey: 0 }, 3)).verdicts).toMatchObject({ looked: 3, changed: [{ parts: 1 }] });
    expect((await loadRecipe(dir, 'cast')).file.revision).toBe(1);

    const args = { recipe: 'cast', revision: 1, limit: limitOf(found), temperature: null, by: 'ann' };
    expect(await setLimit({ dataDir: dir, log }, args)).toMatchObject({ revision: 2, limit: most });
    const audit = query<{ actor: string; action: string; detail: string }>(dir, 'SELECT actor, action, detail FROM audit');
    expect(audit).toMatchObject([{ actor: 'ann', action: 'recipeCalibrate' }]);
    expect(JSON.parse(audit[0]?.detail ?? '')).toMatchObject({ recipe: 'cast', limit: { value: most } });
    // parts judged by the limit before and by the new one are compared alike: the bank is the same
    await fill(log, dir, [{ ...good(1.25), limit: most }], 500);
    expect((await calibrate(dir)).labelled).toMatchObject({ good: 62, otherRevision: 1 });
    // other region rules score otherwise: nothing from before counts
    await revise(dir, 'cast', (before) => ({
      ...before,
      limit: { ...before.limit, value: 1.9 },
      regions: { include: [], ignore: [], mask: null, minArea: 0, top: 2 },
    }));
    expect((await refusal(calibrate(dir))).message).toMatch(/66 labelled parts judged with another/);
  });
});

test('a grey zone makes parts near the limit undecided in the account too', async () => {
  await withLog(async (log, dir) => {
    await make(dir, 1.5);
    await fill(log, dir, goods(60));
    const { verdicts, goodNotOk, after } = await calibrate(dir, { falseReject: 0.05, grey: 0.1 });
    const near = goods(60).filter(({ score }) => after.limit - score <= 0.1).length;
    expect(near).toBeGreaterThan(0);
    expect(verdicts.changed).toEqual([{ from: 'OK', to: 'UNDECIDED', parts: near }]);
    expect(goodNotOk).toEqual({ before: 0, after: near });
  });
});

describe('temperature', () => {
  const at = (z: number, bad: boolean) => ({ anomaly: 1 / (1 + Math.exp(-z)), bad });

  test('one class, too few, or no number: a sentence', () => {
    expect(fitTemperature([])).toMatch(/0 good and 0 bad/);
    expect(fitTemperature(Array.from({ length: 50 }, () => at(-1, false)))).toMatch(/50 good and 0 bad/);
    const nan = Array.from({ length: 20 }, (_, i) => ({ anomaly: i === 3 ? Number.NaN : 0.5, bad: i % 2 === 0 }));
    expect(fitTemperature(nan)).toMatch(/not a number/);
  });

  test('a model three times too sure of itself is found out; saturated probabilities stay finite', () => {
    // of parts with logit z = 3 t, a share sigmoid(t) is bad: exactly what temperature 3 says
    const parts = [-2, -1, 0, 1, 2].flatMap((t) => {
      const share = 1 / (1 + Math.exp(-t));
      return Array.from({ length: 1000 }, (_, i) => at(3 * t, i < 1000 * share));
    });
    const found = fitTemperature(parts);
    expect(found).toMatchObject({ value: expect.closeTo(3, 1) });
    if (typeof found === 'string') throw new Error(found);
    expect(found.lossAfter).toBeLessThan(found.lossBefore);
    const { normal, anomaly } = atTemperature({ normal: 0, anomaly: 1 }, 3);
    expect(anomaly).toBeGreaterThan(0.9);
    expect(anomaly).toBeLessThan(1);
    expect(normal + anomaly).toBeCloseTo(1, 12);
  });

  test('perfect agreement ends at the bound and is said; the recipe keeps it and the log what the model gave', async () => {
    await withLog(async (log, dir) => {
      await make(dir, 1.5);
      const sure = [...goods(59).map((part) => ({ ...part, p: 0.2 })), ...Array.from({ length: 5 }, () => ({ ...bad(1.2), p: 0.9 }))];
      await fill(log, dir, sure);
      const found = await calibrate(dir);
      expect(found.temperature?.value).toBeCloseTo(0.05, 2);
      expect(found.warnings.join()).toMatch(/end of its range/);
      const temperature = found.temperature?.value ?? null;
      await setLimit({ dataDir: dir, log }, { recipe: 'cast', revision: 1, limit: limitOf(found), temperature, by: 'ann' });
      expect((await loadRecipe(dir, 'cast')).file.temperature).toBe(temperature);
    });
  });
});

import { worstScore } from '../../src/evaluate/adversarial';
import { adviceOf } from '../../src/evaluate/curve';
import { atLimit, imageFigures, perDefect, statements } from '../../src/evaluate/figures';
import type { Scored } from '../../src/evaluate/judge';
import { perturbations } from '../../src/evaluate/perturb';
import { draw } from '../../src/evaluate/random';
import { reportHtml } from '../../src/evaluate/report/html';
import type { Recipe } from '../../src/recipe/recipe';
import { pixels } from '../support/pictures';

const part = (score: number, defect: string | null, verdict: Scored['verdict'] = null): Scored => ({
  item: { name: `<${defect ?? 'good'}>`, path: '', good: defect === null, defect, truth: null },
  score,
  verdict,
  mapMax: score,
  ms: 1,
});

const recipe = {
  dir: '',
  bankPath: '',
  file: {
    id: 'plate',
    title: 'plate <b>',
    revision: 1,
    symmetry: 'none',
    shots: [],
    bank: { sha256: '' },
    limit: { value: 2, grey: 0.1, falseReject: 0.05, provisional: true, goodParts: 3, goodPartsNeeded: 59, rule: 'test' },
  },
} as unknown as Recipe;

function nothingIsNaN(value: unknown): void {
  JSON.stringify(value, (_, one: unknown) => {
    if (typeof one === 'number') expect(one).toEqual(expect.any(Number));
    expect(Number.isNaN(one)).toBe(false);
    return one;
  });
}

describe('classes that are missing: null and a sentence, never NaN', () => {
  test.each([
    ['only good parts', [part(1, null, 'PASS'), part(1.2, null, 'FAIL')], /no defective part/],
    ['only bad parts', [part(1, 'dent', 'PASS'), part(3, 'dent', 'FAIL')], /no good part/],
    ['nothing at all', [], /no good part/],
  ] as const)('%s', (_, scored, sentence) => {
    const found = { image: imageFigures(scored), limit: atLimit(scored, recipe), kinds: perDefect(scored) };
    nothingIsNaN(found);
    expect(found.image).toEqual({ auroc: null, ap: null, map: null, f1: null, precision: null, recall: null, f1Threshold: null });
    expect(statements(scored, recipe, { bad: 0, used: 0 }).join('\n')).toMatch(sentence);
  });

  test('without a recipe there is no limit', () => {
    const found = atLimit([part(1, null), part(2, 'dent')], null);
    expect(Object.values(found).every((value) => value === null)).toBe(true);
  });
});

test('figures at the limit: shares of their own class, undecided and refused apart, exact intervals', () => {
  const scored = [
    part(1, null, 'PASS'),
    part(1.1, null, 'PASS'),
    part(2.5, null, 'FAIL'),
    part(2.05, null, 'UNDECIDED'),
    part(3, 'dent', 'FAIL'),
    part(1.5, 'dent', 'PASS'),
    part(4, 'crack', 'FAIL'),
    part(1, 'crack', 'ERROR'),
  ];
  const found = atLimit(scored, recipe);
  expect(found).toMatchObject({ limit: 2, falseReject: 0.25, escape: 0.25, undecided: 0.125, notJudged: 0.125, provisional: true });
  expect(found.confusion).toEqual({
    good: { PASS: 2, FAIL: 1, UNDECIDED: 1, ERROR: 0 },
    bad: { PASS: 1, FAIL: 2, UNDECIDED: 0, ERROR: 1 },
  });
  expect(found.falseRejectInterval?.high).toBeCloseTo(0.8059, 3);
  expect(perDefect(scored)).toMatchObject({ crack: { parts: 2, escape: 0 }, dent: { parts: 2, escape: 0.5, auroc: 0.75 } });
  const { map } = imageFigures(scored);
  expect(map).toBeCloseTo(((perDefect(scored).crack?.ap ?? 0) + (perDefect(scored).dent?.ap ?? 0)) / 2, 12);
});

test('the rule of three is said where nothing escaped', () => {
  const scored = [part(1, null, 'PASS'), ...Array.from({ length: 50 }, () => part(3, 'dent', 'FAIL'))];
  expect(statements(scored, recipe, { bad: 0, used: 0 })).toContain(
    'No escape in 50 defective parts shows only that less than 5.8 % escape (95 %; rule of three).',
  );
});

test('advice: where the curve flattens, or that it still rises', () => {
  const point = (shots: number, auroc: number) => ({ shots, auroc, least: auroc - 0.01, most: auroc + 0.01, draws: 5 });
  expect(adviceOf([point(1, 0.8), point(2, 0.95), point(4, 0.952), point(8, 0.953)])).toMatch(/From 2 shots on .* show 2\./);
  expect(adviceOf([point(1, 0.8), point(2, 0.9)])).toMatch(/still rises at 2 shots/);
  expect(adviceOf([point(1, 0.8)])).toMatch(/One number of shots alone/);
});

test('draws: without repetition, the same for the same seed, another for another', () => {
  const items = Array.from({ length: 20 }, (_, i) => i);
  expect(new Set(draw(items, 20, 3)).size).toBe(20);
  expect(draw(items, 5, 3)).toEqual(draw(items, 5, 3));
  expect(draw(items, 5, 3)).not.toEqual(draw(items, 5, 4));
  expect(draw(items, 50, 1)).toHaveLength(20);
});

test.each(perturbations)('$name: changes the picture, keeps its size, the same each time', async ({ apply }) => {
  const picture = { width: 32, height: 24, stride: 96, pixelFormat: 'RGB8' as const, data: new Uint8Array(pixels(32, 24)) };
  const before = Uint8Array.from(picture.data);
  const [once, again] = [await apply(picture, 5), await apply(picture, 5)];
  expect(once).toMatchObject({ width: 32, height: 24, pixelFormat: 'RGB8' });
  expect(Buffer.compare(Buffer.from(once.data), Buffer.from(again.data))).toBe(0);
  expect(Buffer.compare(Buffer.from(once.data), Buffer.from(before))).not.toBe(0);
  expect(Buffer.compare(Buffer.from(picture.data), Buffer.from(before))).toBe(0);
});

test('the search stays within epsilon and the budget, and goes the way it is told', async () => {
  const input = { width: 32, height: 32, resize: 'bicubic', fit: 'squash', mean: [0.5, 0.5, 0.5], std: [0.25, 0.25, 0.25] } as const;
  const tensor = new Float32Array(3 * 32 * 32).fill(0.1);
  const step = 4 / 255 / 0.25;
  let [asked, furthest] = [0, 0];
  const mean = (one: Float32Array): Promise<number> => {
    asked++;
    let sum = 0;
    one.forEach((value, i) => {
      furthest = Math.max(furthest, Math.abs(value - (tensor[i] ?? 0)));
      sum += i % 1024 < 512 ? value : -value; // the upper half up, the lower down
    });
    return Promise.resolve(sum / one.length);
  };
  const spec = { ...input, mean: [0.5, 0.5, 0.5] as [number, number, number], std: [0.25, 0.25, 0.25] as [number, number, number] };
  const low = await worstScore(tensor, false, mean, spec, { epsilon: 4, budget: 40 });
  expect(asked).toBeLessThanOrEqual(40);
  expect(furthest).toBeLessThanOrEqual(step * 1.0001);
  const high = await worstScore(tensor, true, mean, spec, { epsilon: 4, budget: 40 });
  expect(low).toBeLessThanOrEqual(0);
  expect(high).toBeGreaterThanOrEqual(0);
  expect(high - low).toBeGreaterThan(step * 0.2);
});

test('the report: nothing from elsewhere, no script, words escaped, and it stands with one class only', () => {
  const scored = [part(1, null, 'PASS'), part(3, '<script>alert(1)</script>', 'FAIL')];
  for (const some of [scored, scored.slice(0, 1), scored.slice(1)]) {
    const html = reportHtml({
      dataset: {
        root: '/x/<plates>',
        layout: 'mvtec',
        products: [],
        train: [],
        test: [],
        problems: [],
        fingerprint: '',
        hashed: { md5: 0, sha256: 0 },
      },
      bundle: { sha256: '', manifest: { name: 'tiny', version: '1', method: 'texture', input: { width: 8, height: 8 } } } as never,
      recipe,
      evaluation: {
        images: some.length,
        good: some.filter(({ item }) => item.good).length,
        bad: some.filter(({ item }) => !item.good).length,
        unreadable: 0,
        image: imageFigures(some),
        pixel: null,
        atLimit: atLimit(some, recipe),
        perDefect: perDefect(some),
        msPerImage: 1,
        statements: statements(some, recipe, { bad: 0, used: 0 }),
        problems: ['<img src=x>'],
      },
      scored: some,
      curve: null,
      robust: null,
      parts: [],
      created: '2026-11-21',
    });
    expect(html).not.toMatch(/NaN|undefined|Infinity/);
    expect(html).not.toMatch(/<script|<img|src=["']http|href=["']http|@import|url\(/);
    expect(html).toContain("default-src 'none'");
    expect(html).toContain('&#60;plates&#62;');
  }
});

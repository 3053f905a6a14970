/** The figures of an evaluation, from scores and truths. Pure. Where a figure cannot be had it is null, and a sentence says why. */
import type { Word } from '../codes';
import type { Recipe } from '../recipe/recipe';
import { clopperPearson, type Interval, neverSeenBound } from '../stats/interval';
import { kappa } from '../stats/kappa';
import { auroc, averagePrecision, f1Max, meanOf, rank } from '../stats/rank';
import type { Scored } from './judge';

export interface ImageFigures {
  auroc: number | null;
  ap: number | null;
  /** Mean over the kinds of defect of the average precision of that kind against all good parts. */
  map: number | null;
  f1: number | null;
  precision: number | null; // at f1Threshold
  recall: number | null; // at f1Threshold
  /** Chosen on the tested parts themselves: to compare models, never to set a limit by. */
  f1Threshold: number | null;
}

export type Counts = Record<Word, number>;

export interface AtLimit {
  limit: number | null;
  grey: number | null;
  provisional: boolean | null;
  /** Share of good parts that FAIL, of bad parts that PASS, of all parts UNDECIDED, of all parts ERROR (picture refused). */
  falseReject: number | null;
  falseRejectInterval: Interval | null; // exact, 95 %
  escape: number | null;
  escapeInterval: Interval | null;
  undecided: number | null;
  undecidedInterval: Interval | null;
  notJudged: number | null;
  confusion: { good: Counts; bad: Counts } | null;
  /** Agreement with the labels beyond chance, parts that were decided only. */
  kappa: number | null;
}

export interface DefectFigures {
  parts: number;
  auroc: number | null; // against all good parts
  ap: number | null;
  escape: number | null;
  escapeInterval: Interval | null;
}

const countsOf = (scored: readonly Scored[]): Counts => {
  const counts = { PASS: 0, FAIL: 0, UNDECIDED: 0, ERROR: 0 };
  for (const { verdict } of scored) if (verdict !== null) counts[verdict]++;
  return counts;
};

function ranking(good: readonly Scored[], bad: readonly Scored[]) {
  return rank(
    [...good, ...bad].map(({ score }) => score),
    [...good.map(() => false), ...bad.map(() => true)],
  );
}

export function split(scored: readonly Scored[]): { good: Scored[]; bad: Scored[]; kinds: Map<string, Scored[]> } {
  const kinds = new Map<string, Scored[]>();
  for (const one of scored)
    if (!one.item.good) kinds.set(one.item.defect ?? 'defective', [...(kinds.get(one.item.defect ?? 'defective') ?? []), one]);
  return {
    good: scored.filter(({ item }) => item.good),
    bad: scored.filter(({ item }) => !item.good),
    kinds: new Map([...kinds].sort(([a], [b]) => a.localeCompare(b, 'en'))),
  };
}

export function imageFigures(scored: readonly Scored[]): ImageFigures {
  const { good, bad, kinds } = split(scored);
  const all = ranking(good, bad);
  const best = f1Max(all);
  return {
    auroc: auroc(all),
    ap: averagePrecision(all),
    map: meanOf([...kinds.values()].map((kind) => averagePrecision(ranking(good, kind)))),
    f1: best?.f1 ?? null,
    precision: best?.precision ?? null,
    recall: best?.recall ?? null,
    f1Threshold: best?.threshold ?? null,
  };
}

const share = (count: number, total: number): number | null => (total === 0 ? null : count / total);

export function atLimit(scored: readonly Scored[], recipe: Recipe | null): AtLimit {
  if (recipe === null)
    return {
      limit: null,
      grey: null,
      provisional: null,
      falseReject: null,
      falseRejectInterval: null,
      escape: null,
      escapeInterval: null,
      undecided: null,
      undecidedInterval: null,
      notJudged: null,
      confusion: null,
      kappa: null,
    };
  const { value, grey, provisional } = recipe.file.limit;
  const { good, bad } = split(scored);
  const [ofGood, ofBad] = [countsOf(good), countsOf(bad)];
  const undecided = ofGood.UNDECIDED + ofBad.UNDECIDED;
  return {
    limit: value,
    grey,
    provisional,
    falseReject: share(ofGood.FAIL, good.length),
    falseRejectInterval: clopperPearson(ofGood.FAIL, good.length),
    escape: share(ofBad.PASS, bad.length),
    escapeInterval: clopperPearson(ofBad.PASS, bad.length),
    undecided: share(undecided, scored.length),
    undecidedInterval: clopperPearson(undecided, scored.length),
    notJudged: share(ofGood.ERROR + ofBad.ERROR, scored.length),
    confusion: { good: ofGood, bad: ofBad },
    kappa: kappa({ bothGood: ofGood.PASS, bothBad: ofBad.FAIL, onlyFirstBad: ofBad.PASS, onlySecondBad: ofGood.FAIL }),
  };
}

export function perDefect(scored: readonly Scored[]): Record<string, DefectFigures> {
  const { good, kinds } = split(scored);
  return Object.fromEntries(
    [...kinds].map(([kind, parts]) => {
      const ranked = ranking(good, parts);
      const judged = parts.some(({ verdict }) => verdict !== null);
      const passed = countsOf(parts).PASS;
      return [
        kind,
        {
          parts: parts.length,
          auroc: auroc(ranked),
          ap: averagePrecision(ranked),
          escape: judged ? share(passed, parts.length) : null,
          escapeInterval: judged ? clopperPearson(passed, parts.length) : null,
        },
      ];
    }),
  );
}

const percent = (value: number): string => `${Number((100 * value).toPrecision(2))} %`;

/** What the figures do not say by themselves: missing classes, small numbers, a limit that is none. */
export function statements(scored: readonly Scored[], recipe: Recipe | null, masks: { bad: number; used: number }): string[] {
  const { good, bad } = split(scored);
  const said: string[] = [];
  if (good.length === 0)
    said.push('There is no good part among those tested: nothing can be said about false rejects, and nothing can be ranked.');
  if (bad.length === 0)
    said.push('There is no defective part among those tested: nothing can be said about escapes, and nothing can be ranked.');
  if (recipe === null)
    said.push("Without a recipe there is no limit: these are the method's own scores, and no part was passed or rejected.");
  else {
    const { limit } = recipe.file;
    const escapes = countsOf(bad).PASS;
    const bound = neverSeenBound(bad.length);
    if (escapes === 0 && bound !== null)
      said.push(`No escape in ${bad.length} defective parts shows only that less than ${percent(bound)} escape (95 %; rule of three).`);
    const rejects = countsOf(good).FAIL;
    const upper = neverSeenBound(good.length);
    if (rejects === 0 && upper !== null)
      said.push(`No false reject in ${good.length} good parts shows only that less than ${percent(upper)} are rejected (95 %).`);
    if (limit.provisional)
      said.push(
        `The limit is provisional: a promise of ${percent(limit.falseReject)} false rejects needs ${limit.goodPartsNeeded} good parts held out, there were ${limit.goodParts}.`,
      );
  }
  if (masks.bad === 0) said.push('No mask and no box says where the defects are: there are no figures of pixels.');
  else if (masks.used < bad.length)
    said.push(`${bad.length - masks.used} of ${bad.length} defective parts have no usable mask; the figures of pixels leave them out.`);
  return said;
}

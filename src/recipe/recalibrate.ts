/**
 * A recipe's limit anew, from parts of the log that people have judged, and what it would have changed. Pure: nothing is written here.
 * The promise speaks of good parts as they come; labels given to rejects only are no such sample, so that is looked at too.
 */
import { VerdictdError } from '../errors';
import { type Escape, escapeOf, escapeText, escapeWarnings, passes, type Scored } from './escape';
import { binomialCdf, type Limit, limitByPromise } from './limit';
import type { Logged, LoggedPart } from './logged';
import type { RecipeFile } from './recipe';
import { atBound, fitTemperature, type Temperature } from './temperature';

export type Word = 'OK' | 'NG' | 'UNDECIDED';

export interface Terms {
  falseReject: number; // 0..0.5
  grey: number; // half width, in score
}

/** As `verdictd calibrate --json` says it. */
export interface Recalibration {
  recipe: string;
  revision: number; // the one it starts from
  before: { limit: number; grey: number; falseReject: number; provisional: boolean };
  after: { limit: number; grey: number; falseReject: number; provisional: boolean; goodPartsNeeded: number; rule: string };
  /** Judged parts by what became of them; the last three are left out. */
  labelled: { good: number; bad: number; contradictory: number; otherRevision: number; simulated: number };
  /** Judged good parts that are not OK. */
  goodNotOk: { before: number; after: number };
  escape: { before: Escape | null; after: Escape | null };
  /** Over the newest verdicts. `unlike`: reached by another model, bank or rule, so nothing can be said of them. */
  verdicts: { looked: number; unlike: number; changed: { from: Word; to: Word; parts: number }[]; parts: Change[] };
  temperature: Temperature | null;
  warnings: string[];
}

export interface Change {
  resultId: string;
  partId: string;
  score: number;
  from: Word;
  to: Word;
}

/** A sample this unlikely (in one direction) is not taken for a fair one. */
const unlikely = 0.05;

/**
 * `comparable`: limits under which a score can be compared with one of today (logged.ts). Throws TEACH_REFUSED with what to label where no
 * good part is left, and what limitByPromise and escapeOf throw.
 */
export function recalibrate(recipe: RecipeFile, logged: Logged, comparable: ReadonlySet<number>, terms: Terms): Recalibration {
  const { falseReject, grey } = terms;
  const alike = (part: LoggedPart): boolean =>
    part.bundle === recipe.bundle.sha256 && part.reject_limit !== null && comparable.has(part.reject_limit);
  const sorted = sort(logged, alike);
  const { good, bad, counts } = sorted;
  if (good.length === 0) throw nothingToGoBy(recipe.id, sorted);
  const promised = limitByPromise(
    good.map(({ score }) => score),
    [],
    falseReject,
  );
  const warnings = leftOut(sorted);
  const unfair = whyUnfair([...good, ...bad], logged.seen);
  if (unfair !== null) warnings.push(unfair);
  const limit: Limit =
    unfair === null
      ? promised
      : { ...promised, provisional: true, rule: `${promised.rule}; no promise: the labelled parts are no fair sample` };
  const before = { ...recipe.limit, limit: recipe.limit.value };
  const escapes = { before: escapeOf(bad, before.limit, before.grey), after: escapeOf(bad, limit.value, grey) };
  if (promised.provisional)
    warnings.push(
      `the limit is provisional: a promise of ${falseReject} needs ${limit.goodPartsNeeded} labelled good parts, there are ${good.length}`,
    );
  if (escapes.after === null) warnings.push('no bad part is labelled: nothing is known about how many would escape');
  else warnings.push(escapeText(escapes.after), ...escapeWarnings(bad, [], limit.value, grey));
  if (grey >= limit.value) warnings.push(`the grey zone of ${grey} reaches down to 0: no part can pass`);
  if ((recipe.limit.limitSamples ?? 0) > 0 && limit.value < recipe.limit.value)
    warnings.push(
      `the limit was raised for ${recipe.limit.limitSamples} limit samples when the recipe was taught; below ${recipe.limit.value.toFixed(3)} they may be rejected`,
    );
  const temperature = temperatureOf(recipe, logged, warnings);
  return {
    recipe: recipe.id,
    revision: recipe.revision,
    before: { limit: before.limit, grey: before.grey, falseReject: before.falseReject, provisional: before.provisional },
    after: {
      limit: limit.value,
      grey,
      falseReject,
      provisional: limit.provisional,
      goodPartsNeeded: limit.goodPartsNeeded,
      rule: `${limit.rule}; from labelled parts of the log`,
    },
    labelled: { good: good.length, bad: bad.length, ...counts },
    goodNotOk: { before: notOk(good, before.limit, before.grey), after: notOk(good, limit.value, grey) },
    escape: escapes,
    verdicts: changes(logged.recent, alike, limit.value, grey),
    temperature,
    warnings,
  };
}

/** The limit as a recipe keeps it. */
export function limitOf({ after, labelled, escape: escapes }: Pick<Recalibration, 'after' | 'labelled' | 'escape'>): RecipeFile['limit'] {
  const { limit: value, ...rest } = after;
  return { value, ...rest, goodParts: labelled.good, ...(escapes.after === null ? {} : { escape: escapes.after }) };
}

/** Limit and temperature (null: as before) for a recipe that is still the one they were worked out for. */
export interface NewLimit {
  revision: number;
  limit: RecipeFile['limit'];
  temperature: number | null;
}

/**
 * The recipe with the new limit, for revise(). Throws TEACH_REFUSED where it was changed meanwhile, or where a limit without a promise
 * would take the place of one with it.
 */
export function withLimit(before: RecipeFile, { revision, limit, temperature }: NewLimit): RecipeFile {
  if (before.revision !== revision)
    throw new VerdictdError(
      'TEACH_REFUSED',
      `the recipe ${before.id} is revision ${before.revision} by now, the limit was worked out for ${revision}. Run calibrate again`,
    );
  if (limit.provisional && !before.limit.provisional)
    throw new VerdictdError(
      'TEACH_REFUSED',
      `the recipe ${before.id} keeps its limit: the new one would be provisional, and the one in force keeps a promise. Label ${limit.goodPartsNeeded} good parts as they come, or allow more false rejects with --false-reject`,
    );
  return { ...before, limit, ...(temperature === null ? {} : { temperature }) };
}

interface Sorted {
  good: Judged[];
  bad: Judged[];
  counts: { contradictory: number; otherRevision: number; simulated: number };
  contradictory: string[];
}
type Judged = Scored & { ok: boolean };

function sort({ labelled }: Logged, alike: (part: LoggedPart) => boolean): Sorted {
  const sound = labelled.filter(({ judged }) => judged !== 'contradictory');
  const usable = sound.filter(({ part }) => alike(part));
  const real = usable.filter(({ part }) => part.simulated === 0);
  const used = real.length > 0 ? real : usable;
  const of = (what: string): Judged[] =>
    used.flatMap(({ part, judged }) =>
      judged === what ? [{ name: part.part_id || part.result_id, score: part.score, ok: part.evaluation === 1 }] : [],
    );
  const contradictory = labelled.filter(({ judged }) => judged === 'contradictory').map(({ part }) => part.part_id || part.result_id);
  return {
    good: of('good'),
    bad: of('bad'),
    counts: {
      contradictory: contradictory.length,
      otherRevision: sound.length - usable.length,
      simulated: usable.length - used.length,
    },
    contradictory,
  };
}

const named = 5; // parts named in one sentence

function leftOut({ counts, contradictory }: Sorted): string[] {
  const { otherRevision, simulated } = counts;
  const more = contradictory.length > named ? ' ...' : '';
  return [
    ...(contradictory.length === 0
      ? []
      : [
          `left out: ${contradictory.length} parts that one person called good and another bad (${contradictory.slice(0, named).join(', ')}${more})`,
        ]),
    ...(otherRevision === 0
      ? []
      : [`left out: ${otherRevision} labelled parts judged with another model, bank or region rules: their scores cannot be compared`]),
    ...(simulated === 0 ? [] : [`left out: ${simulated} labelled parts of a simulated camera`]),
  ];
}

function nothingToGoBy(id: string, sorted: Sorted): VerdictdError {
  const { bad, counts } = sorted;
  const left = leftOut(sorted);
  const why =
    bad.length > 0
      ? `only bad parts are labelled (${bad.length})`
      : counts.contradictory + counts.otherRevision > 0
        ? 'none of the labelled parts can be used'
        : 'no part is labelled';
  const sentence = `no limit for the recipe ${id} can be set from the log: ${[why, ...left].join('; ')}. Label good parts as they come: verdictd log label RESULT good`;
  return new VerdictdError('TEACH_REFUSED', sentence, { details: left });
}

/** Labelled parts are fair if as many of them were rejected as of all parts: else somebody labelled rejects, or passes, only. */
function whyUnfair(labelled: readonly Judged[], seen: Logged['seen']): string | null {
  const n = labelled.length;
  const rejected = labelled.filter(({ ok }) => !ok).length;
  const share = seen.parts === 0 ? 0 : seen.notOk / seen.parts;
  if (share <= 0 || share >= 1) return null;
  const asFew = binomialCdf(rejected, n, share);
  const asMany = rejected === 0 ? 1 : 1 - binomialCdf(rejected - 1, n, share);
  if (asFew > unlikely && asMany > unlikely) return null;
  const percent = (x: number): string => `${(100 * x).toFixed(1)} %`;
  return `the labelled parts are no fair sample: ${percent(rejected / n)} of them were not OK, of all ${seen.parts} parts ${percent(share)}. No promise can be made from them; label parts as they come, passes and rejects alike`;
}

function temperatureOf(recipe: RecipeFile, { labelled }: Logged, warnings: string[]): Temperature | null {
  const parts = labelled.flatMap(({ part, judged }) =>
    part.bundle !== recipe.bundle.sha256 || part.p_anomaly === null || judged === 'contradictory'
      ? []
      : [{ anomaly: part.p_anomaly, bad: judged === 'bad' }],
  );
  if (parts.length === 0) return null; // the bundle gives no class probabilities
  const found = fitTemperature(parts);
  if (typeof found === 'string') {
    warnings.push(found);
    return null;
  }
  if (atBound(found))
    warnings.push(
      `the temperature ${found.value.toFixed(2)} is the end of its range: labels and probabilities agree, or disagree, throughout`,
    );
  return found;
}

function notOk(parts: readonly Scored[], limit: number, grey: number): number {
  return parts.filter(({ score }) => !passes(score, limit, grey)).length;
}

/** The verdict rule's evaluation (inspect/verdict.ts). */
function wordOf(score: number, limit: number, grey: number): Word {
  if (grey > 0 && Math.abs(score - limit) <= grey) return 'UNDECIDED';
  return score > limit ? 'NG' : 'OK';
}

const logged: Readonly<Record<LoggedPart['evaluation'], Word>> = { 1: 'OK', 2: 'NG', 3: 'UNDECIDED' };

function changes(
  recent: readonly LoggedPart[],
  alike: (part: LoggedPart) => boolean,
  limit: number,
  grey: number,
): Recalibration['verdicts'] {
  const usable = recent.filter(alike);
  const parts = usable.flatMap((part): Change[] => {
    const from = logged[part.evaluation];
    const to = wordOf(part.score, limit, grey);
    return from === to ? [] : [{ resultId: part.result_id, partId: part.part_id, score: part.score, from, to }];
  });
  const counts = new Map<string, { from: Word; to: Word; parts: number }>();
  for (const { from, to } of parts) {
    const key = `${from} ${to}`;
    counts.set(key, { from, to, parts: (counts.get(key)?.parts ?? 0) + 1 });
  }
  return { looked: recent.length, unlike: recent.length - usable.length, changed: [...counts.values()], parts };
}

/** What known-bad parts and limit samples say about a limit. Pure. */
import { VerdictdError } from '../errors';
import { clopperPearson } from '../stats/interval';
import type { Limit } from './limit';

export interface Scored {
  name: string;
  score: number;
}

export interface Escape {
  bad: number;
  escaped: number; // judged OK
  /** The share of bad parts that escape is at most this, with 95 % (one-sided, exact: Clopper & Pearson 1934). 0..1 */
  bound: number;
}

/** Part of the limit by which it is raised above the worst limit sample, so that the sample itself is OK in float32. */
const clearance = 1e-4;

/**
 * The limit, raised where a limit sample (the worst part still accepted) lies above it or within its grey zone. A higher limit rejects
 * fewer good parts: the promise still holds. Throws TEACH_REFUSED where a score is not finite.
 */
export function raiseFor<L extends Limit>(limit: L, samples: readonly Scored[], grey: number): L {
  finite(samples);
  if (samples.length === 0) return limit;
  const worst = samples.reduce((most, one) => (one.score > most.score ? one : most));
  const needed = (worst.score + grey) * (1 + clearance);
  if (needed <= limit.value) return limit;
  const rule = `raised from ${limit.value.toFixed(3)} so that the limit sample ${worst.name} (${worst.score.toFixed(3)}) is accepted; before: ${limit.rule}`;
  return { ...limit, value: needed, rule };
}

/** Counts as escaped what would be judged OK: at or below the limit, outside of the grey zone. Null without bad parts: nothing is known. */
export function escapeOf(bad: readonly Scored[], limit: number, grey: number): Escape | null {
  finite(bad);
  if (bad.length === 0) return null;
  const escaped = bad.filter(({ score }) => passes(score, limit, grey)).length;
  return { bad: bad.length, escaped, bound: clopperPearson(escaped, bad.length, 0.9)?.high ?? 1 };
}

/** The verdict rule's OK (inspect/verdict.ts). */
export function passes(score: number, limit: number, grey: number): boolean {
  return score <= limit && !(grey > 0 && limit - score <= grey);
}

/** What that proves, in a sentence. */
export function escapeText({ bad, escaped, bound }: Escape): string {
  const share = `${Number((bound * 100).toPrecision(2))} %`;
  const few = escaped === 0 ? `; by the rule of three about 3/${bad}. To show less than 1 % takes 299 bad parts, all rejected` : '';
  return `${escaped} of ${bad} known-bad parts are not rejected: at most ${share} of such parts escape, with 95 % confidence (exact bound${few})`;
}

/** One sentence for each bad part that is accepted, and whether a limit sample stands in the way. */
export function escapeWarnings(bad: readonly Scored[], samples: readonly Scored[], limit: number, grey: number): string[] {
  const worst = samples.reduce((most, { score }) => Math.max(most, score), 0);
  return bad.flatMap(({ name, score }) => {
    if (!passes(score, limit, grey)) return [];
    const why =
      score <= worst
        ? 'it scores no higher than a limit sample: this model cannot tell the two apart'
        : 'a lower limit would reject it, and more good parts';
    return [`${name} is known to be bad and would pass (${score.toFixed(3)}, limit ${limit.toFixed(3)}): ${why}`];
  });
}

function finite(parts: readonly Scored[]): void {
  const wrong = parts.find(({ score }) => !(Number.isFinite(score) && score >= 0));
  if (wrong !== undefined)
    throw new VerdictdError('TEACH_REFUSED', `${wrong.name} got the score ${wrong.score}, which is no number. Run \`verdictd doctor\``);
}

import { Code, Evaluation, ResultState } from '../codes';
import type { Ms, StateName, Verdict } from '../ports';

/** What holds at the moment of publishing, beyond the verdict itself. */
export interface Moment {
  age: Ms; // trigger to now, monotonic
  ttl: Ms;
  connected: boolean;
  state: StateName | null; // null: not told yet
  acceptSimulated: boolean;
}

/**
 * The one bit the gate acts on, at the moment of publishing (contract, "The verdict", field ok). `released` was fixed before the
 * commit; from there ok may only fall. The verdict's own figures are asked again, so that a wrong `released` cannot open a gate.
 * ok 0 always has a code other than 0. An age that cannot be (negative, NaN) counts as expired.
 */
export function release(verdict: Verdict, moment: Moment): { ok: 0 | 1; code: Code } {
  const { part } = verdict;
  const not = (code: Code) => ({ ok: 0 as const, code: verdict.code === Code.ok ? code : verdict.code });
  if (verdict.released !== 1 || verdict.code !== Code.ok) return not(part.simulated ? Code.simulated : Code.notReady);
  if (verdict.evaluation !== Evaluation.OK || verdict.state !== ResultState.Completed) return not(Code.notANumber);
  if (part.simulated && !moment.acceptSimulated) return not(Code.simulated);
  if (part.seq < 1) return not(Code.noSeq);
  if (verdict.late) return not(Code.tooLate);
  if (!(moment.age >= 0 && moment.age <= moment.ttl)) return not(Code.expired);
  if (moment.state !== 'Operational' || !moment.connected) return not(Code.notReady);
  return { ok: 1, code: Code.ok };
}

/** Parts whose answer has been published, newest last. */
const remembered = 1024;

/**
 * What was already said about a part: after a no, never a yes (contract, handshake 2: ok may only fall). Keyed by resultId;
 * bounded, since a part older than its TTL cannot become ok anyway.
 */
export class Told {
  private readonly said = new Map<string, { ok: 0 | 1; code: Code }>();

  /** The answer to give now: `answer`, or the earlier no where there was one. Remembers it. */
  next(resultId: string, answer: { ok: 0 | 1; code: Code }): { ok: 0 | 1; code: Code } {
    const before = this.said.get(resultId);
    const now = before?.ok === 0 && answer.ok === 1 ? before : answer;
    this.said.delete(resultId);
    this.said.set(resultId, now);
    for (const oldest of this.said.keys()) {
      if (this.said.size <= remembered) break;
      this.said.delete(oldest);
    }
    return now;
  }
}

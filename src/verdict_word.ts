import { Evaluation, type Word } from './codes';
import type { Verdict } from './ports';

/**
 * The word people read (contract, "The verdict"): PASS (evaluation 1 and released 1), FAIL (2), UNDECIDED (3), ERROR (everything
 * else). A simulated part reads PASS or FAIL by its evaluation, since it is never released.
 */
export function wordOf(verdict: Pick<Verdict, 'evaluation' | 'released'> & { part: { simulated: boolean } }): Word {
  switch (verdict.evaluation) {
    case Evaluation.OK:
      return verdict.released === 1 || verdict.part.simulated ? 'PASS' : 'ERROR';
    case Evaluation.NotOK:
      return 'FAIL';
    case Evaluation.NotDecidable:
      return 'UNDECIDED';
    case Evaluation.Undefined:
      return 'ERROR';
  }
}

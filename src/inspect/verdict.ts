/**
 * The verdict about one part: pure, from what was found, the limit in force and the circumstances. The rule is the MQTT contract's
 * section "The verdict": `released` is its `ok` with every condition but the commit and the age, which only the publisher knows.
 */
import { Code, Evaluation, ResultState } from '../codes';
import type { Judgement, Outcome } from '../ports';

/** What the part is judged against; null where no recipe is in force. */
export interface Terms {
  /** value > 0: at or below is OK; |score - value| <= grey (where grey > 0) is not decidable. */
  limit: { value: number; grey: number; provisional: boolean };
  /** No part under these terms is released, and its code is this one; `unjudged`: the limit is none, and nothing is decided. */
  withheld?: { code: Code; detail: string; unjudged: boolean };
  /** See config recipe.wrongPartMargin; absent: parts are not compared with other recipes. */
  wrongPartMargin?: number;
}

export interface Circumstances {
  part: { seq: number; simulated: boolean };
  /** The part's deadline has already been answered with a no. */
  late: boolean;
  /** The station is in state Operational. */
  operational: boolean;
}

/** Commissioning switches and modes that change what is released, never what is found. */
export interface Policy {
  /** Refused by the configuration with a real camera. */
  acceptSimulated: boolean;
  acceptProvisional: boolean;
  /** Teaching or a master check is in progress. */
  teaching: () => boolean;
  /** A check with master parts is due: nothing is released before it has passed. */
  masterDue?: () => boolean;
}

/** Codes of parts that were given up, not tried and failed: OPC 40001-101 calls those Aborted. */
const aborting: ReadonlySet<Code> = new Set<Code>([Code.notReady, Code.mismatch]);

/** The judge under a policy. Pure but for `policy.teaching`, which is asked at each part. */
export function judgeBy(policy: Policy): (outcome: Outcome, terms: Terms | null, circumstances: Circumstances) => Judgement {
  return (outcome, terms, circumstances) => {
    const now = { ...policy, teaching: policy.teaching(), masterDue: policy.masterDue?.() ?? false };
    return withheldBy(terms, judge(outcome, terms, circumstances, now));
  };
}

type Now = { acceptSimulated: boolean; acceptProvisional: boolean; teaching: boolean; masterDue: boolean };

/** What was found stands; it is released under no circumstances. A fault keeps its own code. */
function withheldBy(terms: Terms | null, found: Judgement): Judgement {
  const withheld = terms?.withheld;
  if (withheld === undefined || found.state !== ResultState.Completed) return found;
  const what = found.detail === '' ? 'good' : found.detail;
  return { ...found, released: 0, code: withheld.code, detail: `${what}; ${withheld.detail}` };
}

function judge(outcome: Outcome, terms: Terms | null, circumstances: Circumstances, policy: Now): Judgement {
  if (outcome.kind === 'fault') return undecided(outcome.code, outcome.detail);
  if (terms === null) return undecided(Code.noRecipe, 'no recipe is in force: there is no limit to judge by');
  if (terms.withheld?.unjudged === true) return { ...undecided(terms.withheld.code, terms.withheld.detail), state: ResultState.Aborted };
  const { score, nearest } = outcome.findings;
  const { value, grey, provisional } = terms.limit;
  if (!Number.isFinite(score) || score < 0) return undecided(Code.notANumber, `the model gave ${score}; expected a score >= 0`);
  if (!(Number.isFinite(value) && value > 0 && Number.isFinite(grey) && grey >= 0)) {
    return undecided(Code.notCalibrated, `limit ${value} with grey zone ${grey} is none; expected a limit > 0, a grey zone >= 0`);
  }
  const { wrongPartMargin: margin } = terms;
  if (nearest !== undefined && margin !== undefined && !(nearest.score * margin > nearest.own)) {
    const { recipe, score: there, own } = nearest;
    const detail = `it looks more like recipe ${recipe.id} (number ${recipe.number}): score ${there.toFixed(3)} there, ${own.toFixed(3)} here, margin ${margin}`;
    return undecided(Code.wrongPart, detail);
  }
  const completed = { state: ResultState.Completed, released: 0 } as const;
  const figures = `score ${score.toFixed(3)}, limit ${value.toFixed(3)}`;
  if (grey > 0 && Math.abs(score - value) <= grey) {
    const detail = `${figures}: within the grey zone of ${grey.toFixed(3)}`;
    return { ...completed, evaluation: Evaluation.NotDecidable, code: Code.greyZone, detail };
  }
  if (score > value) return { ...completed, evaluation: Evaluation.NotOK, code: Code.anomaly, detail: `${figures}: above the limit` };
  const withheld = withholding({ ...circumstances, provisional }, policy);
  if (withheld !== null) return { ...completed, evaluation: Evaluation.OK, ...withheld };
  return { evaluation: Evaluation.OK, code: Code.ok, state: ResultState.Completed, released: 1, detail: '' };
}

/** A fault yields no evaluation. Code 0 would claim a good part: a fault that forgot its code counts as a failed inference. */
function undecided(code: Code, detail: string): Judgement {
  const state = aborting.has(code) ? ResultState.Aborted : ResultState.Failed;
  return { evaluation: Evaluation.Undefined, code: code === Code.ok ? Code.notANumber : code, state, released: 0, detail };
}

/** Why a good part is not released, the most far-reaching reason first; null if it is. */
function withholding(now: Circumstances & { provisional: boolean }, policy: Now): { code: Code; detail: string } | null {
  if (now.late) return { code: Code.tooLate, detail: 'good, but decided after its deadline had been answered with a no' };
  if (policy.masterDue) return { code: Code.masterDue, detail: 'good, but a check with master parts is due: nothing passes before it' };
  if (!now.operational) return { code: Code.notReady, detail: 'good, but the station was not Operational when it was decided' };
  if (policy.teaching) return { code: Code.teaching, detail: 'good, but shown during teaching or a master check' };
  if (!(Number.isInteger(now.part.seq) && now.part.seq > 0)) return { code: Code.noSeq, detail: 'good, but taken in free run: no seq' };
  if (now.part.simulated && !policy.acceptSimulated) return { code: Code.simulated, detail: 'good, but the camera is simulated' };
  if (now.provisional && !policy.acceptProvisional) {
    return { code: Code.notCalibrated, detail: 'good, but the limit is provisional: too few good parts were shown' };
  }
  return null;
}

/** A part on the line: what is known of it from its opening to its end, and what the line needs to take it there. */
import { Code, Evaluation } from '../codes';
import type { Diagnostics } from '../diagnostics';
import type { Cancel, Clock, Findings, Frame, Log, Ms, Outcome, Part, Publisher, Quality, Truth, Verdict } from '../ports';
import type { Lead } from './announcements';
import type { Exposures } from './exposures';
import type { ResultIds } from './ids';
import type { Job, Judge } from './job';

export interface LineOptions {
  freeRun: boolean; // every exposure is a part of its own, seq 0
  /** Parts are announced, and a sensor triggers the camera; null: each trigger is an exposure. */
  hardware?: Pick<Lead, 'leadMin' | 'leadMax'> | null;
  ttl: Ms; // of a verdict, from trigger (free run, hardware trigger: exposure)
  margin: Ms; // a no is sent at the latest this long before the TTL
  maxOpen: number; // parts open at a time; one more is refused, 201
  lot: string; // in force now: a part keeps the one it was opened in
  config: string; // sha256 of the configuration in force
}

/** A part's way, for people at the terminal and for tests. */
export interface Report {
  verdict: Verdict;
  ok: 0 | 1; // what was released in the end
  named?: boolean; // the trigger named the recipe
  age: Ms | null; // trigger to result; null where a refusal went out first
  truth: Truth | null;
  source: string | null;
  /** Of its picture; null where it had none. */
  quality?: Quality | null;
  /**
   * What verdictd itself adds, ms: trigger to exposure command, and from the tensor complete in its slot to the bytes of `result`
   * handed to the socket, less the sessions' own run times. Null without a verdict in time.
   */
  overhead: Ms | null;
  /** The model's own times. */
  ms: Findings['ms'] | null;
  /** ms of each stage; what a stage never reached is absent. */
  stages: Partial<Record<'acquire' | 'handover' | 'inspect' | 'commit' | 'publish', Ms>>;
}

export interface LineDeps {
  clock: Clock;
  exposures: Pick<Exposures, 'fire' | 'restart'>;
  inspector: { inspect(frame: Frame, plan: Job['plan'], by: Ms): Promise<Findings> };
  log: Log;
  publisher: Publisher;
  judge: Judge;
  ids: ResultIds;
  diagnostics: Diagnostics;
  /** Why triggers are not accepted; 0 when they are. */
  notReady: () => Code;
  /** Takes over the frame once the verdict has left, and releases it, once, whatever happens; never throws. */
  evidence: (report: Report, frame: Frame, findings: Findings | null) => void;
  report: (report: Report) => void;
  /** Announcements and exposures have parted (206): triggers are refused until `Line.reset`. */
  mismatch?: (detail: string) => void;
}

export interface Open {
  /** Exchanged once, with a hardware trigger: its times count from the exposure. */
  part: Part;
  /** What this part is judged with, whatever comes into force while it is under way. */
  readonly job: Job;
  /** The lot it was opened in, whichever is in force at its verdict. */
  readonly lot: string;
  /** Its trigger named the recipe. */
  readonly named: boolean;
  phase: 'waiting' | 'exposing' | 'inspecting' | 'committing';
  fired: Ms;
  exposed: Ms | null;
  /** What the wire was told about it; said once. */
  answered: { kind: 'refusal'; code: Code } | { kind: 'result' } | null;
  /** Held for this part; `giveBack` and `evidence` are its ends. */
  frame: Frame | null;
  cancel: Cancel;
  /** Told once, when nothing more can come of the part. */
  over: () => void;
  stages: Report['stages'];
}

/** What verdictd itself added to a part's way; see Report.overhead. */
export function overheadOf(open: Open, frame: Frame, { ms }: Findings, published: Ms): Ms {
  const command = Number.isFinite(open.fired) ? open.fired - open.part.opened : 0;
  return command + (published - frame.ready) - ms.model - ms.bank;
}

/**
 * The verdict about a part as it goes into the log. A part that a mismatch of the hardware trigger took (206) keeps no findings: its
 * picture may be another part's, and must not stand under this one's number.
 */
export function verdictOf(
  open: Open,
  outcome: Outcome,
  { clock, judge }: Pick<LineDeps, 'clock' | 'judge'>,
  { config, operational }: Pick<LineOptions, 'config'> & { operational: boolean },
): Verdict {
  const { job, frame, part } = open;
  const late = open.answered !== null;
  const seen: Outcome = open.answered?.kind === 'refusal' && open.answered.code === Code.mismatch ? mismatched : outcome;
  const judgement = judge(seen, job, { part, late, operational });
  const findings = seen.kind === 'findings' ? seen.findings : null;
  const unjudged = job.withheld?.unjudged === true;
  const now = clock.now();
  const exposed = open.exposed ?? now;
  return {
    part,
    ...judgement,
    score: unjudged ? null : (findings?.score ?? null),
    limit: unjudged ? null : job.limit.value,
    frameId: frame?.frameId ?? null,
    mapMax: findings?.mapMax ?? null,
    probabilities: findings?.probabilities ?? null,
    ...(unjudged || findings === null || frame === null ? {} : placed(judgement.evaluation, job, findings, frame)),
    provider: findings?.provider ?? job.provider(),
    bundle: job.bundle,
    config,
    timings: {
      startTime: part.openedUtc,
      endTime: clock.wall().utc,
      acquisitionDuration: Math.max(0, (frame?.ready ?? exposed) - part.opened),
      processingDuration: Math.max(0, now - (frame?.ready ?? exposed)),
    },
    late,
    lot: open.lot,
  };
}

/** A part that is good has no place to show. */
function placed(evaluation: Evaluation, { boxes }: Job, findings: Findings, frame: Frame): Pick<Verdict, 'boxes'> {
  if (boxes === undefined || (evaluation !== Evaluation.NotOK && evaluation !== Evaluation.NotDecidable)) return {};
  return { boxes: boxes(findings, frame) };
}

const mismatched: Outcome = {
  kind: 'fault',
  code: Code.mismatch,
  detail: 'announcements and exposures did not match; the picture may be of another part',
};

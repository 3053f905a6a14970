/**
 * The line: parts in, verdicts out. Every part is opened once, answered once and logged once, whatever fails on the way:
 *
 *   trigger -> admitted (ack) -> exposed (acquired) -> inspected -> decided -> committed -> published -> picture
 *
 * What could go wrong if ... the exposure never comes? The part's deadline answers 302 and the stream is restarted, so that a
 * frame that comes too late can never be taken for the next part. ... the model hangs? The deadline answers 402; the verdict is
 * still logged, marked late. ... the disk stalls? The deadline answers 502. ... all of it at once? A no is sent ahead of the
 * commit; only a pass needs the commit first.
 */
import { Code, Evaluation, ResultState } from '../codes';
import type { Diagnostics } from '../diagnostics';
import { InspectionError, reason } from '../errors';
import type {
  Cancel,
  Clock,
  Committed,
  Findings,
  Frame,
  FrameFault,
  Log,
  Ms,
  Outcome,
  Part,
  Publisher,
  TriggerRequest,
  Truth,
  Verdict,
} from '../ports';
import { Admissions, type Answer } from './admission';
import type { Exposures } from './exposures';
import type { ResultIds } from './ids';
import type { Job, Judge } from './job';

export interface LineOptions {
  freeRun: boolean; // every exposure is a part of its own, seq 0
  ttl: Ms; // of a verdict, from trigger (free run: exposure)
  margin: Ms; // a no is sent at the latest this long before the TTL
  maxOpen: number; // parts open at a time; one more is refused, 201
  lot: string;
  config: string; // sha256 of the configuration in force
}

/** A part's way, for people at the terminal and for tests. */
export interface Report {
  verdict: Verdict;
  ok: 0 | 1; // what was released in the end
  age: Ms | null; // trigger to result; null where a refusal went out first
  truth: Truth | null;
  source: string | null;
  /** What verdictd itself adds, ms: trigger to exposure command, and tensor to `result` less the model's own time. Null without a verdict in time. */
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
}

interface Open {
  readonly part: Part;
  /** What this part is judged with, whatever comes into force while it is under way. */
  readonly job: Job;
  phase: 'waiting' | 'exposing' | 'inspecting' | 'committing';
  fired: Ms;
  exposed: Ms | null;
  /** What the wire was told about it; said once. */
  answered: { kind: 'refusal'; code: Code } | { kind: 'result' } | null;
  /** Held for this part; `giveBack` and `evidence` are its ends. */
  frame: Frame | null;
  cancel: Cancel;
  stages: Report['stages'];
}

/** A late verdict is still worth logging for this long after the TTL; then the part is closed as failed. */
const lateGrace: Ms = 10_000;

export class Line {
  private readonly open = new Set<Open>();
  private readonly waiting: Open[] = [];
  private readonly admissions: Admissions;
  private exposing: Open | null = null;
  private job: Job | null = null;
  private stopping = false;
  /** Counters since start, for stats and tests. */
  readonly counts = { triggers: 0, refused: 0, parts: 0, late: 0, strayFrames: 0, unlogged: 0 };

  constructor(
    private readonly options: LineOptions,
    private readonly deps: LineDeps,
    lastSeq: number,
  ) {
    this.admissions = new Admissions(lastSeq);
  }

  get lastSeq(): number {
    return this.admissions.lastSeq;
  }

  get openParts(): number {
    return this.open.size;
  }

  /** What parts are judged with that come from now on. Null: nothing any more, and parts under way are not released. */
  use(job: Job | null): void {
    this.job = job;
  }

  /** A trigger, or an unreadable one. Answers with `ack` at once; the rest follows. */
  trigger(request: TriggerRequest | { bad: Code; seq: number }): void {
    const { publisher, clock } = this.deps;
    this.counts.triggers++;
    if ('bad' in request) {
      this.counts.refused++;
      publisher.ack(request.seq, request.bad);
      return;
    }
    const notReady = this.stopping || this.options.freeRun ? Code.notReady : this.deps.notReady();
    const admission = this.admissions.admit(request, clock.now(), {
      notReady: notReady === Code.ok && this.job === null ? Code.noRecipe : notReady,
      openParts: this.open.size,
      maxOpen: this.options.maxOpen,
      recipe: this.job?.plan.recipe.number ?? 0,
      ttl: this.options.ttl,
    });
    if (admission.kind === 'refuse') {
      this.counts.refused++;
      publisher.ack(request.seq, admission.code);
    } else if (admission.kind === 'repeat') {
      this.repeat(request.seq, admission.answer);
    } else if (this.job !== null) {
      const open = this.admit(request, this.job);
      publisher.ack(request.seq, Code.ok);
      this.waiting.push(open);
      this.expose();
    }
  }

  /** An exposure of the camera, in order. Takes over the frame. */
  exposure(shot: Frame | FrameFault): void {
    const open = this.options.freeRun ? this.openFree(shot) : this.exposing;
    const at = shot.kind === 'frame' ? shot.exposed : shot.at;
    // What was exposed before its trigger was fired belongs to nobody: an older part's, or a stray.
    if (open === null || at < open.fired) {
      this.counts.strayFrames++;
      if (shot.kind === 'frame') shot.release();
      return;
    }
    this.exposing = null;
    this.deps.publisher.acquired(open.part.seq);
    open.exposed = at;
    open.frame = shot.kind === 'frame' ? shot : null;
    open.stages.acquire = this.deps.clock.now() - open.part.opened;
    if (shot.kind === 'frame') open.stages.handover = this.deps.clock.now() - shot.ready; // native thread to here
    this.expose();
    this.inspect(open, shot).then(
      (outcome) => this.conclude(open, outcome, shot),
      (thrown: unknown) => this.conclude(open, { kind: 'fault', code: Code.notANumber, detail: reason(thrown) }, shot),
    );
  }

  /** The camera is gone: what waits for an exposure gets none. */
  cameraLost(code: Code, detail: string): void {
    const stranded = this.exposing === null ? [...this.waiting] : [this.exposing, ...this.waiting];
    this.waiting.length = 0;
    this.exposing = null;
    for (const open of stranded) this.conclude(open, { kind: 'fault', code, detail }, null);
  }

  /** No new parts; open ones get until `by`, then a no. */
  async stop(by: Ms): Promise<void> {
    this.stopping = true;
    this.cameraLost(Code.notReady, 'the station is stopping');
    while (this.open.size > 0 && this.deps.clock.now() < by) await new Promise((done) => setTimeout(done, 5));
    for (const open of this.open) this.refuse(open, Code.notReady);
  }

  private admit(request: TriggerRequest, job: Job): Open {
    const open = this.begin(
      {
        resultId: this.deps.ids.next(),
        seq: request.seq,
        partId: request.partId,
        recipe: job.plan.recipe,
        opened: request.received,
        openedUtc: this.deps.clock.wall().utc,
        clockTrusted: this.deps.clock.wall().trusted,
        simulated: job.simulated,
      },
      'waiting',
      job,
    );
    // Written while exposing. If it fails, the part still stands or falls with its commit.
    this.deps.log.open(open.part).catch((thrown: unknown) => {
      this.deps.diagnostics.error({ resultId: open.part.resultId, err: reason(thrown) }, 'pending row not written');
    });
    return open;
  }

  private openFree(shot: Frame | FrameFault): Open | null {
    if (this.job === null || this.stopping) return null;
    if (this.open.size >= this.options.maxOpen) {
      this.counts.refused++;
      return null;
    }
    const wall = this.deps.clock.wall();
    const opened = shot.kind === 'frame' ? shot.exposed : shot.at;
    return this.begin(
      {
        resultId: this.deps.ids.next(),
        seq: 0,
        partId: '',
        recipe: this.job.plan.recipe,
        opened,
        openedUtc: wall.utc,
        clockTrusted: wall.trusted,
        simulated: this.job.simulated,
      },
      'exposing',
      this.job,
    );
  }

  private begin(part: Part, phase: Open['phase'], job: Job): Open {
    const none = { fired: -Infinity, exposed: null, answered: null, frame: null, cancel: () => undefined };
    const open: Open = { part, job, phase, ...none, stages: {} };
    open.cancel = this.deps.clock.at(part.opened + this.options.ttl - this.options.margin, () => this.expire(open));
    this.open.add(open);
    this.counts.parts++;
    return open;
  }

  /** One exposure at a time: the next is fired when the last one has come (or has been given up). */
  private expose(): void {
    if (this.exposing !== null || this.options.freeRun) return;
    const open = this.waiting.shift();
    if (open === undefined) return;
    this.exposing = open;
    open.phase = 'exposing';
    open.fired = this.deps.clock.now();
    this.deps.exposures.fire().catch((thrown: unknown) => {
      if (this.exposing !== open) return;
      this.exposing = null;
      // It may have exposed all the same: that frame must not meet the next part.
      this.deps.exposures.restart('the camera refused an exposure');
      this.conclude(open, { kind: 'fault', code: Code.cameraLost, detail: reason(thrown) }, null);
      this.expose();
    });
  }

  private async inspect(open: Open, shot: Frame | FrameFault): Promise<Outcome> {
    if (shot.kind === 'fault') return { kind: 'fault', code: shot.code, detail: shot.detail };
    const { clock, inspector } = this.deps;
    const { job } = open;
    if (shot.planId !== job.plan.id) {
      const detail = 'the frame was taken under other settings than those in force; it was not judged';
      return { kind: 'fault', code: Code.incompleteFrame, detail };
    }
    const gate = job.gate(shot.quality);
    if (gate !== null) return { kind: 'fault', ...gate };
    open.phase = 'inspecting';
    const began = clock.now();
    try {
      const findings = await inspector.inspect(shot, job.plan, open.part.opened + this.options.ttl + lateGrace);
      return { kind: 'findings', findings };
    } catch (thrown) {
      return { kind: 'fault', code: thrown instanceof InspectionError ? thrown.wire : Code.notANumber, detail: reason(thrown) };
    } finally {
      open.stages.inspect = clock.now() - began;
    }
  }

  /** The only way out for a part. Whatever breaks in it, the part gets its no and the frame goes back. */
  private conclude(open: Open, outcome: Outcome, shot: Frame | FrameFault | null): void {
    this.close(open, outcome, shot).catch((thrown: unknown) => {
      this.deps.diagnostics.error({ resultId: open.part.resultId, err: thrown }, 'a part could not be closed as it should');
      this.refuse(open, Code.logUnavailable);
      this.end(open);
      this.giveBack(open);
    });
  }

  /** Decides, commits, publishes, reports. Releases the frame, or hands it to the evidence room. */
  private async close(open: Open, outcome: Outcome, shot: Frame | FrameFault | null): Promise<void> {
    const { clock, log, publisher, diagnostics } = this.deps;
    const { frame } = open;
    const findings = outcome.kind === 'findings' ? outcome.findings : null;
    const verdict = this.verdict(open, outcome, frame);
    const shown = { truth: shot?.truth ?? null, source: shot?.source ?? null, ms: findings?.ms ?? null, stages: open.stages };
    open.phase = 'committing';
    const began = clock.now();
    let committed: Committed;
    try {
      committed = await log.commit(verdict);
    } catch (thrown) {
      this.counts.unlogged++;
      diagnostics.error({ resultId: open.part.resultId, seq: open.part.seq, err: reason(thrown) }, 'verdict not logged: ok 0, code 502');
      this.refuse(open, Code.logUnavailable);
      this.end(open);
      this.giveBack(open);
      const failed = { evaluation: Evaluation.Undefined, state: ResultState.Failed, code: Code.logUnavailable, released: 0 } as const;
      this.deps.report({ ...shown, verdict: { ...verdict, ...failed, detail: reason(thrown) }, ok: 0, age: null, overhead: null });
      return;
    }
    const logged = clock.now();
    open.stages.commit = logged - began;
    let ok: 0 | 1 = 0;
    let age: Ms | null = null;
    if (open.answered === null) {
      ({ ok, age } = publisher.result(committed));
      open.answered = { kind: 'result' };
      open.stages.publish = clock.now() - logged;
      this.admissions.answered(open.part.seq, { kind: 'result', committed });
    }
    this.end(open);
    if (verdict.released === 1 && ok === 0) this.fell(open, verdict);
    publisher.drain();
    const overhead = age !== null && frame !== null && findings !== null ? own(open, frame, findings, clock.now()) : null;
    const report: Report = { ...shown, verdict, ok, age, overhead };
    this.deps.report(report);
    open.frame = null;
    if (frame !== null) this.deps.evidence(report, frame, findings);
  }

  private giveBack(open: Open): void {
    const { frame } = open;
    open.frame = null;
    frame?.release();
  }

  private verdict(open: Open, outcome: Outcome, frame: Frame | null): Verdict {
    const { clock, judge } = this.deps;
    const { job } = open;
    const late = open.answered !== null;
    const judgement = judge(outcome, job, {
      part: open.part,
      late,
      operational: !this.stopping && this.job !== null && (this.options.freeRun || this.deps.notReady() === Code.ok),
    });
    const findings = outcome.kind === 'findings' ? outcome.findings : null;
    const now = clock.now();
    const exposed = open.exposed ?? now;
    return {
      part: open.part,
      ...judgement,
      score: findings?.score ?? null,
      limit: job.limit.value,
      frameId: frame?.frameId ?? null,
      mapMax: findings?.mapMax ?? null,
      probabilities: findings?.probabilities ?? null,
      provider: findings?.provider ?? job.provider(),
      bundle: job.bundle,
      config: this.options.config,
      timings: {
        startTime: open.part.openedUtc,
        endTime: clock.wall().utc,
        acquisitionDuration: Math.max(0, (frame?.ready ?? exposed) - open.part.opened),
        processingDuration: Math.max(0, now - (frame?.ready ?? exposed)),
      },
      late,
      lot: this.options.lot,
    };
  }

  /** The deadline: a timely no beats silence. The part goes on to be logged, marked late. */
  private expire(open: Open): void {
    if (!this.open.has(open) || open.answered !== null) return;
    this.counts.late++;
    switch (open.phase) {
      case 'waiting':
        this.refuse(open, Code.cameraTimeout);
        this.waiting.splice(this.waiting.indexOf(open), 1);
        this.conclude(open, { kind: 'fault', code: Code.cameraTimeout, detail: 'the exposure before it did not end in time' }, null);
        return;
      case 'exposing':
        this.refuse(open, Code.cameraTimeout);
        if (this.exposing === open) this.exposing = null;
        this.deps.exposures.restart('an exposure did not come in time');
        this.conclude(open, { kind: 'fault', code: Code.cameraTimeout, detail: 'no frame came in time' }, null);
        return;
      case 'inspecting':
        this.refuse(open, Code.tooLate);
        return;
      case 'committing':
        this.refuse(open, Code.logUnavailable);
        return;
    }
  }

  private refuse(open: Open, code: Code): void {
    if (open.answered !== null) return;
    open.answered = { kind: 'refusal', code };
    this.deps.publisher.refuse(open.part, code);
    this.admissions.answered(open.part.seq, { kind: 'refusal', code, part: open.part });
  }

  /** The log says released, the wire said no: an event row keeps the two honest. */
  private fell(open: Open, verdict: Verdict): void {
    const code = open.answered?.kind === 'refusal' ? open.answered.code : Code.expired;
    this.deps.log
      .event('notReleased', `${verdict.part.resultId} seq ${verdict.part.seq}: decided ok, published ok 0 (${code}) or not at all`)
      .then(() => this.deps.publisher.drain())
      .catch((thrown: unknown) => this.deps.diagnostics.error({ err: reason(thrown) }, 'event not logged'));
  }

  private end(open: Open): void {
    open.cancel();
    this.open.delete(open);
  }

  private repeat(seq: number, answer: Answer): void {
    const { publisher } = this.deps;
    switch (answer.kind) {
      case 'refusedTrigger':
        publisher.ack(seq, answer.code);
        return;
      case 'open':
        publisher.ack(seq, Code.ok);
        return;
      case 'refusal':
        publisher.ack(seq, Code.ok);
        publisher.refuse(answer.part, answer.code);
        return;
      case 'result':
        publisher.ack(seq, Code.ok);
        publisher.result(answer.committed);
        return;
    }
  }
}

function own(open: Open, frame: Frame, { ms }: Findings, published: Ms): Ms {
  const command = Number.isFinite(open.fired) ? open.fired - open.part.opened : 0;
  return command + (published - frame.ready) - ms.model - ms.bank;
}

/**
 * The line: parts in, verdicts out. Every part is opened once, answered once and logged once, whatever fails on the way:
 *
 *   trigger -> admitted (ack) -> exposed (acquired) -> inspected -> decided -> committed -> published -> picture
 *
 * What could go wrong if ... the exposure never comes? The camera's time-out, or the part's deadline, answers 302 and the stream is
 * restarted, so that a frame that comes too late can never be taken for the next part. ... the model hangs? The deadline answers 402;
 * the verdict is still logged, marked late. ... the disk stalls? The deadline answers 502. ... all of it at once? A no is sent ahead of
 * the commit; only a pass needs the commit first.
 */
import { Code, Evaluation, ResultState } from '../codes';
import { InspectionError, reason } from '../errors';
import type { Committed, Frame, FrameFault, Ms, Outcome, Part, TriggerRequest, Verdict } from '../ports';
import { Admissions } from './admission';
import { HardwareTrigger } from './hardware';
import type { Job } from './job';
import { type LineDeps, type LineOptions, type Open, overheadOf, type Report, verdictOf } from './part';
import { Repetitions } from './repetition';

export type { LineDeps, LineOptions, Report } from './part';

/** A late verdict is still worth logging for this long after the TTL; then the part is closed as failed. */
const lateGrace: Ms = 10_000;

/** With these a camera that runs free shows nobody's parts either: what is not logged, or not to be believed, is not shown. */
const stopsFreeRun: ReadonlySet<Code> = new Set([Code.diskLow, Code.logUnavailable, Code.foreignRig, Code.selfTest]);

export class Line {
  private readonly open = new Set<Open>();
  private readonly waiting: Open[] = [];
  private readonly admissions: Admissions;
  private readonly hardware: HardwareTrigger | null;
  private readonly repetitions: Repetitions;
  private exposing: Open | null = null;
  private job: Job | null = null;
  private stopping = false;
  private halted = false;
  /** Counters since start, for stats and tests. */
  readonly counts = { triggers: 0, refused: 0, parts: 0, late: 0, strayFrames: 0, unlogged: 0 };

  constructor(
    private readonly options: LineOptions,
    private readonly deps: LineDeps,
    lastSeq: number,
  ) {
    const { hardware: lead = null, ttl, margin } = options;
    const { clock } = deps;
    // With a hardware trigger a restart is a disconnect: nothing of an earlier run is a pass any more.
    this.admissions = new Admissions(lastSeq, lead === null ? clock.now() : -Infinity);
    this.repetitions = new Repetitions(deps, ttl);
    const failed = (detail: string): void => this.mismatched(detail);
    this.hardware = lead === null ? null : new HardwareTrigger({ ...lead, arrival: ttl - margin }, ttl, clock, failed);
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

  /** Parts are under way that came in under this plan. */
  judging(plan: Job['plan']): boolean {
    return [...this.open].some(({ job }) => job.plan === plan);
  }

  /** Halted: a camera that runs free shows nobody's parts. Triggers are refused by `notReady`. */
  halt(on: boolean): void {
    this.halted = on;
  }

  /** The approach is empty: announcements are paired again. */
  reset(): void {
    this.hardware?.reset();
  }

  /** What the camera says of edges that gave no frame, since its stream began: one more is a mismatch. */
  edges(missed: number): void {
    this.hardware?.missed(missed);
  }

  /** The broker is gone: what was announced or answered meanwhile is not known to both sides. */
  disconnected(): void {
    this.hardware?.disconnected(this.open.size > 0, 'the connection to the broker was lost with parts under way');
  }

  /** One part without a trigger, for display and log: seq 0, never a pass. Resolves when it is over; a code: why there is none. */
  shoot(): Code | Promise<void> {
    if (this.hardware !== null || this.options.freeRun || this.stopping) return Code.notReady;
    if (this.job === null) return Code.noRecipe;
    if (this.open.size >= this.options.maxOpen) return Code.busy;
    const open = this.begin(this.unnumbered(this.deps.clock.now(), this.job), 'waiting', this.job);
    const over = new Promise<void>((resolve) => {
      open.over = resolve;
    });
    this.waiting.push(open);
    this.expose();
    return over;
  }

  /** Every open part gets its no now (command 9); what is being inspected is still logged. */
  abort(): void {
    this.hardware?.withdraw();
    if (this.exposing !== null && this.hardware === null) this.deps.exposures.restart('the part being exposed was aborted');
    for (const open of this.open) this.refuse(open, Code.notReady);
    this.strand(Code.notReady, 'aborted by command');
  }

  /** A trigger, or an unreadable one. Answers with `ack` at once; the rest follows. */
  trigger(request: TriggerRequest | { bad: Code; seq: number }): void {
    const { publisher, clock } = this.deps;
    this.counts.triggers++;
    if ('bad' in request) {
      this.counts.refused++;
      publisher.ack(request.seq, request.bad);
      this.hardware?.refused(clock.now());
      return;
    }
    const notReady = this.stopping || this.options.freeRun ? Code.notReady : this.hardware?.blocked ? Code.mismatch : this.deps.notReady();
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
      this.hardware?.refused(request.received);
    } else if (admission.kind === 'ask') {
      this.repetitions.ask(request);
    } else if (admission.kind === 'repeat') {
      this.repetitions.answer(request.seq, admission.answer);
    } else if (this.job !== null) {
      this.take(request, this.job);
    }
  }

  /** An exposure of the camera, in order. Takes over the frame. */
  exposure(shot: Frame | FrameFault): void {
    const open = this.options.freeRun ? this.openFree(shot) : this.hardware === null ? this.exposing : this.announced(shot, this.hardware);
    const at = shot.kind === 'frame' ? shot.exposed : shot.at;
    // An exposure that ended before its part's trigger was fired belongs to nobody: an older part's, or a stray. One that ended later
    // need not have begun later: that an older one cannot come is what the restarts of the stream are for.
    if (open === null || at < open.fired) {
      this.counts.strayFrames++;
      if (shot.kind === 'frame') shot.release();
      return;
    }
    this.exposing = null;
    open.exposed = at;
    open.frame = shot.kind === 'frame' ? shot : null;
    open.stages.acquire = this.deps.clock.now() - open.part.opened;
    if (shot.kind === 'frame') open.stages.handover = this.deps.clock.now() - shot.ready; // native thread to here
    // Its frame may still come, and must not meet the next part.
    if (shot.kind === 'fault' && shot.code === Code.cameraTimeout && this.hardware === null && !this.options.freeRun) {
      this.deps.exposures.restart('an exposure did not come in time');
    }
    this.inspect(open, shot).then(
      (outcome) => this.conclude(open, outcome, shot),
      (thrown: unknown) => this.conclude(open, { kind: 'fault', code: Code.notANumber, detail: reason(thrown) }, shot),
    );
    // The model has its call before anything else is said: it takes the longest.
    this.deps.publisher.acquired(open.part.seq);
    this.expose();
  }

  /** The camera is gone: what waits for an exposure gets none. */
  cameraLost(code: Code, detail: string): void {
    this.hardware?.streamBegins();
    if (!this.stopping) this.hardware?.disconnected(this.open.size > 0, `the camera was lost: ${detail}`);
    this.strand(code, detail);
  }

  private strand(code: Code, detail: string): void {
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

  /** A new number: acknowledged, then fired, or left to its sensor. */
  private take(request: TriggerRequest, job: Job): void {
    const { hardware } = this;
    const { publisher } = this.deps;
    if (hardware !== null && !hardware.announce(request.received)) {
      this.counts.refused++;
      this.admissions.answered(request.seq, { kind: 'refusedTrigger', code: Code.mismatch });
      publisher.ack(request.seq, Code.mismatch);
      return;
    }
    const open = this.admit(request, job);
    publisher.ack(request.seq, Code.ok);
    if (hardware !== null) this.exposing = open;
    else {
      this.waiting.push(open);
      this.expose();
    }
  }

  private admit(request: TriggerRequest, job: Job): Open {
    const part = { ...this.unnumbered(request.received, job), seq: request.seq, partId: request.partId };
    const open = this.begin(part, this.hardware === null ? 'waiting' : 'exposing', job, request.recipeId !== 0);
    // Written while exposing. If it fails, the part still stands or falls with its commit.
    this.deps.log.open(open.part, open.lot).catch((thrown: unknown) => {
      this.deps.diagnostics.error({ resultId: open.part.resultId, err: reason(thrown) }, 'pending row not written');
    });
    return open;
  }

  private openFree(shot: Frame | FrameFault): Open | null {
    if (this.job === null || this.stopping || this.halted || stopsFreeRun.has(this.deps.notReady())) return null;
    if (this.open.size >= this.options.maxOpen) {
      this.counts.refused++;
      return null;
    }
    return this.begin(this.unnumbered(shot.kind === 'frame' ? shot.exposed : shot.at, this.job), 'exposing', this.job);
  }

  private unnumbered(opened: Ms, job: Job): Part {
    const { ids, clock } = this.deps;
    const { utc, trusted } = clock.wall();
    const { plan, simulated } = job;
    return { resultId: ids.next(), seq: 0, partId: '', recipe: plan.recipe, opened, openedUtc: utc, clockTrusted: trusted, simulated };
  }

  /** The part whose sensor caused this exposure. From here on its times count from the exposure. */
  private announced(shot: Frame | FrameFault, hardware: HardwareTrigger): Open | null {
    if (shot.kind === 'fault' && shot.code === Code.cameraLost) return null; // no exposure; `cameraLost` follows, and judges it
    if (!hardware.matches(shot) || this.exposing === null) return null;
    const open = this.exposing;
    open.part = { ...open.part, opened: shot.kind === 'frame' ? shot.exposed : shot.at };
    this.arm(open);
    return open;
  }

  /** Contract, handshake 7: parts without a result get 206, young passes are taken back, and nothing is paired until `reset`. */
  private mismatched(detail: string): void {
    const { publisher, log, diagnostics } = this.deps;
    diagnostics.error({ detail }, 'hardware trigger and announcements do not match: triggers get 206 until command 7 (reset)');
    for (const part of this.hardware?.revocable() ?? []) {
      publisher.refuse(part, Code.mismatch);
      this.admissions.answered(part.seq, { kind: 'refusal', code: Code.mismatch, part });
      log
        .event('revoked', `${part.resultId} seq ${part.seq}: published ok, taken back (${Code.mismatch}): ${detail}`)
        .then(() => publisher.drain())
        .catch((thrown: unknown) => diagnostics.error({ err: reason(thrown) }, 'event not logged'));
    }
    for (const open of this.open) this.refuse(open, Code.mismatch);
    this.strand(Code.mismatch, detail);
    this.deps.mismatch?.(detail);
  }

  private begin(part: Part, phase: Open['phase'], job: Job, named = false): Open {
    const none = { fired: -Infinity, exposed: null, answered: null, frame: null, cancel: () => undefined, over: () => undefined };
    const open: Open = { part, job, lot: this.options.lot, named, phase, ...none, stages: {} };
    // A part that is announced has its deadline from its exposure; until then the announcement's own is in force.
    if (this.hardware === null) this.arm(open);
    this.open.add(open);
    this.counts.parts++;
    return open;
  }

  private arm(open: Open): void {
    open.cancel = this.deps.clock.at(open.part.opened + this.options.ttl - this.options.margin, () => this.expire(open));
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
    const operational = !this.stopping && this.job !== null && (this.options.freeRun || this.deps.notReady() === Code.ok);
    const verdict = verdictOf(open, outcome, this.deps, { ...this.options, operational });
    const shown = {
      named: open.named,
      truth: shot?.truth ?? null,
      source: shot?.source ?? null,
      quality: frame?.quality ?? null,
      ms: findings?.ms ?? null,
      stages: open.stages,
    };
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
    let published = logged;
    if (open.answered === null) {
      ({ ok, age } = publisher.result(committed));
      published = clock.now();
      open.answered = { kind: 'result' };
      open.stages.publish = published - logged;
      this.admissions.answered(open.part.seq, { kind: 'result', committed });
      if (ok === 1) this.hardware?.passed(open.part);
    }
    this.end(open);
    if (verdict.released === 1 && ok === 0) this.fell(open, verdict);
    publisher.drain();
    const overhead = age !== null && frame !== null && findings !== null ? overheadOf(open, frame, findings, published) : null;
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
    open.over();
  }
}

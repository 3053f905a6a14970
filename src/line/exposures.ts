/**
 * Keeps the camera's stream alive: starts it, reads it, restarts it with back-off when it fails. The line sees exposures in order
 * and is told when the camera is lost or back.
 */
import { within } from '../clock';
import { Code } from '../codes';
import type { Diagnostics } from '../diagnostics';
import { CameraError, reason, VerdictdError } from '../errors';
import type { Camera, CameraInfo, Clock, Frame, FrameFault, Ms, Plan } from '../ports';

const firstRetry: Ms = 250;
const lastRetry: Ms = 4_000; // a camera that is plugged in again is back within 5 s
/** A stream that held for so long was whole: what comes after is a new failure. */
const wholeAfter: Ms = 30_000;
/** What a camera may take to end its stream; see Camera.stop. */
const stopTime: Ms = 2_000;
const complainEvery: Ms = 60_000;
/** Exposures that the self-test of a camera may take: one may be spoilt. */
const proofs = 3;
/** As a camera that fails when it is started: a fresh process may help. */
const unprovenTime: Ms = 120_000;

export interface ExposuresEvents {
  exposure(shot: Frame | FrameFault): void;
  up(info: CameraInfo): void;
  lost(code: Code, detail: string): void;
  /** The source has no more pictures (files, once). */
  ended(): void;
  /** The camera has failed beyond what starting it again mends; it is not tried any more. */
  failed(error: CameraError): void;
}

export class Exposures {
  private readonly end = new AbortController();
  private plan: Plan | null = null;
  private running: Promise<void> | null = null;
  private up = false;
  private lastTry: Ms = 0;
  private loan: { use: () => Promise<void>; refuse: (why: Error) => void } | null = null;
  private complaint: { err: string; at: Ms } = { err: '', at: -Infinity };

  constructor(
    private readonly camera: Camera,
    private readonly clock: Clock,
    private readonly diagnostics: Diagnostics,
    /** A real camera shows one picture before it counts as up, and nobody's part (contract, handshake 6); it must take software triggers. */
    private readonly proven = false,
  ) {}

  get connected(): boolean {
    return this.up;
  }

  /** Reads the camera under `plan` until `stop`. */
  start(plan: Plan, events: ExposuresEvents): void {
    this.plan = plan;
    const gone = new VerdictdError('ABORTED', 'The camera was not lent: the station stops, or has given it up.');
    this.running = this.run(events).finally(() => this.loan?.refuse(gone));
  }

  /** Monotonic ms at which the camera was last started, with or without success: while it is lost, a sign that it is looked after. */
  get tried(): Ms {
    return this.lastTry;
  }

  /**
   * The stream ends, `use` has the camera for itself, then the stream begins again; the line takes the camera for lost meanwhile.
   * Rejects as `use`, and where the camera is not up or lent already.
   */
  lend<T>(use: () => Promise<T>): Promise<T> {
    if (!this.up || this.loan !== null) {
      return Promise.reject(
        new VerdictdError('CAMERA_FAILED', 'The camera is not up, or lent already. Wait until the state is Operational.'),
      );
    }
    return new Promise<T>((resolve, reject) => {
      this.loan = { use: () => use().then(resolve, reject), refuse: reject };
      this.restart('lent to a command');
    });
  }

  /** Frames are taken under `plan` from now on; the stream begins again for it, and what is under way is dropped. */
  use(plan: Plan): void {
    this.plan = plan;
    this.restart('another recipe has other settings of the camera');
  }

  async fire(): Promise<void> {
    if (!this.up) throw new Error('the camera is not connected');
    await this.camera.fire();
  }

  /** Ends the stream and begins it again: every exposure still under way is dropped. */
  restart(why: string): void {
    if (!this.up) return;
    this.up = false;
    this.diagnostics.warn({ why }, 'camera stream restarted');
    void this.camera
      .stop(this.clock.now() + stopTime)
      .catch((thrown: unknown) => this.diagnostics.error({ err: reason(thrown) }, 'camera did not stop'));
  }

  async stop(by: Ms): Promise<void> {
    this.end.abort();
    await this.camera.stop(by);
    await within(Promise.resolve(this.running), by - this.clock.now(), this.clock);
  }

  private async run(events: ExposuresEvents): Promise<void> {
    const { signal } = this.end;
    let wait = firstRetry;
    let failingSince: Ms | null = null;
    while (!signal.aborted && this.plan !== null) {
      this.lastTry = this.clock.now();
      let ended = false;
      let upSince: Ms = Infinity;
      try {
        const { plan } = this;
        const info = await this.camera.start(plan, signal);
        if (this.proven && !info.simulated) await this.prove(signal);
        if (this.plan !== plan) {
          // `use` came meanwhile, and found no stream to begin again: nobody would ever judge what is taken under these settings.
          await this.camera.stop(this.clock.now() + stopTime);
          continue;
        }
        this.up = true;
        upSince = this.clock.now();
        events.up(info);
        for await (const shot of this.camera.exposures()) {
          if (shot.kind === 'frame') failingSince = null;
          wait = firstRetry;
          this.complaint = { err: '', at: -Infinity }; // it was back: the next loss is news
          if (this.up) events.exposure(shot);
          else if (shot.kind === 'frame') shot.release(); // of a stream that is being dropped
        }
        ended = this.up; // a restart lowers `up` before the stream ends; a stream that ends by itself has no more to show
      } catch (thrown) {
        if (!signal.aborted) this.complain(reason(thrown));
        events.lost(Code.cameraLost, reason(thrown));
        const now = this.clock.now();
        if (failingSince === null || now - upSince > wholeAfter) failingSince = now;
        if (!signal.aborted && thrown instanceof CameraError && now - failingSince >= thrown.giveUpAfter) {
          this.up = false;
          await this.camera.stop(now + stopTime).catch(() => undefined);
          events.failed(thrown);
          return;
        }
      }
      this.up = false;
      if (signal.aborted) return;
      await this.camera.stop(this.clock.now() + stopTime).catch(() => undefined); // it failed already; the next start tells
      if (ended) {
        events.ended();
        return;
      }
      events.lost(Code.cameraLost, 'the camera stream is restarting');
      const loan = this.loan;
      if (loan !== null) {
        this.loan = null;
        await loan.use();
        continue;
      }
      await this.pause(wait, signal);
      wait = Math.min(wait * 2, lastRetry);
    }
  }

  /** Takes one picture that is no part's. Throws what the camera throws, and CameraError where no frame of it is whole. */
  private async prove(signal: AbortSignal): Promise<void> {
    let detail = 'its stream ended';
    for (let i = 0; i < proofs && !signal.aborted; i++) {
      await this.camera.fire();
      for await (const shot of this.camera.exposures()) {
        if (shot.kind === 'frame') {
          shot.release();
          return;
        }
        detail = shot.detail;
        // Its frame may still come, and must not meet a part: the stream begins again.
        if (shot.code === Code.cameraTimeout) throw unproven(detail);
        break;
      }
    }
    throw unproven(detail);
  }

  /** The same complaint once a minute, not with every attempt: a camera may be away for a week-end. */
  private complain(err: string): void {
    const now = this.clock.now();
    if (err === this.complaint.err && now - this.complaint.at < complainEvery) return;
    this.complaint = { err, at: now };
    this.diagnostics.error({ err }, 'camera lost; it is tried again');
  }

  private pause(ms: Ms, signal: AbortSignal): Promise<void> {
    return new Promise((done) => {
      const finish = (): void => {
        cancel();
        signal.removeEventListener('abort', finish);
        done();
      };
      const cancel = this.clock.at(this.clock.now() + ms, finish);
      signal.addEventListener('abort', finish, { once: true });
      if (signal.aborted) finish(); // in the meantime: its event is over
    });
  }
}

function unproven(detail: string): CameraError {
  const text = `The camera gives no picture for the self-test: ${detail}. Check its settings, its cable and power; it is started again.`;
  return new CameraError('CAMERA_FAILED', text, unprovenTime);
}

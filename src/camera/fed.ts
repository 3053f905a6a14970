/**
 * A camera fed with pictures: what files and the simulated line share. A source gives pictures one by one; here lie the pace,
 * the software trigger, start and stop.
 */
import { setImmediate as turnOfLoop } from 'node:timers/promises';
import { monotonicMs, within } from '../clock';
import { Code } from '../codes';
import { reason, VerdictdError } from '../errors';
import type { Camera, CameraHealth, CameraInfo, Frame, FrameFault, Ms, Plan, Truth } from '../ports';
import type { PushedCamera, RawImage } from './pushed';

/** A picture ready to be exposed. */
export interface Shown {
  kind: 'image';
  image: RawImage;
  source: string | null;
  truth: Truth | null;
  /** It is exposed now. */
  taken(): void;
  /** The picture's memory may be used again. */
  done(): void;
}

/** A part stood there, but there is no picture of it. */
export interface Missed {
  kind: 'missed';
  detail: string;
  source: string | null;
  truth: Truth | null;
  /** Its turn has come. */
  taken(): void;
}

/** One run of a source, from open to close. `next` is called for one picture at a time, one ahead of the exposure. */
export interface Session {
  readonly info: CameraInfo;
  /** Null: there are no more. Rejects when the source failed. */
  next(): Promise<Shown | Missed | null>;
  /** Asked at the moment of exposure: false for a picture that is no longer to be shown. */
  wanted(shown: Shown): boolean;
  close(): Promise<void>;
}

export interface Source {
  /** Rejects, leaving nothing behind, when `signal` aborts or the source cannot be used. */
  open(plan: Plan, signal: AbortSignal): Promise<Session>;
}

/** Triggers that may wait for their exposure. */
const maxWaiting = 16;

interface Run {
  abort: AbortController;
  session: Session | null;
  loop: Promise<void>;
  /** Times of triggers not yet served. */
  fires: Ms[];
  wake: () => void;
  due: Ms;
  /** Why there are no more exposures, as a sentence. */
  over: string | null;
  failure: VerdictdError | null;
}

/**
 * Exposures per second: 0, one with each `fire()`; Infinity, as fast as they are consumed.
 * Invariant: one run at a time; `stop` (or a failed `start`) is the only place that closes a session.
 */
export class FedCamera implements Camera {
  private run: Run | null = null;
  private last: Run | null = null;
  private stopping: Promise<void> = Promise.resolve();

  constructor(
    private readonly source: Source,
    private readonly rate: number,
    private readonly pushed: PushedCamera,
  ) {}

  /** Rejects: ABORTED; what the source refuses; CAMERA_FAILED when it runs already. */
  async start(plan: Plan, signal: AbortSignal): Promise<CameraInfo> {
    if (this.run !== null) throw new VerdictdError('CAMERA_FAILED', 'The camera runs already. Stop it before it is started again.');
    const run: Run = {
      abort: new AbortController(),
      session: null,
      loop: Promise.resolve(),
      fires: [],
      wake: () => undefined,
      due: 0,
      over: null,
      failure: null,
    };
    this.run = run;
    const abort = (): void => run.abort.abort();
    if (signal.aborted) abort();
    signal.addEventListener('abort', abort, { once: true });
    let session: Session | null = null;
    try {
      await this.stopping;
      refuseAborted(run);
      session = await this.source.open(plan, run.abort.signal);
      refuseAborted(run);
      this.pushed.start(plan);
      run.session = session;
      this.last = run;
      run.loop = this.show(run, session);
      return session.info;
    } catch (thrown) {
      if (this.run === run) this.run = null;
      await session?.close();
      throw run.abort.signal.aborted ? aborted() : thrown;
    } finally {
      signal.removeEventListener('abort', abort);
    }
  }

  /** Frames and faults of this run. Throws, after the last, what made the source fail. */
  exposures(): AsyncIterable<Frame | FrameFault> {
    const run = this.last;
    if (run === null) throw new VerdictdError('CAMERA_FAILED', 'The camera was not started. Start it before its exposures are read.');
    return exposuresOf(run, this.pushed.exposures());
  }

  /** Rejects with CAMERA_FAILED: not started, no trigger mode, too many waiting, no more pictures. */
  fire(): Promise<void> {
    const run = this.run;
    const refuse = (why: string): Promise<void> => Promise.reject(new VerdictdError('CAMERA_FAILED', why));
    if (run === null || run.session === null) return refuse('The camera takes no exposure: it is not started. Start it first.');
    if (this.rate !== 0) return refuse('The camera takes no software trigger: it runs at a rate of its own. Set its rate to 0.');
    if (run.over !== null) return refuse(run.over);
    if (run.fires.length >= maxWaiting) {
      return refuse(`The camera takes no exposure: ${maxWaiting} triggers wait already. Trigger more slowly.`);
    }
    run.fires.push(monotonicMs());
    run.wake();
    return Promise.resolve();
  }

  health(): CameraHealth {
    const health = this.pushed.health();
    return this.last?.failure == null ? health : { ...health, connected: false };
  }

  async stop(by: Ms): Promise<void> {
    const run = this.run;
    if (run === null) return await this.stopping;
    this.run = null;
    run.abort.abort();
    this.stopping = this.end(run, by);
    await this.stopping;
  }

  /** The native side first: who waits for a picture to be taken is told that it will not be. */
  private async end(run: Run, by: Ms): Promise<void> {
    await this.pushed.stop(by);
    await within(Promise.allSettled([run.session?.close(), run.loop]), by - monotonicMs());
  }

  /** Shows picture after picture until there are no more, the source fails, or the camera is stopped. */
  private async show(run: Run, session: Session): Promise<void> {
    try {
      let ahead = prefetch(session);
      for (;;) {
        let item = await ahead;
        if (item === null) break;
        const exposed = await this.turn(run);
        if (exposed === null) return;
        while (item?.kind === 'image' && !session.wanted(item)) {
          item.done();
          item = await session.next();
        }
        if (item === null) {
          run.fires.unshift(exposed);
          break;
        }
        item.taken();
        ahead = prefetch(session);
        await this.expose(item, exposed);
      }
      run.over = 'The camera takes no exposure: there are no more pictures. Add some, or let it loop.';
    } catch (thrown) {
      if (run.abort.signal.aborted) return;
      run.failure = new VerdictdError('CAMERA_FAILED', `The source of pictures failed: ${reason(thrown)}. It is started again.`, {
        cause: thrown,
      });
      run.over = run.failure.message;
    }
    if (run.abort.signal.aborted) return;
    const code = run.failure === null ? Code.cameraTimeout : Code.cameraLost;
    for (const at of run.fires.splice(0)) this.pushed.fault({ kind: 'fault', code, detail: run.over, at, source: null, truth: null });
    this.pushed.end();
  }

  private async expose(item: Shown | Missed, exposed: Ms): Promise<void> {
    const { source, truth } = item;
    let detail: string;
    if (item.kind === 'image') {
      const wrong = unusable(item);
      if (wrong === null) {
        await this.pushed.push(item.image, { source, truth, exposed });
        item.done();
        return;
      }
      detail = wrong;
    } else detail = item.detail;
    this.pushed.fault({ kind: 'fault', code: Code.incompleteFrame, detail, at: exposed, source, truth });
  }

  /** Waits until the next exposure is due: its time, or null when the camera is stopped. */
  private async turn(run: Run): Promise<Ms | null> {
    if (this.rate === Number.POSITIVE_INFINITY) await turnOfLoop();
    else if (this.rate > 0) {
      await until(run, run.due);
      run.due = Math.max(run.due, monotonicMs() - 1000 / this.rate) + 1000 / this.rate;
    } else {
      while (run.fires.length === 0 && !run.abort.signal.aborted) await until(run, Number.POSITIVE_INFINITY);
    }
    if (run.abort.signal.aborted) return null;
    return run.fires.shift() ?? monotonicMs();
  }
}

/** Why the native side cannot take the picture in, or null. */
function unusable({ image, source }: Shown): string | null {
  const least = image.pixelFormat.startsWith('Bayer') ? 4 : 1;
  if (Math.min(image.width, image.height) >= least && Math.max(image.width, image.height) <= 16384) return null;
  return `${source ?? 'picture'}: it is ${image.width}x${image.height} pixels; expected ${least} to 16384 a side. Use another picture.`;
}

/** Waits for time `t`, a trigger, or the end. */
function until(run: Run, t: Ms): Promise<void> {
  const wait = t - monotonicMs();
  if (wait <= 0 || run.abort.signal.aborted) return Promise.resolve();
  return new Promise((resolve) => {
    let timer: NodeJS.Timeout | undefined;
    const { signal } = run.abort;
    const finish = (): void => {
      clearTimeout(timer);
      signal.removeEventListener('abort', finish);
      run.wake = () => undefined;
      resolve();
    };
    if (Number.isFinite(wait)) timer = setTimeout(finish, wait);
    else run.wake = finish;
    signal.addEventListener('abort', finish, { once: true });
  });
}

/** Asks for the next picture; a failure is told to whoever awaits it, and to nobody when the camera is stopped first. */
function prefetch(session: Session): Promise<Shown | Missed | null> {
  const next = session.next();
  next.catch(() => undefined);
  return next;
}

async function* exposuresOf(run: Run, exposures: AsyncIterable<Frame | FrameFault>): AsyncGenerator<Frame | FrameFault, void, undefined> {
  yield* exposures;
  if (run.failure !== null) throw run.failure;
}

function aborted(): VerdictdError {
  return new VerdictdError('ABORTED', 'The camera was stopped while it started. Start it again when it is wanted.');
}

function refuseAborted(run: Run): void {
  if (run.abort.signal.aborted) throw aborted();
}

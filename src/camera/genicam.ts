/**
 * A GenICam camera over one of the native libraries. The native thread makes every call; here lie the order of things, the full set-up
 * after each opening, and what a failure means for whoever started the camera. What is particular to a library is its Driver.
 */
import { monotonicMs, within } from '../clock';
import { CameraError, reason, VerdictdError } from '../errors';
import { type BackendOptions, type DeviceInfo, type NativeCamera, type NativeEvent, native, type Ring, type Snapshot } from '../native';
import type { CameraHealth, CameraInfo, CameraValues, Frame, FrameFault, Ms, PixelFormat, Plan } from '../ports';
import { applySteps, type Command, differences, failureOf, type Step } from './features';
import { type Asked, type HandCamera, type UserSet, writeUserSet } from './hand';
import type { Pace } from './steps';
import { ExposureStream } from './stream';

export interface GenicamOptions {
  acceptPulse: Ms;
  /** The accept output rises this soon after it was asked for, or not at all. */
  acceptWithin?: Ms;
  /** From a trigger to its frame, beyond exposure and transfer. */
  frameTimeout: Ms;
  thumbnailWidth?: number;
  /** Each slot keeps a copy of its frame, for whole pictures. */
  keepRaw?: boolean;
  slots?: number;
  /** For people: what is not as it should be, and no reason to stop. */
  notice?: (text: string) => void;
}

/** What is particular to a library and its configuration. */
export interface Driver {
  pace: Pace;
  /** Whether there is an output that says "accept". */
  accepts: boolean;
  /** A thread that gives no sign of life for so long hangs in the library: only a fresh process is rid of it. */
  hangTime: Ms;
  /** Options of the native backend; whatever its library reads from the environment is there by then. */
  backend(): BackendOptions;
  /** The whole set-up, in order. */
  steps(recipe: CameraValues): (Step | Command)[];
  /** What is not as it should be between the camera that has been set up and this process, for people. */
  doubts(camera: NativeCamera): Promise<string[]>;
  /** What to do, by the class of the failure and the library's own number of it (0: none). A sentence. */
  remedy(cause: string, number: number): string;
}

/** A notice, for people. */
export function timedByArrival(why: string): string {
  return `frames are timed by their arrival, as ${why}: how old one is when it comes is not known (docs/camera.md, "What is set, and when")`;
}

const defaults = { slots: 6, thumbnailWidth: 1024, acceptWithin: 50 };
/** Opening and setting up, at the longest: a camera that has just been plugged in takes a few seconds. */
const startTime: Ms = 30_000;
/** How often a run is looked at for a thread that does not come back from the library. */
const watchEvery: Ms = 1_000;
/** Failing in a row for so long, the driver is taken to be stuck: only a fresh process is rid of it. */
const stuckTime: Ms = 120_000;
/** A camera that is not there may be away for good reasons; a fresh process still looks once in a while. */
const absentTime: Ms = 600_000;
const nothing = { source: null, truth: null };
const frames: readonly string[] = ['BayerRG8', 'BayerGB8', 'BayerGR8', 'BayerBG8', 'RGB8', 'BGR8', 'Mono8'] satisfies PixelFormat[];

/** One run from start to stop. */
interface Run {
  camera: NativeCamera;
  abort: AbortController;
  ring: Ring | null;
  device: DeviceInfo | null;
  stream: ExposureStream | null;
  /** Resolves when start has settled. */
  settled: Promise<void>;
  failure: VerdictdError | null;
  watch: NodeJS.Timeout | null;
}

/** Invariant: one run at a time; `shut` is the only place that closes a native camera, and the next start waits for it. */
export class GenicamCamera implements HandCamera {
  private run: Run | null = null;
  private last: Run | null = null;
  private closing: Promise<void> = Promise.resolve();
  private beenUp = false;
  private lastHealth: CameraHealth = { connected: false, alive: 0, frames: 0, faults: {}, temperature: null, values: {} };

  constructor(
    private readonly driver: Driver,
    private readonly options: GenicamOptions,
  ) {}

  /**
   * Opens the camera, sets it up in full, begins the stream.
   * Rejects: ABORTED; CAMERA_CONFIG for a setting it refuses (CAMERA_FAILED once the same settings have worked: then it is not
   * they that are wrong); CAMERA_FAILED with what to do for everything else.
   */
  async start(plan: Plan, signal: AbortSignal): Promise<CameraInfo> {
    if (this.run !== null) throw new VerdictdError('CAMERA_FAILED', 'The camera runs already. Stop it before it is started again.');
    let settle = (): void => undefined;
    const settled = new Promise<void>((resolve) => {
      settle = resolve;
    });
    const run: Run = {
      camera: this.native((event) => this.receive(run, event)),
      abort: new AbortController(),
      ring: null,
      device: null,
      stream: null,
      settled,
      failure: null,
      watch: null,
    };
    this.run = run;
    const abort = (): void => run.abort.abort();
    if (signal.aborted) abort();
    signal.addEventListener('abort', abort, { once: true });
    try {
      await this.closed();
      const up = this.bringUp(run, plan);
      if (!(await within(up, startTime))) {
        up.catch(() => undefined);
        throw hung(startTime);
      }
      const info = await up;
      this.beenUp = true;
      run.watch = setInterval(() => this.look(run), watchEvery);
      run.watch.unref();
      return info;
    } catch (thrown) {
      if (this.run === run) {
        this.run = null;
        this.shut(run);
      }
      throw run.abort.signal.aborted ? aborted() : this.explain(thrown);
    } finally {
      signal.removeEventListener('abort', abort);
      settle();
    }
  }

  /** Frames and faults of this run. Throws, after the last, why the camera was lost. */
  exposures(): AsyncIterable<Frame | FrameFault> {
    const run = this.last;
    if (run === null || run.stream === null) {
      throw new VerdictdError('CAMERA_FAILED', 'The camera was not started. Start it before its exposures are read.');
    }
    return exposuresOf(run, run.stream.read());
  }

  /** Resolves once the camera has taken the trigger. Rejects with CAMERA_FAILED: not started, no software trigger, not taken. */
  async fire(): Promise<void> {
    const run = this.run;
    if (run === null || run.stream === null) {
      throw new VerdictdError('CAMERA_FAILED', 'The camera takes no exposure: it is not started. Start it first.');
    }
    if (this.driver.pace !== 'software') {
      throw new VerdictdError(
        'CAMERA_FAILED',
        'The camera takes no software trigger: it exposes by itself. Set trigger.source to mqtt and TriggerSource to null.',
      );
    }
    try {
      await run.camera.fire();
    } catch (thrown) {
      throw new VerdictdError(
        'CAMERA_FAILED',
        `The camera took no trigger: ${failureOf(thrown)?.message ?? reason(thrown)}. It is started again.`,
        { cause: thrown },
      );
    }
  }

  async accept(by: Ms): Promise<void> {
    const run = this.run;
    if (run === null || run.stream === null || !this.driver.accepts) return;
    const { acceptPulse, acceptWithin } = this.options;
    try {
      await run.camera.accept(Math.min(by, monotonicMs() + (acceptWithin ?? defaults.acceptWithin)), acceptPulse);
    } catch (thrown) {
      const why = failureOf(thrown)?.message ?? reason(thrown);
      throw new VerdictdError('CAMERA_FAILED', `The accept output stays at rest: ${why}. The part counts as rejected there.`, {
        cause: thrown,
      });
    }
  }

  health(): CameraHealth {
    if (this.run !== null) {
      const { droppedFaults: _, ...health } = this.run.camera.health();
      this.lastHealth = this.run.failure === null ? health : { ...health, connected: false };
    }
    return this.lastHealth;
  }

  async stop(by: Ms): Promise<void> {
    const run = this.run;
    if (run !== null) {
      this.lastHealth = { ...this.health(), connected: false };
      this.run = null;
      run.abort.abort();
      run.stream?.close();
      this.shut(run);
    }
    await within(Promise.all([this.closing, run?.settled]), by - monotonicMs());
  }

  /** One exposure as it came, with the camera set up as for a run; the camera must not run. Rejects as `start`. */
  async snap(plan: Pick<Plan, 'camera'>, timeout: Ms, signal: AbortSignal): Promise<Snapshot> {
    return await this.borrow(async (camera) => {
      await camera.open();
      await applySteps(camera, this.driver.steps(plan.camera), signal);
      return await camera.snap(timeout);
    });
  }

  async saveUserSet(plan: Pick<Plan, 'camera'>, set: UserSet, signal: AbortSignal): Promise<void> {
    await this.borrow(async (camera) => {
      await camera.open();
      await applySteps(camera, this.driver.steps(plan.camera), signal);
      await writeUserSet(camera, set);
    });
  }

  async ask<T>(use: (camera: Asked, device: DeviceInfo) => Promise<T>): Promise<T> {
    const run = this.run;
    if (run === null || run.stream === null || run.device === null || run.failure !== null) {
      throw new VerdictdError('CAMERA_FAILED', 'The camera is not up. Wait until it is, or see its alarm.');
    }
    try {
      return await use(run.camera, run.device);
    } catch (thrown) {
      throw this.explain(thrown);
    }
  }

  /** A native camera that does not stream, closed afterwards. Rejects as `start`. */
  async borrow<T>(use: (camera: NativeCamera) => Promise<T>): Promise<T> {
    await this.closed();
    const camera = this.native(() => undefined);
    try {
      return await use(camera);
    } catch (thrown) {
      throw this.explain(thrown);
    } finally {
      await within(camera.close(), this.driver.hangTime);
    }
  }

  private native(onEvent: (event: NativeEvent) => void): NativeCamera {
    return new (native().Camera)(this.driver.backend(), onEvent, this.last?.camera);
  }

  private async bringUp(run: Run, plan: Plan): Promise<CameraInfo> {
    const { options, driver } = this;
    const { signal } = run.abort;
    const { camera } = run;
    const unlessAborted = async <T>(work: Promise<T>): Promise<T> => {
      const result = await work;
      if (signal.aborted) throw aborted();
      return result;
    };
    if (signal.aborted) throw aborted();
    const device = await unlessAborted(camera.open());
    run.device = device;
    const applied = await applySteps(camera, driver.steps(plan.camera), signal);
    for (const { node, wanted, got, unit } of differences(applied)) {
      options.notice?.(`${node}: wanted ${String(wanted)}, the camera took ${String(got)}${unit === '' ? '' : ` ${unit}`}`);
    }
    const number = async (node: string): Promise<number> => Number((await unlessAborted(camera.get(node))).value);
    const width = await number('Width');
    const height = await number('Height');
    const pixelFormat = String((await unlessAborted(camera.get('PixelFormat'))).value);
    if (!frames.includes(pixelFormat)) {
      throw new VerdictdError(
        'CAMERA_CONFIG',
        `The camera gives ${pixelFormat}; expected one of ${frames.join(', ')}. Change PixelFormat.`,
      );
    }
    for (const doubt of await unlessAborted(driver.doubts(camera))) options.notice?.(doubt);
    const exposure = await number('ExposureTime').catch(() => number('ExposureTimeAbs')); // as older cameras call it
    const rate = await number('AcquisitionResultingFrameRate').catch(() => 10);
    const ring = native().createRing({ slots: options.slots ?? defaults.slots, width: plan.input.width, height: plan.input.height });
    run.ring = ring;
    const stream = new ExposureStream(ring, plan.id, false);
    const format = pixelFormat as PixelFormat;
    const transfer = exposure / 1000 + 2000 / Math.max(rate, 0.1); // ms: read out, then sent
    run.stream = stream;
    await unlessAborted(
      camera.start({
        ring: ring.id,
        input: plan.input,
        thumbnailWidth: options.thumbnailWidth ?? defaults.thumbnailWidth,
        keepRaw: options.keepRaw ?? false,
        expected: {
          width,
          height,
          pixelFormat: format,
          late: Math.ceil(transfer + options.frameTimeout),
          frameTimeout: driver.pace === 'software' ? Math.ceil(transfer + options.frameTimeout) : 0,
        },
      }),
    );
    this.last = run;
    return { vendor: device.vendor, model: device.model, serial: device.serial, simulated: false, width, height, pixelFormat: format };
  }

  /** The native thread gives a sign of life every second; one that gives none hangs in the library, and so would everything after. */
  private look(run: Run): void {
    if (this.run !== run || run.failure !== null || monotonicMs() - run.camera.health().alive < this.driver.hangTime) return;
    run.failure = hung(this.driver.hangTime);
    run.stream?.end();
  }

  private receive(run: Run, event: NativeEvent): void {
    if (event.kind === 'frame') {
      if (run.stream === null) run.ring?.release(event.slot, event.lease);
      else run.stream.frame(event, nothing);
    } else if (event.kind === 'fault') {
      if (event.cause === 'lost') {
        const text = `The camera was lost: ${sentence(event.detail)} Check its cable and power; it is started again.`;
        run.failure = new CameraError('CAMERA_FAILED', text, stuckTime);
      }
      run.stream?.nativeFault(event, nothing);
    } else if (event.kind === 'end') run.stream?.end();
  }

  /** Ends stream, camera and thread of a run; `closing` resolves when the library has let go of everything. */
  private shut(run: Run): void {
    if (run.watch !== null) clearInterval(run.watch);
    const before = this.closing;
    this.closing = Promise.all([before, run.camera.close()]).then(() => {
      run.ring?.retire();
    });
  }

  /** Rejects with CAMERA_FAILED where the last run still hangs in the library. */
  private async closed(): Promise<void> {
    const { hangTime } = this.driver;
    if (await within(this.closing, hangTime)) return;
    throw hung(hangTime);
  }

  /** A failure of the native side in the words of the table. */
  private explain(thrown: unknown): VerdictdError {
    if (thrown instanceof VerdictdError) {
      if (thrown.code !== 'CAMERA_CONFIG') return thrown;
      const [code, time] = this.beenUp ? (['CAMERA_FAILED', stuckTime] as const) : (['CAMERA_CONFIG', 0] as const);
      return new CameraError(code, thrown.message, time, { cause: thrown, details: thrown.details });
    }
    const { cause, number, message } = failureOf(thrown) ?? { cause: '', number: 0, message: reason(thrown) };
    const todo = this.driver.remedy(cause, number);
    const time = cause === 'absent' ? absentTime : stuckTime;
    return new CameraError('CAMERA_FAILED', `${sentence(message)} ${todo}`, time, { cause: thrown });
  }
}

function hung(ms: Ms): CameraError {
  const text = `The camera library has not come back for ${ms / 1000} s. Only a new process helps: restart verdictd.`;
  return new CameraError('CAMERA_FAILED', text, 0);
}

function sentence(text: string): string {
  return /[.!?]$/.test(text) ? text : `${text}.`;
}

function aborted(): VerdictdError {
  return new VerdictdError('ABORTED', 'The camera was stopped while it started. Start it again when it is wanted.');
}

async function* exposuresOf(run: Run, exposures: AsyncIterable<Frame | FrameFault>): AsyncGenerator<Frame | FrameFault, void, undefined> {
  yield* exposures;
  if (run.failure !== null) throw run.failure;
}

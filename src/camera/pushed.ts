/**
 * A camera whose pictures come from memory: files and the simulated line. From the native thread on (preprocessing, ring,
 * leases, events) everything is as with a real camera.
 */
import { monotonicMs, within } from '../clock';
import { codes } from '../codes';
import { VerdictdError } from '../errors';
import { type NativeCamera, type NativeEvent, native, type RawImage, type Ring } from '../native';
import type { CameraHealth, Frame, FrameFault, Ms, Plan, Truth } from '../ports';
import { type About, ExposureStream } from './stream';

export type { RawImage } from '../native';
export { tensorOf, thumbnail, wholePicture } from './stream';

const defaults = {
  slots: 6,
  thumbnailWidth: 1024, // px
};

/** A longer one fires at once. */

/** Pictures handed to the native thread at a time: one in work, one waiting. */
const maxInFlight = 2;

interface Picture {
  kind: 'picture';
  image: RawImage;
  exposed: Ms;
  about: About;
  resolve: () => void;
  reject: (error: unknown) => void;
}
type Item = Picture | { kind: 'fault'; fault: FrameFault } | { kind: 'end' };

/** One run from start to stop. */
interface Run {
  camera: NativeCamera;
  ring: Ring;
  stream: ExposureStream;
  /** Not yet handed to the native thread, in order. */
  queue: Item[];
  /** Handed over, by tag: pictures until they are freed, faults until they come back in their place. */
  pictures: Map<number, Picture>;
  abouts: Map<number, About>;
  faults: Map<number, FrameFault>;
  lastTag: number;
  /** end() was called. */
  complete: boolean;
  /** The native thread refused to start. */
  failure: VerdictdError | null;
}

export class PushedCamera {
  private readonly slots: number;
  private readonly thumbnailWidth: number;
  private readonly keepRaw: boolean;
  private readonly simulated: boolean;
  private run: Run | null = null;
  private last: ExposureStream | null = null;
  private lastHealth: CameraHealth = { connected: false, alive: 0, frames: 0, faults: {}, temperature: null };

  constructor(options: { slots?: number; thumbnailWidth?: number | undefined; keepRaw?: boolean | undefined; simulated: boolean }) {
    this.slots = options.slots ?? defaults.slots;
    this.thumbnailWidth = options.thumbnailWidth ?? defaults.thumbnailWidth;
    this.keepRaw = options.keepRaw ?? false;
    this.simulated = options.simulated;
  }

  /** Makes the ring for the plan's input and starts the native thread. Throws when it runs already. */
  start(plan: Plan): void {
    if (this.run !== null) throw new Error('the camera runs already: stop it before another plan');
    const { createRing, Camera } = native();
    const ring = createRing({ slots: this.slots, width: plan.input.width, height: plan.input.height });
    const stream = new ExposureStream(ring, plan.id, this.simulated);
    const camera = new Camera({ backend: 'pushed' }, (event) => this.receive(run, event));
    const run: Run = {
      camera,
      ring,
      stream,
      queue: [],
      pictures: new Map(),
      abouts: new Map(),
      faults: new Map(),
      lastTag: 0,
      failure: null,
      complete: false,
    };
    this.run = run;
    this.last = stream;
    const failed = (error: unknown): void => this.failed(run, error);
    camera.open().catch(failed);
    camera.start({ ring: ring.id, input: plan.input, thumbnailWidth: this.thumbnailWidth, keepRaw: this.keepRaw }).catch(failed);
  }

  /**
   * Resolves when the native thread is done with the picture; the frame comes out of `exposures()`. The memory is copied when the
   * picture is handed over, and must not change before. Waits while all slots are leased. Rejects: TypeError or RangeError for a picture that cannot be one, ABORTED when the camera is stopped meanwhile.
   */
  push(image: RawImage, about: { source: string | null; truth: Truth | null; exposed: Ms }): Promise<void> {
    const run = this.run;
    if (run === null) return Promise.reject(stopped());
    if (run.failure !== null) return Promise.reject(run.failure);
    if (run.complete) return Promise.reject(ended());
    return new Promise((resolve, reject) => {
      const { exposed, ...rest } = about;
      run.queue.push({ kind: 'picture', image, exposed, about: rest, resolve, reject });
      this.hand(run);
    });
  }

  /** An exposure that is no picture; the same object comes out of `exposures()` in its place between the frames. */
  fault(fault: FrameFault): void {
    const run = this.running();
    if (run.complete) throw ended();
    run.queue.push({ kind: 'fault', fault });
    this.hand(run);
  }

  /** No more exposures will come: `exposures()` ends after the last. */
  end(): void {
    const run = this.running();
    if (run.complete) return;
    run.complete = true;
    run.queue.push({ kind: 'end' });
    this.hand(run);
  }

  /** Frames and faults of this run, in order, for one reader. */
  exposures(): AsyncIterable<Frame | FrameFault> {
    if (this.last === null) throw new Error('the camera was not started');
    return this.last.read();
  }

  health(): CameraHealth {
    if (this.run !== null) {
      const { droppedFaults: _, ...health } = this.run.camera.health();
      this.lastHealth = health;
    }
    return this.lastHealth;
  }

  /** Ends the stream, releases what nobody read, ends the native thread; resolves by `by` at the latest. */
  async stop(by: Ms): Promise<void> {
    const run = this.run;
    if (run === null) return;
    this.lastHealth = { ...this.health(), connected: false };
    this.run = null;
    run.stream.close();
    for (const item of run.queue.splice(0)) if (item.kind === 'picture') item.reject(stopped());
    const closed = run.camera.close().then(() => {
      for (const picture of run.pictures.values()) picture.reject(stopped());
      run.pictures.clear();
      run.ring.retire();
    });
    await within(closed, by - monotonicMs());
  }

  private running(): Run {
    if (this.run === null) throw new Error('the camera does not run: call start first');
    return this.run;
  }

  /** Hands items over, in order, as far as there is room. */
  private hand(run: Run): void {
    while (run.pictures.size + run.faults.size < maxInFlight) {
      const item = run.queue.shift();
      if (item === undefined) return;
      const tag = ++run.lastTag;
      if (item.kind === 'end') {
        run.camera.pushEnd();
      } else if (item.kind === 'fault') {
        run.faults.set(tag, item.fault);
        run.camera.pushFault(codes[item.fault.code].name, item.fault.detail, tag);
      } else {
        try {
          run.camera.push(item.image, tag, item.exposed);
          run.pictures.set(tag, item);
          run.abouts.set(tag, item.about);
        } catch (thrown) {
          item.reject(thrown);
        }
      }
    }
  }

  private receive(run: Run, event: NativeEvent): void {
    if (event.kind === 'end') {
      run.stream.end();
      return;
    }
    if (event.kind === 'freed') {
      const picture = run.pictures.get(event.tag);
      run.pictures.delete(event.tag);
      if (this.run === run) picture?.resolve();
      else picture?.reject(stopped());
    } else {
      const about = run.abouts.get(event.tag) ?? { source: null, truth: null };
      run.abouts.delete(event.tag);
      const pushed = run.faults.get(event.tag);
      run.faults.delete(event.tag);
      if (event.kind === 'frame') run.stream.frame(event, about);
      else if (pushed !== undefined) run.stream.fault(pushed);
      else run.stream.nativeFault(event, about);
    }
    if (this.run === run) this.hand(run);
  }

  /** The native thread refused to start: whoever reads learns it, and whoever pushes. */
  private failed(run: Run, error: unknown): void {
    const failure = new VerdictdError('CAMERA_FAILED', `The native camera thread did not start: ${String(error)}. Restart verdictd.`);
    run.failure = failure;
    for (const item of run.queue.splice(0)) if (item.kind === 'picture') item.reject(failure);
    for (const picture of run.pictures.values()) picture.reject(failure);
    run.pictures.clear();
    run.stream.fail(failure);
  }
}

function ended(): Error {
  return new Error('no exposure comes after end()');
}

function stopped(): VerdictdError {
  return new VerdictdError('ABORTED', 'The camera was stopped before it took this picture.');
}

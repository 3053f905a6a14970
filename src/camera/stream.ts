/**
 * From the events of a native camera thread to frames and faults that the line can iterate over. Every native camera shares
 * this: leases become `Frame`s, causes become codes of the contract, one reader gets all in order.
 */
import { Code } from '../codes';
import type { NativeEvent, Ring } from '../native';
import type { Frame, FrameFault, Ms, PixelFormat, Quality, Truth } from '../ports';

type FrameEvent = Extract<NativeEvent, { kind: 'frame' }>;

/** Words of the native side (and of its backends) for why there is no picture, as codes of the contract. */
const codeOfCause: Record<string, Code> = {
  lost: Code.cameraLost,
  timeout: Code.cameraTimeout,
  incomplete: Code.incompleteFrame,
  unusable: Code.incompleteFrame,
  short: Code.incompleteFrame,
  duplicate: Code.incompleteFrame,
  wrongSize: Code.incompleteFrame,
  wrongFormat: Code.incompleteFrame,
  transient: Code.cameraTimeout,
  late: Code.cameraTimeout,
  frozen: Code.frozenFrame,
  noFreeSlot: Code.busy,
};

/** What is known of an exposure beside its pixels. */
export interface About {
  source: string | null;
  truth: Truth | null;
}

/** A leased slot of a ring. */
class LeasedFrame implements Frame {
  readonly kind = 'frame';
  readonly frameId: number;
  readonly ring: number;
  readonly slot: number;
  readonly width: number;
  readonly height: number;
  readonly pixelFormat: PixelFormat;
  readonly exposed: Ms;
  readonly ready: Ms;
  readonly quality: Quality;
  readonly source: string | null;
  readonly truth: Truth | null;
  readonly #ring: Ring;
  readonly #lease: number;

  constructor(
    ring: Ring,
    event: FrameEvent,
    readonly planId: number,
    readonly simulated: boolean,
    about: About,
  ) {
    this.#ring = ring;
    this.#lease = event.lease;
    this.ring = ring.id;
    this.slot = event.slot;
    this.frameId = event.frameId;
    this.width = event.width;
    this.height = event.height;
    this.pixelFormat = event.pixelFormat;
    this.exposed = event.exposed;
    this.ready = event.ready;
    this.quality = event.quality;
    this.source = about.source;
    this.truth = about.truth;
  }

  /** Throws when it was released before: the slot may be another frame's by now. */
  release(): void {
    this.#ring.release(this.slot, this.#lease);
  }

  thumbnail(): { width: number; height: number; data: Buffer } {
    return this.#ring.thumbnail(this.slot, this.#lease);
  }

  develop(): Promise<{ width: number; height: number; data: Buffer }> {
    return this.#ring.develop(this.slot, this.#lease);
  }

  tensor(): Float32Array {
    return this.#ring.copy(this.slot, this.#lease);
  }
}

function leased(frame: Frame): LeasedFrame {
  if (frame instanceof LeasedFrame) return frame;
  throw new TypeError('this frame has no slot in a ring: it was not made by a native camera');
}

/** RGB copy of the frame's thumbnail; only while the frame is leased. */
export function thumbnail(frame: Frame): { width: number; height: number; data: Buffer } {
  return leased(frame).thumbnail();
}

/**
 * The whole frame in RGB, made by a thread of the pool; asked once, while the frame is leased, which may end before this resolves.
 * Throws where the camera keeps no frames (`keepRaw`).
 */
export function wholePicture(frame: Frame): Promise<{ width: number; height: number; data: Buffer }> {
  return leased(frame).develop();
}

/** Copy of the frame's tensor, float32 [3, height, width]; only while the frame is leased. */
export function tensorOf(frame: Frame): Float32Array {
  return leased(frame).tensor();
}

/** Faults that nobody reads are kept up to this many; the oldest go first (`health` has counted them). Frames are bounded by their slots. */
const maxFaults = 1000;

/**
 * Frames and faults of one run of a camera, from start to stop, for one reader at a time. What is not read when the stream
 * closes is released.
 */
export class ExposureStream {
  private readonly queue: (Frame | FrameFault)[] = [];
  private waiting: { resolve: (result: IteratorResult<Frame | FrameFault>) => void; reject: (error: Error) => void } | null = null;
  private failure: Error | null = null;
  private reading = false;
  private ended = false;
  private faults = 0;

  constructor(
    private readonly ring: Ring,
    private readonly planId: number,
    private readonly simulated: boolean,
  ) {}

  /** A frame of the native thread. After close() it goes straight back. */
  frame(event: FrameEvent, about: About): void {
    const frame = new LeasedFrame(this.ring, event, this.planId, this.simulated, about);
    if (this.ended) frame.release();
    else this.give(frame);
  }

  /** A fault of the native thread, in the contract's words. */
  nativeFault(event: Extract<NativeEvent, { kind: 'fault' }>, about: About): void {
    this.fault({ kind: 'fault', code: codeOfCause[event.cause] ?? Code.incompleteFrame, detail: event.detail, at: event.at, ...about });
  }

  fault(fault: FrameFault): void {
    if (this.ended) return;
    this.give(fault);
  }

  /** The source broke: what is queued can still be read, then the reader gets `error`. */
  fail(error: Error): void {
    this.failure ??= error;
    this.end();
  }

  /** No more will come; what is queued can still be read. */
  end(): void {
    this.ended = true;
    if (this.queue.length === 0) this.finish();
  }

  /** Ends the stream at once and releases what nobody read. */
  close(): void {
    this.ended = true;
    for (const item of this.queue.splice(0)) if (item.kind === 'frame') item.release();
    this.finish();
  }

  /** One reader at a time; a reader that leaves early (break) leaves the rest to the next. */
  read(): AsyncIterable<Frame | FrameFault> {
    return { [Symbol.asyncIterator]: () => this.iterator() };
  }

  private iterator(): AsyncIterator<Frame | FrameFault> {
    if (this.reading) throw new Error('the exposures of a camera have one reader: another one is at work');
    this.reading = true;
    return {
      next: () => this.take(),
      return: () => {
        this.reading = false;
        this.finish();
        return Promise.resolve({ value: undefined, done: true });
      },
    };
  }

  private take(): Promise<IteratorResult<Frame | FrameFault>> {
    if (this.waiting !== null) return Promise.reject(new Error('next() was called again before the last one was answered'));
    const item = this.queue.shift();
    if (item !== undefined) {
      if (item.kind === 'fault') this.faults--;
      return Promise.resolve({ value: item, done: false });
    }
    if (this.ended) {
      this.reading = false;
      return this.failure === null ? Promise.resolve({ value: undefined, done: true }) : Promise.reject(this.failure);
    }
    return new Promise((resolve, reject) => {
      this.waiting = { resolve, reject };
    });
  }

  private give(item: Frame | FrameFault): void {
    const waiting = this.waiting;
    if (waiting !== null) {
      this.waiting = null;
      waiting.resolve({ value: item, done: false });
      return;
    }
    this.queue.push(item);
    if (item.kind === 'fault' && ++this.faults > maxFaults) {
      const oldest = this.queue.findIndex((queued) => queued.kind === 'fault');
      this.queue.splice(oldest, 1);
      this.faults--;
    }
  }

  /** Tells a reader that waits that there is nothing. */
  private finish(): void {
    const waiting = this.waiting;
    this.waiting = null;
    if (this.failure !== null) waiting?.reject(this.failure);
    else waiting?.resolve({ value: undefined, done: true });
  }
}

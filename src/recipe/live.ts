/**
 * Good parts from the running camera: each part that teaching asks for is the next exposure. What comes first counts as good;
 * whoever starts this says so.
 */
import { reason, VerdictdError } from '../errors';
import type { Camera, Clock, Frame, FrameFault, Ms, Plan } from '../ports';
import type { GoodPart, Sample } from './shots';

export interface LiveDeps {
  camera: Camera;
  clock: Clock;
  /** Copies the tensor of a leased frame. */
  tensorOf(frame: Frame): Float32Array;
  /** The camera waits for a software trigger before each exposure. */
  triggered: boolean;
}

/** A part that does not come within this time is not coming. */
const exposureTime: Ms = 30_000;
const stopTime: Ms = 2_000;

/** One run of the camera under `plan`, for teaching. Owner of that run: `stop` ends it. */
export class LiveParts {
  private shots: AsyncIterator<Frame | FrameFault> | null = null;
  private count = 0;

  constructor(
    private readonly deps: LiveDeps,
    private readonly plan: Plan,
  ) {}

  /** Throws what the camera throws. */
  async start(signal: AbortSignal): Promise<void> {
    await this.deps.camera.start(this.plan, signal);
    this.shots = this.deps.camera.exposures()[Symbol.asyncIterator]();
  }

  /** `n` parts still to come. */
  parts(n: number): GoodPart[] {
    return Array.from({ length: n }, (_, i) => ({ name: `live part ${i + 1}`, read: () => this.next() }));
  }

  async stop(): Promise<void> {
    this.shots = null;
    await this.deps.camera.stop(this.deps.clock.now() + stopTime);
  }

  private async next(): Promise<Sample> {
    const { clock, camera, tensorOf, triggered } = this.deps;
    const { shots } = this;
    if (shots === null) throw new Error('live parts were asked for outside of start and stop');
    this.count++;
    const exposure = shots.next();
    exposure.catch(() => undefined); // told below; not at all where the trigger is refused first
    if (triggered) await camera.fire();
    let cancel = (): void => undefined;
    const late = new Promise<never>((_, reject) => {
      const why = `No picture of part ${this.count} came within ${exposureTime / 1000} s. Check the camera and its trigger, then start again.`;
      cancel = clock.at(clock.now() + exposureTime, () => reject(new VerdictdError('TEACH_REFUSED', why)));
    });
    try {
      const { value: shot, done } = await Promise.race([exposure, late]);
      if (done === true || shot === undefined) {
        throw new VerdictdError(
          'TEACH_REFUSED',
          `The camera ended after ${this.count - 1} parts. Show more parts, or ask for fewer shots.`,
        );
      }
      if (shot.kind === 'fault') throw new VerdictdError('IMAGE_UNREADABLE', shot.detail);
      try {
        return { tensor: tensorOf(shot), quality: shot.quality, picture: null };
      } finally {
        shot.release();
      }
    } catch (thrown) {
      throw thrown instanceof VerdictdError
        ? thrown
        : new VerdictdError('TEACH_REFUSED', `No picture of a good part: ${reason(thrown)}`, { cause: thrown });
    } finally {
      cancel();
    }
  }
}

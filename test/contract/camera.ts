/** What the line relies on in every camera. Run over each: files and simulated always, hardware and its stand-ins where they are. */
import { monotonicMs } from '../../src/clock';
import { VerdictdError } from '../../src/errors';
import type { Camera, Frame, FrameFault, Plan } from '../../src/ports';

let lastPlan = 0;
export function planOf(size = 32): Plan {
  return {
    id: ++lastPlan,
    recipe: { id: 'contract', number: 1 },
    input: { width: size, height: size, resize: 'bicubic', fit: 'squash', mean: [0.5, 0.5, 0.5], std: [0.25, 0.25, 0.25] },
    camera: {},
  };
}

/** A deadline far enough for any machine; tests of cameras do not race the clock. */
export const soon = (): number => monotonicMs() + 10_000;
export const never = (): AbortSignal => new AbortController().signal;

export async function rejection(promise: Promise<unknown>): Promise<VerdictdError> {
  const thrown: unknown = await promise.then(
    () => 'it did not reject',
    (error: unknown) => error,
  );
  if (!(thrown instanceof VerdictdError)) throw new Error(`expected a VerdictdError, got ${String(thrown)}`);
  return thrown;
}

export class Reader {
  private readonly iterator: AsyncIterator<Frame | FrameFault>;
  constructor(camera: Camera) {
    this.iterator = camera.exposures()[Symbol.asyncIterator]();
  }
  next(): Promise<IteratorResult<Frame | FrameFault>> {
    return this.iterator.next();
  }
  async shot(): Promise<Frame | FrameFault> {
    const { value, done } = await this.iterator.next();
    if (done === true) throw new Error('the exposures ended early');
    return value as Frame | FrameFault;
  }
  async frame(): Promise<Frame> {
    const shot = await this.shot();
    if (shot.kind !== 'frame') throw new Error(`expected a frame, got the fault: ${shot.detail}`);
    return shot;
  }
}

export interface CameraRig {
  /** A camera on software trigger that has at least `slots` + 4 good pictures to show. */
  make(): Camera;
  /** Slots of its ring. */
  slots: number;
  simulated: boolean;
  /** A camera on trigger whose second exposure is a fault of this code, where one can be arranged. */
  withFault?: { make(): Camera; code: number };
}

export function cameraContract(name: string, rig: CameraRig): void {
  describe(`${name}: the contract of a camera`, () => {
    const used: Camera[] = [];
    const make = (from = rig.make): Camera => {
      const camera = from();
      used.push(camera);
      return camera;
    };
    afterEach(async () => {
      for (const camera of used.splice(0)) await camera.stop(soon());
    });

    test('before start: no exposure, and stop has nothing to do', async () => {
      const camera = make();
      expect((await rejection(camera.fire())).code).toBe('CAMERA_FAILED');
      await camera.stop(soon());
    });

    test('a start under a signal already aborted leaves nothing behind', async () => {
      const camera = make();
      expect((await rejection(camera.start(planOf(), AbortSignal.abort()))).code).toBe('ABORTED');
      await camera.start(planOf(), never());
    });

    test('a start can be aborted, and stopped, and the camera started after that', async () => {
      const camera = make();
      const control = new AbortController();
      const starting = rejection(camera.start(planOf(), control.signal));
      control.abort();
      expect((await starting).code).toBe('ABORTED');
      const again = rejection(camera.start(planOf(), never()));
      await camera.stop(soon());
      expect((await again).code).toBe('ABORTED');
      const info = await camera.start(planOf(), never());
      expect(info.width).toBeGreaterThan(0);
      expect(info.height).toBeGreaterThan(0);
      expect(info.simulated).toBe(rig.simulated);
    });

    test('an abort after start changes nothing', async () => {
      const camera = make();
      const control = new AbortController();
      await camera.start(planOf(), control.signal);
      control.abort();
      const reader = new Reader(camera);
      await camera.fire();
      (await reader.frame()).release();
    });

    test('a second start is refused and does not disturb the first', async () => {
      const camera = make();
      const plan = planOf();
      await camera.start(plan, never());
      expect((await rejection(camera.start(planOf(), never()))).code).toBe('CAMERA_FAILED');
      const reader = new Reader(camera);
      await camera.fire();
      const frame = await reader.frame();
      expect(frame.planId).toBe(plan.id);
      frame.release();
    });

    test('each trigger gives one frame, in order, under the plan in force', async () => {
      const camera = make();
      const plan = planOf();
      const info = await camera.start(plan, never());
      const reader = new Reader(camera);
      let last = Number.NEGATIVE_INFINITY;
      for (let i = 0; i < 4; i++) {
        const before = monotonicMs();
        await camera.fire();
        const frame = await reader.frame();
        expect(frame.planId).toBe(plan.id);
        expect(frame.simulated).toBe(rig.simulated);
        expect([frame.width, frame.height, frame.pixelFormat]).toEqual([info.width, info.height, info.pixelFormat]);
        expect(frame.frameId).toBeGreaterThan(last);
        last = frame.frameId;
        expect(frame.exposed).toBeGreaterThanOrEqual(before);
        expect(frame.ready).toBeGreaterThanOrEqual(frame.exposed);
        expect(frame.ready).toBeLessThanOrEqual(monotonicMs());
        expect(frame.quality.mean).toBeGreaterThan(0);
        frame.release();
      }
      expect(camera.health()).toMatchObject({ connected: true, frames: 4 });
      expect(camera.health().alive).toBeLessThanOrEqual(monotonicMs());
    });

    test('triggers in a burst are served one by one', async () => {
      const camera = make();
      await camera.start(planOf(), never());
      await Promise.all([camera.fire(), camera.fire(), camera.fire()]);
      const reader = new Reader(camera);
      const ids = [];
      for (let i = 0; i < 3; i++) {
        const frame = await reader.frame();
        ids.push(frame.frameId);
        frame.release();
      }
      expect(ids).toEqual([...ids].sort((a, b) => a - b));
      expect(new Set(ids).size).toBe(3);
    });

    test('with every slot leased it waits; a release brings the next frame, none is lost or doubled', async () => {
      const camera = make();
      await camera.start(planOf(), never());
      const reader = new Reader(camera);
      const held: Frame[] = [];
      for (let i = 0; i < rig.slots; i++) {
        await camera.fire();
        held.push(await reader.frame());
      }
      expect(new Set(held.map((frame) => frame.slot)).size).toBe(rig.slots);
      await camera.fire();
      const next = reader.frame();
      let came = false;
      void next.then(() => {
        came = true;
      });
      await new Promise((resolve) => setTimeout(resolve, 50));
      expect(came).toBe(false);
      const [first, ...rest] = held;
      first?.release();
      const frame = await next;
      expect(frame.slot).toBe(first?.slot);
      expect(frame.frameId).toBeGreaterThan(rest.at(-1)?.frameId ?? 0);
      for (const one of [frame, ...rest]) one.release();
    });

    test('a slot is given back once', async () => {
      const camera = make();
      await camera.start(planOf(), never());
      await camera.fire();
      const frame = await new Reader(camera).frame();
      frame.release();
      expect(() => frame.release()).toThrow();
    });

    test('stop ends the stream for a reader that waits, and refuses further triggers', async () => {
      const camera = make();
      await camera.start(planOf(), never());
      const waiting = new Reader(camera).next();
      await camera.stop(soon());
      expect(await waiting).toEqual({ value: undefined, done: true });
      expect((await rejection(camera.fire())).code).toBe('CAMERA_FAILED');
      expect(camera.health().connected).toBe(false);
    });

    test('stop, with triggers waiting and a frame held; twice at once; then once more', async () => {
      const camera = make();
      await camera.start(planOf(), never());
      const reader = new Reader(camera);
      await camera.fire();
      const held = await reader.frame();
      await Promise.all([camera.fire(), camera.fire()]);
      await Promise.all([camera.stop(soon()), camera.stop(soon())]);
      await camera.stop(soon());
      // What was held is still the holder's, and is given back as usual.
      held.release();
      for (;;) {
        const left = await reader.next();
        if (left.done === true) break;
        if (left.value.kind === 'frame') left.value.release();
      }
    });

    test('a deadline already past does not hang stop, and the camera can be started again', async () => {
      const camera = make();
      await camera.start(planOf(), never());
      await camera.fire();
      await camera.stop(monotonicMs() - 1);
      const plan = planOf();
      await camera.start(plan, never());
      const reader = new Reader(camera);
      await camera.fire();
      const frame = await reader.frame();
      expect(frame.planId).toBe(plan.id);
      frame.release();
    });

    const fault = rig.withFault;
    if (fault !== undefined) {
      test('a fault comes in its place between the frames', async () => {
        const camera = make(fault.make);
        await camera.start(planOf(), never());
        await Promise.all([camera.fire(), camera.fire(), camera.fire()]);
        const reader = new Reader(camera);
        const shots = [await reader.shot(), await reader.shot(), await reader.shot()];
        expect(shots.map((shot) => shot.kind)).toEqual(['frame', 'fault', 'frame']);
        for (const shot of shots) {
          if (shot.kind === 'frame') shot.release();
          else {
            expect(shot.code).toBe(fault.code);
            expect(shot.detail.length).toBeGreaterThan(10);
          }
        }
      });
    }
  });
}

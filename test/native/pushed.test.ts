/** Pictures from memory through the native thread to frames: order, leases, back-pressure, stop. */
import { PushedCamera, type RawImage, tensorOf, thumbnail } from '../../src/camera/pushed';
import { monotonicMs } from '../../src/clock';
import { Code } from '../../src/codes';
import { openRing, preprocess } from '../../src/native';
import type { Frame, FrameFault, Plan } from '../../src/ports';
import { inputSpec, mosaic, naturalScene } from './reference';

const plan: Plan = { id: 7, recipe: { id: 'test', number: 1 }, input: inputSpec(32, 24), camera: {} };
const about = { source: null, truth: null, exposed: 5 };
const picture = (seed: number): RawImage => mosaic(naturalScene(96, 64, seed), 'BayerRG8');
const grey = (value: number): RawImage => ({ width: 8, height: 8, stride: 8, pixelFormat: 'Mono8', data: new Uint8Array(64).fill(value) });
const soon = (): number => monotonicMs() + 5000;
const fault = (detail: string): FrameFault => ({
  kind: 'fault',
  code: Code.incompleteFrame,
  detail,
  at: 1,
  source: detail,
  truth: null,
});

const cameras: PushedCamera[] = [];
function started(options: { slots?: number } = {}): PushedCamera {
  const camera = new PushedCamera({ simulated: true, thumbnailWidth: 64, ...options });
  camera.start(plan);
  cameras.push(camera);
  return camera;
}
afterEach(async () => {
  await Promise.all(cameras.splice(0).map((camera) => camera.stop(soon())));
});

async function take(camera: PushedCamera, n: number): Promise<(Frame | FrameFault)[]> {
  const taken: (Frame | FrameFault)[] = [];
  for await (const exposure of camera.exposures()) {
    taken.push(exposure);
    if (taken.length === n) break;
  }
  return taken;
}
function frame(exposure: Frame | FrameFault | undefined): Frame {
  if (exposure?.kind !== 'frame') throw new Error(`no frame: ${JSON.stringify(exposure)}`);
  return exposure;
}

test('a frame says what it is and holds the tensor that one-shot preprocessing makes', async () => {
  const camera = started();
  const image = picture(3);
  const truth = { good: false, defect: 'scratch' };
  await camera.push(image, { source: '/a/b.png', truth, exposed: 12.5 });
  const one = frame((await take(camera, 1))[0]);
  expect(one).toMatchObject({ kind: 'frame', planId: 7, frameId: 1, width: 96, height: 64, pixelFormat: 'BayerRG8', simulated: true });
  expect(one).toMatchObject({ source: '/a/b.png', truth, exposed: 12.5 });
  expect(one.ready).toBeLessThanOrEqual(monotonicMs());
  expect(one.ready).toBeGreaterThan(monotonicMs() - 60_000);
  const expected = await preprocess(image, plan.input, { thumbnailWidth: 64 });
  expect(tensorOf(one)).toEqual(expected.tensor);
  expect(one.quality).toEqual(expected.quality);
  expect(thumbnail(one)).toEqual(expected.thumbnail);
  one.release();
});

test('a camera without thumbnails says so', async () => {
  const camera = new PushedCamera({ simulated: true, thumbnailWidth: 0 });
  cameras.push(camera);
  camera.start(plan);
  await camera.push(picture(1), about);
  const one = frame((await take(camera, 1))[0]);
  expect(() => thumbnail(one)).toThrow('started without thumbnails');
  one.release();
});

test('a ring gives the same view of a slot each time, in place', async () => {
  const camera = started();
  await camera.push(picture(1), about);
  const one = frame((await take(camera, 1))[0]);
  const view = openRing(one.ring).tensor(one.slot);
  expect(openRing(one.ring).tensor(one.slot)).toBe(view);
  expect(view).toEqual(tensorOf(one));
  view[0] = 42;
  expect(tensorOf(one)[0]).toBe(42);
  one.release();
});

test('a frame is released once; afterwards its slot may be another frame', async () => {
  const camera = started({ slots: 1 });
  await camera.push(grey(1), about);
  const first = frame((await take(camera, 1))[0]);
  first.release();
  expect(() => first.release()).toThrow('it was released already');
  await camera.push(grey(200), about);
  const second = frame((await take(camera, 1))[0]);
  expect(second.slot).toBe(first.slot);
  expect(() => first.release()).toThrow('another frame lies in it by now');
  expect(() => tensorOf(first)).toThrow('was released already');
  expect(() => thumbnail(first)).toThrow('was released already');
  expect(() => openRing(second.ring).release(second.slot, 999)).toThrow('another frame lies in it');
  expect(second.quality.mean).toBe(200);
  second.release();
});

test('frames, faults and unusable pictures come out in the order they went in', async () => {
  const camera = started({ slots: 3 });
  const pushed = [camera.push(grey(10), about), camera.push(grey(20), about)];
  camera.fault(fault('first'));
  camera.fault(fault('second'));
  pushed.push(camera.push(grey(30), about));
  const refused = camera.push({ ...grey(0), data: new Uint8Array(3) }, about).catch((error: Error) => error);
  pushed.push(camera.push(grey(40), about));
  camera.end();
  const seen: (number | string)[] = [];
  for await (const exposure of camera.exposures()) {
    seen.push(exposure.kind === 'frame' ? exposure.quality.mean : exposure.detail);
    if (exposure.kind === 'frame') exposure.release();
  }
  expect(seen).toEqual([10, 20, 'first', 'second', 30, 40]);
  await Promise.all(pushed);
  expect(await refused).toMatchObject({ name: 'RangeError' });
  expect(camera.health()).toMatchObject({ connected: true, frames: 4, faults: { incompleteFrame: 2 } });
  await expect(camera.push(grey(1), about)).rejects.toThrow('no exposure comes after end()');
});

test('push waits while every slot is leased, and goes on when one comes back', async () => {
  const camera = started({ slots: 2 });
  let done = 0;
  const pushes = Array.from({ length: 6 }, (_, i) => camera.push(grey(i), about).then(() => done++));
  const held = (await take(camera, 2)).map(frame);
  await new Promise((resolve) => setTimeout(resolve, 60));
  expect(done).toBe(2);
  expect(openRing(held[0]?.ring ?? 0).free).toBe(0);
  for (let i = 2; i < 6; i++) {
    held.shift()?.release();
    held.push(frame((await take(camera, 1))[0]));
    expect(held[1]?.quality.mean).toBe(i);
  }
  await Promise.all(pushes);
  for (const one of held) one.release();
});

test('one reader at a time', async () => {
  const camera = started();
  const first = camera.exposures()[Symbol.asyncIterator]();
  expect(() => camera.exposures()[Symbol.asyncIterator]()).toThrow('one reader');
  const waiting = first.next();
  await first.return?.();
  expect(await waiting).toEqual({ value: undefined, done: true });
  await camera.push(grey(5), about);
  frame((await take(camera, 1))[0]).release();
});

describe('stop', () => {
  test('before start and twice', async () => {
    const camera = new PushedCamera({ simulated: true });
    await camera.stop(soon());
    expect(() => camera.exposures()).toThrow('was not started');
    expect(() => camera.end()).toThrow('call start first');
    await expect(camera.push(grey(1), about)).rejects.toMatchObject({ code: 'ABORTED' });
    camera.start(plan);
    expect(() => camera.start(plan)).toThrow('runs already');
    await Promise.all([camera.stop(soon()), camera.stop(soon())]);
    expect(camera.health().connected).toBe(false);
  });

  test('ends the reader, releases what nobody read, rejects what was not taken', async () => {
    const camera = started({ slots: 2 });
    const reader = camera.exposures()[Symbol.asyncIterator]();
    const pushes = Promise.allSettled(Array.from({ length: 8 }, (_, i) => camera.push(grey(i), about)));
    const held = frame((await reader.next()).value as Frame);
    await new Promise((resolve) => setTimeout(resolve, 30));
    const ring = openRing(held.ring);
    await camera.stop(soon());
    expect(await reader.next()).toEqual({ value: undefined, done: true });
    const settled = await pushes;
    expect(settled.filter((s) => s.status === 'rejected').map((s) => (s.reason as { code: string }).code)).toContain('ABORTED');
    // The frame that the reader still holds stays readable until it is released; then the ring is gone.
    expect(tensorOf(held)).toHaveLength(32 * 24 * 3);
    expect(ring.free).toBe(1);
    held.release();
    expect(() => held.release()).toThrow('is gone');
  });

  test('a new plan after it', async () => {
    const camera = started();
    await camera.push(grey(9), about);
    frame((await take(camera, 1))[0]).release();
    await camera.stop(soon());
    camera.start({ ...plan, id: 8, input: inputSpec(16, 16) });
    await camera.push(grey(9), about);
    const one = frame((await take(camera, 1))[0]);
    expect(one.planId).toBe(8);
    expect(tensorOf(one)).toHaveLength(16 * 16 * 3);
    one.release();
  });

  test('a reader that waits for nothing is told', async () => {
    const camera = started();
    const waiting = take(camera, 1);
    await camera.stop(soon());
    expect(await waiting).toEqual([]);
  });
});

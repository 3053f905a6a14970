import { getEventListeners } from 'node:events';
import pino from 'pino';
import { Code } from '../../src/codes';
import { CameraError } from '../../src/errors';
import { Exposures } from '../../src/line/exposures';
import type { Camera, CameraHealth, CameraInfo, Frame, FrameFault, Ms, Plan } from '../../src/ports';
import { FakeClock, settle } from '../fakes/clock';
import { fakeFrame } from '../fakes/line';

const plan: Plan = {
  id: 1,
  recipe: { id: 'plate', number: 3 },
  input: { width: 8, height: 8, resize: 'bicubic', fit: 'squash', mean: [0, 0, 0], std: [1, 1, 1] },
  camera: {},
};

/** A camera that is told what happens to it. */
class ScriptedCamera implements Camera {
  starts = 0;
  /** Under which it streams. */
  plan: Plan | null = null;
  slowStart: Promise<void> = Promise.resolve();
  signal: AbortSignal | null = null;
  refuses: Error | null = null;
  slowStop: Promise<void> = Promise.resolve();
  private give: ((item: Frame | FrameFault | null) => void) | null = null;
  private readonly queue: (Frame | FrameFault | null)[] = [];

  async start(plan: Plan, signal: AbortSignal): Promise<CameraInfo> {
    this.starts++;
    await this.slowStart;
    this.plan = plan;
    this.signal = signal;
    this.queue.length = 0;
    if (this.refuses !== null) throw this.refuses;
    return { vendor: '', model: '', serial: '', simulated: false, width: 8, height: 8, pixelFormat: 'RGB8' };
  }
  async *exposures(): AsyncGenerator<Frame | FrameFault> {
    for (;;) {
      const item = this.queue.length > 0 ? this.queue.shift() : await new Promise<Frame | FrameFault | null>((give) => (this.give = give));
      if (item === null || item === undefined) return;
      yield item;
    }
  }
  show(item: Frame | FrameFault | null): void {
    const { give } = this;
    this.give = null;
    if (give === null) this.queue.push(item);
    else give(item);
  }
  fire(): Promise<void> {
    return Promise.resolve();
  }
  health(): CameraHealth {
    return { connected: true, alive: 0, frames: 0, faults: {}, temperature: null };
  }
  async stop(_by: Ms): Promise<void> {
    await this.slowStop;
    this.show(null);
  }
}

function rig(refuses: Error | null = null, proven = false) {
  const clock = new FakeClock();
  const camera = new ScriptedCamera();
  camera.refuses = refuses;
  const complaints: string[] = [];
  const diagnostics = pino({ level: 'error' }, { write: (line: string) => complaints.push(line) });
  const exposures = new Exposures(camera, clock, diagnostics, proven);
  const said: string[] = [];
  exposures.start(plan, {
    exposure: (shot) => said.push(shot.kind),
    up: () => said.push('up'),
    lost: (code) => said.push(`lost ${code}`),
    ended: () => said.push('ended'),
    failed: (error) => said.push(`failed ${error.code}`),
  });
  return { clock, camera, exposures, said, complaints };
}

test('a frame of a stream that is being restarted reaches nobody and goes back', async () => {
  const { clock, camera, exposures, said } = rig();
  await settle();
  let stopped: () => void = () => undefined;
  camera.slowStop = new Promise((resolve) => (stopped = resolve));
  exposures.restart('an exposure did not come in time');
  const late = fakeFrame();
  camera.show(late);
  await settle();
  expect(said).toEqual(['up']);
  expect(late.releases()).toBe(1);
  await expect(exposures.fire()).rejects.toThrow('not connected');
  stopped();
  await clock.advance(1_000);
  expect(said).toEqual(['up', `lost ${Code.cameraLost}`, 'up']);
  const stop = exposures.stop(clock.now() + 100);
  await clock.advance(200);
  await stop;
});

test('a camera that is away for long is tried again and again; nothing piles up meanwhile', async () => {
  const { clock, camera, exposures, said } = rig(new Error('unplugged'));
  for (let i = 0; i < 30; i++) await clock.advance(5_000);
  const { signal, starts } = camera;
  expect(starts).toBeGreaterThan(20);
  expect(signal === null ? [] : getEventListeners(signal, 'abort')).toHaveLength(1);
  camera.refuses = null;
  await clock.advance(5_000);
  expect(said.at(-1)).toBe('up');
  const stop = exposures.stop(clock.now() + 100);
  await clock.advance(200);
  await stop;
});

test('a camera that is away for long is complained of once a minute, and at once when it fails in another way', async () => {
  const { clock, camera, exposures, complaints } = rig(new Error('unplugged'));
  await settle();
  expect(complaints).toHaveLength(1);
  for (let i = 0; i < 36; i++) await clock.advance(5_000);
  expect(camera.starts).toBeGreaterThan(20);
  expect(complaints.length).toBeLessThanOrEqual(4);
  const before = complaints.length;
  camera.refuses = new Error('no power');
  await clock.advance(5_000);
  expect(complaints.slice(before).join()).toContain('no power');
  const stop = exposures.stop(clock.now() + 100);
  await clock.advance(200);
  await stop;
});

test('a real camera that fails on is given up after the time its error allows; a frame in between begins anew', async () => {
  const { clock, camera, said } = rig(new CameraError('CAMERA_FAILED', 'stuck', 120_000));
  await settle();
  for (let i = 0; i < 20; i++) await clock.advance(5_000);
  expect(said.filter((one) => one.startsWith('failed'))).toEqual([]);
  for (let i = 0; i < 8; i++) await clock.advance(5_000);
  expect(said.at(-1)).toBe('failed CAMERA_FAILED');
  const tried = camera.starts;
  await clock.advance(60_000);
  expect(camera.starts).toBe(tried);
});

test('what no second try mends is given up at once', async () => {
  const { clock, camera, said } = rig(new CameraError('CAMERA_CONFIG', 'no such entry', 0));
  await settle();
  await clock.advance(5_000);
  expect(said).toEqual(['lost 301', 'failed CAMERA_CONFIG']);
  expect(camera.starts).toBe(1);
});

test.each([
  ['spoilt: another is taken', Code.incompleteFrame, 1, 2],
  ['late: it may still come, so the stream begins again', Code.cameraTimeout, 2, 2],
])('an exposure of the self-test that is %s', async (_, code, starts, fires) => {
  const { clock, camera, exposures, said } = rig(null, true);
  let fired = 0;
  camera.fire = () => {
    fired++;
    camera.show(
      fired === 1 ? { kind: 'fault', code, detail: 'none', at: clock.now(), source: null, truth: null } : fakeFrame({ frameId: fired }),
    );
    return Promise.resolve();
  };
  await settle();
  await clock.advance(1_000);
  expect(said.at(-1)).toBe('up');
  expect([camera.starts, fired]).toEqual([starts, fires]);
  const stop = exposures.stop(clock.now() + 100);
  await clock.advance(200);
  await stop;
});

test('other camera settings that come while the stream starts: it comes up with them, never with the ones before', async () => {
  const { clock, camera, exposures, said } = rig(null, true);
  camera.fire = () => {
    camera.show(fakeFrame());
    return Promise.resolve();
  };
  await settle();
  let go: () => void = () => undefined;
  camera.slowStart = new Promise((resolve) => (go = resolve));
  exposures.restart('an exposure did not come in time');
  await clock.advance(1_000);
  expect(camera.starts).toBe(2);
  exposures.use({ ...plan, id: 2 });
  camera.slowStart = Promise.resolve();
  go();
  await clock.advance(1_000);
  expect([camera.starts, camera.plan?.id]).toEqual([3, 2]);
  expect(said).toEqual(['up', `lost ${Code.cameraLost}`, 'up']);
  const stop = exposures.stop(clock.now() + 100);
  await clock.advance(200);
  await stop;
});

/** @jest-environment ./test/support/fake_spinnaker.cjs */
import { execFileSync } from 'node:child_process';
import { join } from 'node:path';
import type { SpinnakerCamera } from '../../src/camera/spinnaker';
import { Code } from '../../src/codes';
import type { CameraError } from '../../src/errors';
import { packageRoot } from '../../src/package';
import type { CameraValues, Frame, FrameFault, Plan } from '../../src/ports';
import { cameraContract, never, planOf, Reader, rejection, soon } from '../contract/camera';
import { built, type Change, command, describeFake, library, reset, settings, spinnaker, status, until } from './fake';

const used: SpinnakerCamera[] = [];
function make(change: Change = {}): SpinnakerCamera {
  const camera = spinnaker(change);
  used.push(camera);
  return camera;
}
/** Nothing of the library is held, and none of its rules was broken. */
async function clean(): Promise<void> {
  for (const camera of used.splice(0)) await camera.stop(soon());
  const { instances, held, violations } = await status();
  expect({ instances, held, violations }).toEqual({
    instances: 0,
    held: { cameras: 0, lists: 0, images: 0, handlers: 0, nodes: 0, entries: 0 },
    violations: [],
  });
}
const planWith = (camera: CameraValues): Plan => ({ ...planOf(), camera });

const fakeFolder = join(packageRoot, 'build/fake');

describeFake('the library', () => {
  /** What opening says of a library at this path. */
  const refusal = async (path: string): Promise<string> => {
    const error = await rejection(make({ library: path }).start(planOf(), never()));
    expect(error.code).toBe('CAMERA_FAILED');
    return error.message;
  };
  test('a path that is not absolute, no file, no library', async () => {
    expect(await refusal('libSpinnaker_C.so.4')).toMatch(/absolute path; received 'libSpinnaker_C\.so\.4'/);
    expect(await refusal('/nowhere/libSpinnaker_C.so.4')).toMatch(/\/nowhere\/libSpinnaker_C\.so\.4: there is no such file/);
    expect(await refusal(join(packageRoot, 'package.json'))).toMatch(/package\.json: it is no ELF library/);
    expect(await refusal(packageRoot)).toMatch(/it is no file/);
  });
  test('every usual place is named with what is wrong there', () => {
    // In a process of its own: once a library of that name is loaded, the loader finds it without looking.
    const script = `const {native}=require(${JSON.stringify(join(packageRoot, 'dist/native.js'))});
      const c=new (native().Camera)({backend:'spinnaker',library:'',serial:'',acceptOutput:''},()=>{});
      c.list().then(()=>console.log('found'),(e)=>console.log(e.cause+': '+e.message)).then(()=>c.close())`;
    const text = execFileSync(process.execPath, ['-e', script], { encoding: 'utf8' });
    if (text.startsWith('found')) return console.log('skipped: a Spinnaker library is installed on this machine');
    for (const place of ['libSpinnaker_C.so.4', '/opt/spinnaker/lib/libSpinnaker_C.so.3', '/usr/lib/libSpinnaker_C.so']) {
      expect(text).toContain(`\n  ${place}: `);
    }
    expect(text).toMatch(/^environment: /);
  });
  test('another machine, a missing function, a missing dependency', async () => {
    expect(await refusal(join(fakeFolder, 'wrong-machine/libSpinnaker_C.so.4'))).toMatch(/it is for machine type 50, this program is /);
    expect(await refusal(join(fakeFolder, 'missing-symbol/libSpinnaker_C.so.4'))).toMatch(/it has no function spin[A-Z]\w+/);
    expect(await refusal(join(fakeFolder, 'missing-dependency/libSpinnaker_C.so.4'))).toMatch(
      /libSpinnaker\.so\.4: cannot open shared object/,
    );
  });
  test('a version that is too old is refused, and let go', async () => {
    await reset('version = 2.5.0.80');
    expect(await refusal(library)).toMatch(/version 2\.5\.0\.80 of the Spinnaker library; expected 3 or later/);
    await clean();
  });
});

if (built) {
  beforeAll(async () => {
    // Its first call starts it and with it the control socket.
    await spinnaker().borrow((camera) => camera.list());
  });
  describe('contract', () => {
    beforeEach(async () => reset());
    afterEach(clean);
    cameraContract('Spinnaker on the fake', {
      make: () => spinnaker(),
      slots: 6,
      simulated: false,
    });
  });
}

describeFake('which camera', () => {
  beforeEach(async () => reset('cameras = 11,22'));
  afterEach(clean);
  test('an absent serial: those present are listed; none given although there are two: the same', async () => {
    const absent = await rejection(make({ serial: '33' }).start(planOf(), never()));
    expect(absent.message).toMatch(/serial number 33\. Cameras present: 11 \(.*89S6C\), 22 \(/);
    const which = await rejection(make().start(planOf(), never()));
    expect(which.message).toMatch(/several cameras.*11 \(/);
  });
  test('the one that was named', async () => {
    expect(await make({ serial: '22' }).start(planOf(), never())).toMatchObject({ serial: '22', vendor: 'FLIR', pixelFormat: 'BayerRG8' });
  });
  test('busy, and the producer not found: what to do', async () => {
    await command('busy = on');
    expect((await rejection(make({ serial: '11' }).start(planOf(), never()))).message).toMatch(/-1005.*Another program holds the camera/);
    await command('fail SystemGetInstance -1012 could not load producer');
    expect((await rejection(make({ serial: '11' }).start(planOf(), never()))).message).toMatch(
      /could not load producer.*SPINNAKER_GENTL64_CTI/,
    );
  });
  test('too little memory for USB transfers at the start of the stream', async () => {
    await command('usbfs-mb = 0.1');
    expect((await rejection(make({ serial: '11' }).start(planOf(), never()))).message).toMatch(/-1010.*usbfs_memory_mb/);
  });
});

describeFake('settings', () => {
  beforeEach(async () => reset());
  afterEach(clean);

  test.each([
    ['out of range', { Width: 512 }, /Width 512: it is out of range\. It is 256; the camera takes 64 to 256 in steps of 16/],
    ['off the steps', { Width: 100 }, /Width 100: it is not on the camera's steps/],
    ['no such entry', { PixelFormat: 'BayerGB8' as const }, /PixelFormat BayerGB8: there is no such entry\..*one of .*BayerRG8/],
    ['too long an exposure', { ExposureTime: 30_000_000.5 }, /ExposureTime 30000000\.5: it is out of range.*19 to 30000000 us/],
    ['region beyond the sensor', { Width: 128, OffsetX: 200 }, /OffsetX 200: it is out of range/],
  ])('%s: CAMERA_CONFIG with node, wanted, got and range, given up at once', async (_, change, text) => {
    const error = await rejection(make({ settings: change }).start(planOf(), never()));
    expect(error).toMatchObject({ code: 'CAMERA_CONFIG', exitCode: 78, giveUpAfter: 0 });
    expect(error.message).toMatch(text);
    expect(error.details[0]).toMatch(/: wanted .*, got .*, range /);
  });

  test('a feature the camera does not have, or does not let be written', async () => {
    await command('access Gain ni');
    expect((await rejection(make().start(planOf(), never()))).message).toMatch(/Gain 1\.5: .*not available/);
    await command('access Gain ro');
    const error = await rejection(make().start(planOf(), never()));
    expect(error.message).toMatch(/Gain 1\.5: it cannot be written as the camera is set now/);
  });

  test('a setting that has worked before is not what is wrong: the camera is', async () => {
    const camera = make();
    await camera.start(planOf(), never());
    await camera.stop(soon());
    await command('access Gain ro');
    const error = await rejection(camera.start(planOf(), never()));
    expect(error).toMatchObject({ code: 'CAMERA_FAILED', exitCode: 75 });
    expect((error as CameraError).giveUpAfter).toBeGreaterThan(60_000);
  });

  test('all of them are in the camera; what it rounds is told; the recipe goes before the configuration', async () => {
    const told: string[] = [];
    const camera = make({
      notice: (text) => told.push(text),
      settings: { Width: 128, Height: 64, OffsetX: 32, OffsetY: 16, ReverseX: true, PixelFormat: 'BayerGR8', strobeLine: 'Line2' },
    });
    const info = await camera.start(planWith({ ExposureTime: 1234.4, Gain: 3 }), never());
    expect(info).toMatchObject({ width: 128, height: 64, pixelFormat: 'BayerGR8' });
    await camera.stop(soon());
    expect(told.join()).toMatch(/ExposureTime: wanted 1234\.4, the camera took 1234 us/);
    const read = await camera.borrow(async (native) => {
      await native.open();
      const of: Record<string, unknown> = {};
      for (const node of [
        'ExposureTime',
        'ExposureAuto',
        'Gain',
        'OffsetX',
        'OffsetY',
        'TriggerMode',
        'TriggerSource',
        'TriggerOverlap',
        'LineSource',
      ]) {
        of[node] = (await native.get(node)).value;
      }
      return of;
    });
    expect(read).toEqual({
      ExposureTime: 1234,
      ExposureAuto: 'Off',
      Gain: 3,
      OffsetX: 32,
      OffsetY: 16,
      TriggerMode: 'On',
      TriggerSource: 'Software',
      TriggerOverlap: 'ReadOut',
      LineSource: 'ExposureActive',
    });
  });

  test('a stop in the middle of the set-up', async () => {
    await command('slow IntegerSetValue ms=30 times=always');
    const camera = make();
    const starting = rejection(camera.start(planOf(), never()));
    await new Promise((resolve) => setTimeout(resolve, 60));
    await camera.stop(soon());
    expect((await starting).code).toBe('ABORTED');
  });
});

/** Fires and reads one exposure. */
async function shoot(camera: SpinnakerCamera, reader: Reader): Promise<Frame | FrameFault> {
  await camera.fire();
  const shot = await reader.shot();
  if (shot.kind === 'frame') shot.release();
  return shot;
}

describeFake('faults of frames are counted by cause and never judged', () => {
  beforeEach(async () => reset());
  afterEach(clean);
  test.each([
    ['incomplete value=3', 'incomplete', Code.incompleteFrame, /image status 3/],
    ['incomplete', 'incomplete', Code.incompleteFrame, /image status 9/],
    ['short', 'short', Code.incompleteFrame, /holds \d+ of \d+ bytes/],
    ['wrong-size', 'wrongSize', Code.incompleteFrame, /128 x 64 BayerRG8, expected 256 x 128 BayerRG8/],
    ['zero-size', 'wrongSize', Code.incompleteFrame, /is 0 x 0/],
    ['wrong-format', 'wrongFormat', Code.incompleteFrame, /expected 256 x 128 BayerRG8/],
    ['duplicate', 'duplicate', Code.incompleteFrame, /frame 0 came after frame 0/],
    ['frozen', 'frozen', Code.frozenFrame, /byte for byte/],
    ['lost', 'timeout', Code.cameraTimeout, /no frame came within/],
  ])('%s', async (fault, cause, code, text) => {
    const camera = make();
    await camera.start(planOf(), never());
    const reader = new Reader(camera);
    expect((await shoot(camera, reader)).kind).toBe('frame');
    await command(`fault ${fault}`);
    const shot = await shoot(camera, reader);
    expect(shot).toMatchObject({ kind: 'fault', code, detail: expect.stringMatching(text) });
    expect((await shoot(camera, reader)).kind).toBe('frame');
    const { frames, faults } = camera.health();
    // A spoilt exposure has had its number: it is not missed on top. One that never came is.
    expect({ frames, faults }).toEqual({ frames: 2, faults: { [cause]: 1, ...(fault === 'lost' ? { missed: 1 } : {}) } });
  });

  test.each([
    ['the number of an incomplete frame again', 'incomplete', 'duplicate', Code.incompleteFrame],
    ['the bytes of a picture whose number was wrong', 'duplicate', 'frozen', Code.frozenFrame],
  ])('%s', async (_, first, second, code) => {
    const camera = make();
    await camera.start(planOf(), never());
    const reader = new Reader(camera);
    await shoot(camera, reader);
    await command(`fault ${first}`);
    await command(`fault ${second}`);
    expect(await shoot(camera, reader)).toMatchObject({ kind: 'fault', code: Code.incompleteFrame });
    expect(await shoot(camera, reader)).toMatchObject({ kind: 'fault', code });
    expect((await shoot(camera, reader)).kind).toBe('frame');
  });

  test('frames that the camera counted and nobody got are missed, and the next one is good', async () => {
    const camera = make();
    await camera.start(planOf(), never());
    const reader = new Reader(camera);
    await shoot(camera, reader);
    await command('fault gap value=3');
    expect((await shoot(camera, reader)).kind).toBe('frame');
    expect(camera.health().faults).toEqual({ missed: 3 });
  });

  test('a frame without chunk data is a frame', async () => {
    const camera = make();
    await camera.start(planOf(), never());
    await command('fault chunk-missing');
    expect((await shoot(camera, new Reader(camera))).kind).toBe('frame');
  });

  test('a late frame does not meet the next part', async () => {
    const camera = make();
    await camera.start(planOf(), never());
    const reader = new Reader(camera);
    await command('fault slow value=600');
    expect(await shoot(camera, reader)).toMatchObject({ kind: 'fault', code: Code.cameraTimeout });
    const shots = [];
    await camera.fire();
    // The late one arrives first (the camera sends in order), then the one that was asked for.
    for (;;) {
      const shot = await reader.shot();
      shots.push(shot);
      if (shot.kind === 'frame') {
        expect(shot.frameId).toBe(1);
        shot.release();
        break;
      }
    }
    expect(camera.health().faults.late).toBe(1);
  });

  test('a single failed transfer is a glitch, two in a row are a lost camera', async () => {
    const camera = make();
    await camera.start(planOf(), never());
    const reader = new Reader(camera);
    await command('fail CameraGetNextImageEx -1010');
    expect(await reader.shot()).toMatchObject({ kind: 'fault', code: Code.cameraTimeout });
    expect((await shoot(camera, reader)).kind).toBe('frame');
    await command('fail CameraGetNextImageEx -1010 times=2');
    await reader.shot();
    expect(await reader.shot()).toMatchObject({ kind: 'fault', code: Code.cameraLost });
    expect(await rejection(reader.next())).toMatchObject({ code: 'CAMERA_FAILED', exitCode: 75 });
  });
});

describeFake('the cable', () => {
  beforeEach(async () => reset('removal-ms = 20', 'arrival-ms = 20'));
  afterEach(clean);

  test('pulled while idle, while a part waits; plugged again: set up in full, frames of the new settings', async () => {
    const camera = make();
    for (const waiting of [false, true]) {
      await camera.start(planWith({ ExposureTime: 3000 }), never());
      const reader = new Reader(camera);
      await shoot(camera, reader);
      if (waiting) await command('silent = on');
      if (waiting) await camera.fire().catch(() => undefined);
      await command('unplug');
      await until(() => (camera.health().connected ? undefined : true), 'the loss');
      const read = async () => {
        for (;;) if ((await reader.next()).done === true) return;
      };
      expect((await rejection(read())).message).toMatch(/The camera was lost: /);
      await camera.stop(soon());
      const absent = await rejection(camera.start(planOf(), never()));
      expect(absent).toMatchObject({ code: 'CAMERA_FAILED', message: expect.stringMatching(/There is no camera/) });
      await command('silent = off');
      await command('replug');
      await until(async () => ((await status()).devices[0]?.present ? true : undefined), 'the plug');
      await until(
        () =>
          camera.start(planWith({ ExposureTime: 4000 }), never()).then(
            () => true,
            () => undefined,
          ),
        'the camera back',
      );
      expect((await shoot(camera, new Reader(camera))).kind).toBe('frame');
      await camera.stop(soon());
    }
  });

  test('a link that goes dead without a word: the heartbeat register tells it from no part yet', async () => {
    await command('removal-ms = 600000');
    await command('unplug-timeouts = 1000000');
    const camera = make();
    await camera.start(planOf(), never());
    const reader = new Reader(camera);
    // Idle for longer than two polls, and well.
    await new Promise((resolve) => setTimeout(resolve, 2500));
    expect(camera.health()).toMatchObject({ connected: true, temperature: expect.any(Number), faults: {} });
    await command('unplug');
    expect(await reader.shot()).toMatchObject({ kind: 'fault', code: Code.cameraLost, detail: expect.stringMatching(/does not answer/) });
    expect((await rejection(reader.next())).code).toBe('CAMERA_FAILED');
  });

  test('a library that does not come back with a frame: the reader is told', async () => {
    const camera = make();
    await camera.start(planOf(), never());
    const reader = new Reader(camera);
    await shoot(camera, reader);
    await command('hang CameraGetNextImageEx');
    expect(await rejection(reader.next())).toMatchObject({ code: 'CAMERA_FAILED', giveUpAfter: 0 });
    await command('unhang');
  });

  test('a library that hangs: stop keeps its deadline, the next start says that only a new process helps', async () => {
    const camera = make();
    await camera.start(planOf(), never());
    await command('hang CameraEndAcquisition');
    const before = Date.now();
    await camera.stop(soon() - 9_700);
    expect(Date.now() - before).toBeLessThan(5_000);
    const error = await rejection(camera.start(planOf(), never()));
    expect(error).toMatchObject({ code: 'CAMERA_FAILED', giveUpAfter: 0, message: expect.stringMatching(/has not come back/) });
    await command('unhang');
  });
});

describeFake('lines', () => {
  beforeEach(async () => reset());
  afterEach(clean);
  const level = async (line: number): Promise<number | undefined> => (await status()).devices[0]?.lines[line];

  test('the accept output is at rest but for its pulse: after opening, after a fault, after the end', async () => {
    const camera = make({ acceptPulse: 5000, settings: { acceptLine: 'Line1' } });
    await camera.start(planOf(), never());
    const reader = new Reader(camera);
    expect(await level(1)).toBe(0);
    await camera.accept();
    expect(await level(1)).toBe(1);
    await command('fault incomplete');
    await shoot(camera, reader);
    expect(await level(1)).toBe(0);
    await camera.accept();
    expect(await level(1)).toBe(1);
    await camera.stop(soon());
    expect(await level(1)).toBe(0);
  });

  test('a pulse ends by itself', async () => {
    const camera = make({ acceptPulse: 30, settings: { acceptLine: 'Line2' } });
    await camera.start(planOf(), never());
    await camera.accept();
    await until(async () => ((await level(2)) === 0 ? true : undefined), 'rest');
    expect(camera.health().faults).toEqual({});
  });

  test('a line triggers, bounces are filtered, missed triggers are counted; there is no software trigger', async () => {
    const camera = make({ triggered: false, settings: { TriggerSource: 'Line0', LineFilterWidth: 3000, ExposureTime: 8000 } });
    await camera.start(planOf(), never());
    const reader = new Reader(camera);
    expect((await rejection(camera.fire())).message).toMatch(/no software trigger/);
    await command('edges line=0 period-ms=40 count=5 bounces=3 bounce-us=500');
    for (let i = 0; i < 5; i++) (await reader.frame()).release();
    expect(camera.health()).toMatchObject({ frames: 5, faults: {} });
    await until(() => (camera.health().values?.missedTriggers === 0 ? true : undefined), 'the counter');
    // Bounces that the filter lets through find the camera exposing: edges without a frame.
    await command('edges line=0 period-ms=60 count=4 bounces=1 bounce-us=4000');
    for (let i = 0; i < 4; i++) (await reader.frame()).release();
    await until(() => (camera.health().values?.missedTriggers === 4 ? true : undefined), 'four missed triggers');
    expect(camera.health()).toMatchObject({ frames: 9, faults: {} });
  });
});

describeFake('running free', () => {
  beforeEach(async () => reset());
  afterEach(clean);
  test('frames come by themselves, and their time is on our clock and goes up', async () => {
    const camera = make({ triggered: false, settings: { AcquisitionFrameRate: 40 } });
    await camera.start(planOf(), never());
    const reader = new Reader(camera);
    let last = Number.NEGATIVE_INFINITY;
    for (let i = 0; i < 10; i++) {
      const frame = await reader.frame();
      expect(frame.exposed).toBeGreaterThan(last);
      expect(frame.exposed).toBeLessThanOrEqual(frame.ready);
      last = frame.exposed;
      frame.release();
    }
  });
  test('with every slot leased a frame is a counted fault, not one that waits and goes stale', async () => {
    const camera = make({ triggered: false, slots: 1, settings: { AcquisitionFrameRate: 100 } });
    await camera.start(planOf(), never());
    const reader = new Reader(camera);
    const held = await reader.frame();
    expect(await reader.shot()).toMatchObject({ kind: 'fault', code: Code.busy });
    held.release();
  });
});

describeFake('one exposure', () => {
  beforeEach(async () => reset());
  afterEach(clean);
  test('as it came, without the padding of its rows, with what the camera wrote into it', async () => {
    const shot = await make().snap({ camera: {} }, 5000, never());
    expect(shot).toMatchObject({ width: 256, height: 128, stride: 256, pixelFormat: 'BayerRG8', frameId: 0 });
    expect(shot.data).toHaveLength(256 * 128);
    expect(shot.chunk).toMatchObject({ FrameID: 0, ExposureTime: settings.ExposureTime, Gain: settings.Gain });
  });
  test('an incomplete one is taken again; none at all is a failure', async () => {
    await command('fault incomplete');
    expect((await make().snap({ camera: {} }, 5000, never())).frameId).toBe(1);
    await command('silent = on');
    expect((await rejection(make().snap({ camera: {} }, 200, never()))).message).toMatch(/no frame within 200 ms/);
  });
});

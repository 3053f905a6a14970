/** @jest-environment ./test/support/fake_spinnaker.cjs */
/** No part is judged by the picture of another: exposures that come late, that fail on the way, and clocks that cannot be read. */
import { Code } from '../../src/codes';
import { type NativeCamera, native } from '../../src/native';
import { never, planOf, Reader, rejection, soon } from '../contract/camera';
import { lineOver } from '../line/over_camera';
import { command, describeFake, reset, spinnaker, until } from './fake';
import { begin, clean, make, shoot } from './used';

begin();

describeFake('a frame that comes after its trigger was given up', () => {
  beforeEach(async () => reset());
  afterEach(clean);
  test.each([
    ['with the clock of the camera', []],
    ['timed by its arrival, as there is no latch', ['TimestampLatch', 'TimestampLatchValue']],
    ['timed by its arrival, as nothing comes of the latch', ['TimestampLatchValue']],
  ])('is not the next part: %s', async (_, without) => {
    for (const name of without) await command(`access ${name} ni`);
    const notices: string[] = [];
    const { part, stop } = lineOver(make({ notice: (text) => notices.push(text) }));
    try {
      expect(await part()).toEqual({ seq: 1, code: Code.ok, stream: 1, frameId: 0 });
      await command('fault slow value=900');
      expect(await part()).toMatchObject({ seq: 2, code: Code.cameraTimeout, frameId: null });
      expect(await part()).toEqual({ seq: 3, code: Code.ok, stream: 2, frameId: 0 });
      expect(await part()).toEqual({ seq: 4, code: Code.ok, stream: 2, frameId: 1 });
    } finally {
      await stop();
    }
    expect(notices.some((text) => /^frames are timed by their arrival, as the camera has no TimestampLatch/.test(text))).toBe(
      without.length > 0,
    );
  });
});

describeFake('each trigger has one answer', () => {
  beforeEach(async () => reset());
  afterEach(clean);

  test('a glitch of the transfer while the sensor still exposes is not the end of the exposure', async () => {
    const camera = make({ settings: { ExposureTime: 200_000 } });
    await camera.start(planOf(), never());
    const reader = new Reader(camera);
    await camera.fire();
    await command('fail CameraGetNextImageEx -1010 times=1');
    const frame = await reader.frame();
    expect(frame.frameId).toBe(0);
    frame.release();
    const next = await shoot(camera, reader);
    expect(next).toMatchObject({ kind: 'frame', frameId: 1 });
    expect(camera.health().faults).toEqual({ transient: 1 });
  });

  test('a frame that cannot be described is one fault, and the next trigger has its own frame', async () => {
    const camera = make();
    await camera.start(planOf(), never());
    const reader = new Reader(camera);
    await command('fail ImageGetTimeStamp -1010 times=1');
    expect(await shoot(camera, reader)).toMatchObject({
      kind: 'fault',
      code: Code.cameraTimeout,
      detail: expect.stringMatching(/no frame came/),
    });
    expect(await shoot(camera, reader)).toMatchObject({ kind: 'frame', frameId: 1 });
    expect(await shoot(camera, reader)).toMatchObject({ kind: 'frame', frameId: 2 });
    expect(camera.health().faults).toMatchObject({ transient: 1, timeout: 1 });
  });

  test('a glitch of a camera that runs free is told', async () => {
    const camera = make({ triggered: false, settings: { AcquisitionFrameRate: 20 } });
    await camera.start(planOf(), never());
    await command('fail CameraGetNextImageEx -1010 times=1');
    const reader = new Reader(camera);
    for (;;) {
      const shot = await reader.shot();
      if (shot.kind === 'fault') return expect(shot.detail).toMatch(/-1010/);
      shot.release();
    }
  });

  test('glitches with quiet between are no lost camera', async () => {
    const camera = make();
    await camera.start(planOf(), never());
    for (let i = 1; i <= 3; i++) {
      await command('fail CameraGetNextImageEx -1010 times=1');
      await until(() => (camera.health().faults.transient === i ? true : undefined), `glitch ${i}`);
      await new Promise((resolve) => setTimeout(resolve, 100));
    }
    expect(await shoot(camera, new Reader(camera))).toMatchObject({ kind: 'fault', detail: expect.stringMatching(/-1010/) });
    expect(camera.health()).toMatchObject({ connected: true, faults: { transient: 3 } });
  });
});

describeFake('what cannot be read as the stream begins', () => {
  beforeEach(async () => reset());
  afterEach(clean);

  test('the clock: one failed latch is made good, three end the start', async () => {
    const camera = make();
    await command('fail CommandExecute -1010 skip=1 times=1'); // the first command loads the user set
    await camera.start(planOf(), never());
    const reader = new Reader(camera);
    await shoot(camera, reader);
    await command('fault slow value=600');
    expect(await shoot(camera, reader)).toMatchObject({ kind: 'fault', code: Code.cameraTimeout });
    await camera.fire();
    // It is known to be late by the camera's own clock.
    expect(await reader.shot()).toMatchObject({ kind: 'fault', detail: expect.stringMatching(/belongs to no trigger/) });
    const frame = await reader.frame();
    expect(frame.frameId).toBe(2);
    frame.release();
    await camera.stop(soon());

    await command('fail CommandExecute -1010 skip=1 times=3');
    expect(await rejection(camera.start(planOf(), never()))).toMatchObject({
      code: 'CAMERA_FAILED',
      message: expect.stringMatching(/TimestampLatch.*-1010/),
    });
    await camera.start(planOf(), never());
  });

  test('a clock that jumped and cannot be latched again: its frames are late until it is known', async () => {
    const camera = make();
    await camera.start(planOf(), never());
    const reader = new Reader(camera);
    await shoot(camera, reader);
    await command('access TimestampLatch na');
    await command('scale 50'); // its time stamps run ahead of ours
    const unknown = async () => {
      const shot = await shoot(camera, reader);
      if (shot.kind === 'frame') return undefined;
      expect(shot).toMatchObject({ code: Code.cameraTimeout, detail: expect.stringMatching(/clock of the camera is not known/) });
      return true;
    };
    await until(unknown, 'a frame without a time');
    await command('scale 1');
    expect(await unknown()).toBe(true);
    await command('access TimestampLatch auto');
    await until(async () => ((await shoot(camera, reader)).kind === 'frame' ? true : undefined), 'the clock');
  });

  test.each([
    ['BooleanGetValue', [0], 'ChunkModeActive: is there a checksum'],
    ['EnumerationGetCurrentEntry', [0, 1, 2, 3], 'TriggerMode, TriggerSource, StreamBufferHandlingMode, CounterEventSource'],
    ['IntegerGetValue', [3], 'CounterValue, after three readings of the clock'],
    ['FloatGetValue', [0], 'ExposureTime, which says when edges must have had their frames'],
    ['NodeIsAvailable', [0, 1, 2], 'whether there is a feature'],
  ])('%s (%p)', async (call, skips) => {
    await spinnaker().borrow(async (camera: NativeCamera) => {
      await camera.open();
      const set = {
        TriggerMode: 'Off',
        ChunkModeActive: true,
        TriggerSource: 'Line0',
        CounterSelector: 'Counter0',
        CounterEventSource: 'Line0',
      };
      for (const [name, value] of Object.entries({ ...set, TriggerSelector: 'FrameStart' })) await camera.set(name, value);
      await camera.set('TriggerMode', 'On');
      const { input } = planOf();
      const ring = native().createRing({ slots: 2, width: input.width, height: input.height });
      const expected = { width: 0, height: 0, pixelFormat: 'BayerRG8', late: 0, frameTimeout: 0 } as const;
      const start = () => camera.start({ ring: ring.id, input, thumbnailWidth: 0, keepRaw: false, expected });
      for (const skip of skips) {
        const refused = async () => {
          await command(`fail ${call} -1010 skip=${skip} times=1`);
          const cause = await start().then(
            () => null,
            (thrown: { cause: unknown }) => thrown.cause,
          );
          if (cause === null) await camera.stop(); // the poll of every second had it
          return cause ?? undefined;
        };
        expect(await until(refused, 'a start that fails')).toBe('transient');
        await start();
        await camera.stop();
      }
      ring.retire();
    });
  });
});

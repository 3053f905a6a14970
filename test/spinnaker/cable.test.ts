/** @jest-environment ./test/support/fake_spinnaker.cjs */
/** The link: pulled, dead, hung. */
import { Code } from '../../src/codes';
import { never, planOf, Reader, rejection, soon } from '../contract/camera';
import { command, describeFake, reset, status, until } from './fake';
import { begin, clean, make, planWith, shoot } from './used';

begin();

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

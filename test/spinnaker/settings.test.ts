/** @jest-environment ./test/support/fake_spinnaker.cjs */
/** What a camera is set up with, and one exposure under it. */
import type { CameraError } from '../../src/errors';
import { never, planOf, rejection, soon } from '../contract/camera';
import { command, describeFake, reset, settings } from './fake';
import { begin, clean, make, planWith } from './used';

begin();

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

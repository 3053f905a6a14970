/** @jest-environment ./test/support/fake_spinnaker.cjs */
/** Frames that must not be judged. */
import { Code } from '../../src/codes';
import { never, planOf, Reader, rejection, soon } from '../contract/camera';
import { command, describeFake, reset, status, until } from './fake';
import { begin, clean, make, shoot } from './used';

begin();

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

describeFake('a picture of before', () => {
  beforeEach(async () => reset('removal-ms = 20', 'arrival-ms = 20'));
  afterEach(clean);
  // An old buffer, handed out as the first frame of a new stream: no frame of that stream shows that it is old.
  test.each(['the stream began again', 'the cable was out'])('is frozen, although %s', async (what) => {
    const camera = make();
    await camera.start(planOf(), never());
    expect((await shoot(camera, new Reader(camera))).kind).toBe('frame');
    if (what === 'the cable was out') {
      await command('unplug');
      await until(() => (camera.health().connected ? undefined : true), 'the loss');
      await command('replug');
      await until(async () => ((await status()).devices[0]?.present ? true : undefined), 'the plug');
    }
    await camera.stop(soon());
    const again = () =>
      camera.start(planOf(), never()).then(
        () => true,
        () => undefined,
      );
    await until(again, 'the camera back');
    const reader = new Reader(camera);
    await command('fault frozen');
    expect(await shoot(camera, reader)).toMatchObject({ kind: 'fault', code: Code.frozenFrame });
    expect((await shoot(camera, reader)).kind).toBe('frame');
  });
});

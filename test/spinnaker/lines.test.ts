/** @jest-environment ./test/support/fake_spinnaker.cjs */
/** Outputs and inputs of the camera, and the camera that runs by itself. */
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import type { SpinnakerCamera } from '../../src/camera/spinnaker';
import { acceptOutput } from '../../src/camera/steps';
import { Code } from '../../src/codes';
import { never, planOf, Reader, rejection, soon } from '../contract/camera';
import { type Change, command, describeFake, reset, status, until } from './fake';
import { begin, clean, make, shoot } from './used';

begin();

describeFake('lines', () => {
  beforeEach(async () => reset());
  afterEach(clean);
  const level = async (line: number): Promise<number | undefined> => (await status()).devices[0]?.lines[line];

  test('the accept output is at rest but for its pulse: after opening, after a fault, after the end', async () => {
    const camera = make({ acceptPulse: 5000, settings: { acceptLine: 'Line1' } });
    await camera.start(planOf(), never());
    const reader = new Reader(camera);
    expect(await level(1)).toBe(0);
    await camera.accept(soon());
    expect(await level(1)).toBe(1);
    await command('fault incomplete');
    await shoot(camera, reader);
    expect(await level(1)).toBe(0);
    await camera.accept(soon());
    expect(await level(1)).toBe(1);
    await camera.stop(soon());
    expect(await level(1)).toBe(0);
  });

  test('left energised by a process that was killed: at rest as soon as the camera is open, before anything else is set', async () => {
    // What such a process leaves in the camera. Without `acceptLine` the output is none of ours, and closing does not touch it.
    await make().borrow(async (camera) => {
      await camera.open();
      await camera.set('UserOutputSelector', acceptOutput);
      await camera.set('UserOutputValue', true);
      await camera.set('LineSelector', 'Line1');
      await camera.set('LineSource', acceptOutput);
    });
    expect(await level(1)).toBe(1);
    await command('hang CommandExecute'); // the first step of the set-up
    const camera = make({ settings: { acceptLine: 'Line1' } });
    const starting = camera.start(planOf(), never());
    await until(async () => ((await level(1)) === 0 ? true : undefined), 'rest');
    await command('unhang');
    await starting;
    expect(await level(1)).toBe(0);
  });

  describe('an accept that comes late rises for another part: it does not rise', () => {
    let log = '';
    beforeEach(async () => {
      log = join(mkdtempSync(join(tmpdir(), 'verdictd-lines-')), 'log');
      await reset(`log = ${log}`);
    });
    afterEach(() => rmSync(dirname(log), { recursive: true, force: true }));
    /** Every level that the line has had since the camera was set up. */
    const levels = (): unknown[] =>
      readFileSync(log, 'utf8')
        .split('\n')
        .filter((text) => text.includes('"line":"Line1"'))
        .map((text) => (JSON.parse(text) as { level: number }).level);
    const started = async (more: Change = {}): Promise<SpinnakerCamera> => {
      const camera = make({ acceptPulse: 5000, settings: { acceptLine: 'Line1' }, ...more });
      await camera.start(planOf(), never());
      return camera;
    };

    test('behind something else that the camera is asked', async () => {
      const camera = await started();
      await command('slow FloatGetValue ms=300');
      const asked = camera.ask(async (native) => await native.get('Gain'));
      expect((await rejection(camera.accept(soon()))).message).toMatch(/stays at rest: the camera was busy.*counts as rejected/);
      await asked;
      expect(levels()).toEqual([]);
      await camera.accept(soon());
      expect(levels()).toEqual([1]);
    });

    test('after the time of its part', async () => {
      const camera = await started();
      await rejection(camera.accept(soon() - 11_000));
      expect(levels()).toEqual([]);
    });

    test('by a camera that takes its time: at rest at once', async () => {
      const camera = await started();
      await command('slow BooleanSetValue ms=120');
      expect((await rejection(camera.accept(soon()))).message).toMatch(/the camera was busy/);
      expect(levels()).toEqual([1, 0]);
    });

    test('behind a fault that came after it was asked for', async () => {
      const camera = await started({ acceptWithin: 10_000 });
      const reader = new Reader(camera);
      await command('fault incomplete');
      await command('slow ImageIsIncomplete ms=400');
      await camera.fire();
      await new Promise((resolve) => setTimeout(resolve, 100)); // the frame is being looked at
      expect((await rejection(camera.accept(soon()))).message).toMatch(/an exposure failed after it was asked for/);
      expect(await reader.shot()).toMatchObject({ kind: 'fault', code: Code.incompleteFrame });
      expect(levels()).toEqual([]);
      await camera.accept(soon());
      expect(levels()).toEqual([1]);
    });
  });

  test('a pulse ends by itself', async () => {
    const camera = make({ acceptPulse: 30, settings: { acceptLine: 'Line2' } });
    await camera.start(planOf(), never());
    await camera.accept(soon());
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

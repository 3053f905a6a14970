/** The command line over the fake camera library, as a technician uses it. */
import { cpSync, existsSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import sharp from 'sharp';
import { ask } from '../../src/control/client';
import { lockDataDir } from '../../src/lock';
import { packageRoot } from '../../src/package';
import { type Ended, launcher, run, start } from '../cli/process';
import { picture } from '../support/pictures';

const library = join(packageRoot, 'build/fake/libSpinnaker_C.so.4');
const built = existsSync(library);
if (!built) console.log(`skipped: ${library} is not built (npm run build:fake)`);
const describeFake = built ? describe : describe.skip;

/** A process of the station on a machine that is busy with others. */
const patient = 120_000;
const never = new AbortController().signal;

let dir: string;
beforeEach(() => {
  dir = mkdtempSync(join(tmpdir(), 'verdictd-snap-'));
});
afterEach(() => rmSync(dir, { recursive: true, force: true }));

const small = ['sensor-width = 256', 'sensor-height = 128', 'init-ms = 2', 'begin-ms = 1', 'command-ms = 1'];
async function verdictd(args: string[], script: string[] = [], env: Record<string, string> = {}): Promise<Ended> {
  writeFileSync(join(dir, 'script'), `${[...small, ...script].join('\n')}\n`);
  const running = start(launcher, [...args, '--data-dir', join(dir, 'data')], {
    env: { VERDICTD_SPINNAKER_LIBRARY: library, VERDICTD_FAKE_SPINNAKER: join(dir, 'script'), ...env },
  });
  // A process that does not end must not outlive its test.
  const killer = setTimeout(() => running.child.kill('SIGKILL'), 60_000);
  const ended = await running.ended.finally(() => clearTimeout(killer));
  // The fake tells at the end of the process what was leaked, or called in a wrong order or from a wrong thread.
  // Only a library that hangs excuses the last.
  if (!script.some((line) => line.startsWith('hang'))) expect(ended.stderr).not.toMatch(/violations/);
  return ended;
}
const lines = (text: string): unknown[] =>
  text
    .trim()
    .split('\n')
    .map((line) => JSON.parse(line) as unknown);

describeFake('by hand', () => {
  test('no camera: list is empty, snap says what to check and exits 75', async () => {
    const list = await verdictd(['camera', 'list', '--json'], ['cameras = 5', 'unplug']);
    expect(list).toMatchObject({ code: 0 });
    const snap = await verdictd(['snap', '--out', join(dir, 'a')], ['removal-ms = 0', 'unplug', 'silent = on']);
    expect(snap.code).toBe(75);
    expect(snap.stderr).toMatch(/CAMERA_FAILED/);
    expect(existsSync(join(dir, 'a.png'))).toBe(false);
  });

  test('a setting the camera refuses: exit 78, with the range', async () => {
    const { code, stderr } = await verdictd(['snap', '--out', join(dir, 'a'), '--set', 'camera.spinnaker.Width=512']);
    expect(code).toBe(78);
    expect(stderr).toMatch(/Width 512: it is out of range.*64 to 256 in steps of 16.*\[CAMERA_CONFIG\]/);
  });

  test('a station that runs has the camera: nothing is enumerated beside it', async () => {
    mkdirSync(join(dir, 'data'));
    const lock = lockDataDir(join(dir, 'data'));
    try {
      const log = join(dir, 'log');
      for (const args of [['camera', 'list'], ['camera', 'features'], ['snap']]) {
        const { code, stderr } = await verdictd(args, [], { VERDICTD_FAKE_SPINNAKER_LOG: log });
        expect(code).toBe(1);
        expect(stderr).toMatch(/Nobody listens on .*control\.sock.*\[CONTROL_FAILED\]/); // its lock is held, and it does not answer
      }
      const doctor = await verdictd(['doctor', '--json', '--set', 'camera.kind=spinnaker'], [], { VERDICTD_FAKE_SPINNAKER_LOG: log });
      expect(doctor.stdout).toMatch(/not disturbed/);
      expect(existsSync(log)).toBe(false);
    } finally {
      lock.close();
    }
  });

  test('list, features', async () => {
    const list = await verdictd(['camera', 'list', '--json']);
    expect(lines(list.stdout)).toEqual([
      { library, version: '4.2.0.83', cameras: [expect.objectContaining({ serial: '21234567', speed: 'SuperSpeed' })] },
    ]);
    const features = await verdictd(['camera', 'features', 'Width', 'ExposureAuto', '--json']);
    expect(lines(features.stdout)).toEqual([
      expect.objectContaining({ name: 'Width', value: 256, min: 64, max: 256, increment: 16, writable: true }),
      expect.objectContaining({ name: 'ExposureAuto', value: 'Continuous', entries: ['Off', 'Once', 'Continuous'] }),
    ]);
    const all = lines((await verdictd(['camera', 'features', '--json'])).stdout) as { name: string }[];
    expect(all.map(({ name }) => name)).toEqual(expect.arrayContaining(['DeviceTemperature', 'Gain', 'StreamBufferCountManual']));
    expect((await verdictd(['camera', 'features', 'Nope'])).code).toBe(2);
  });

  test('snap: a picture in colour, or the bytes of the sensor, and the facts beside it', async () => {
    const out = join(dir, 'shot');
    expect((await verdictd(['snap', '--out', out, '--set', 'camera.spinnaker.ExposureTime=1500'])).code).toBe(0);
    expect(await sharp(`${out}.png`).metadata()).toMatchObject({ width: 256, height: 128, channels: 3, format: 'png' });
    const facts = { width: 256, height: 128, pixelFormat: 'BayerRG8', frameId: 0 };
    expect(JSON.parse(readFileSync(`${out}.json`, 'utf8'))).toMatchObject({ ...facts, chunk: { FrameID: 0, ExposureTime: 1500, Gain: 0 } });
    const raw = await verdictd(['snap', '--out', out, '--raw', '--json']);
    const file = `${out}_256x128_BayerRG8.raw`;
    expect(lines(raw.stdout)).toEqual([expect.objectContaining({ ...facts, file })]);
    expect(readFileSync(file)).toHaveLength(256 * 128);
  });

  test('doctor: what is wrong is named with its fix and exit code 1', async () => {
    const { code, stdout } = await verdictd(['doctor', '--json', '--set', 'camera.kind=spinnaker', '--set', 'camera.spinnaker.serial=77']);
    expect(code).toBe(1);
    const [{ ok, checks }] = lines(stdout) as [{ ok: boolean; checks: { id: string; ok: boolean; detail: string; fix: string | null }[] }];
    expect(ok).toBe(false);
    expect(checks.find(({ id }) => id === 'camera.library')).toMatchObject({ ok: true, fix: null });
    expect(checks.find(({ id }) => id === 'camera.present')).toMatchObject({ ok: false, fix: expect.stringMatching(/serial/) });
  });
});

describeFake('the station', () => {
  const set = (...pairs: string[]): string[] => pairs.flatMap((pair) => ['--set', pair]);
  const station = set('camera.kind=spinnaker', 'trigger.source=freeRun', 'recipe.active=part', 'plc.onBrokerLoss=log');
  let taught: string;
  beforeAll(async () => {
    taught = mkdtempSync(join(tmpdir(), 'verdictd-taught-'));
    mkdirSync(join(taught, 'good'));
    for (let i = 0; i < 6; i++) {
      await picture(64, 48)
        .linear(0.5, i * 4)
        .png()
        .toFile(join(taught, 'good', `${i}.png`));
    }
    const args = ['teach', '--recipe', 'part', '--good', join(taught, 'good'), '--shots', '4', '--data-dir', join(taught, 'data')];
    expect((await run(launcher, args)).code).toBe(0);
  }, patient);
  afterAll(() => rmSync(taught, { recursive: true, force: true }));
  beforeEach(() => cpSync(join(taught, 'data'), join(dir, 'data'), { recursive: true }));

  test(
    'ends with 78 for a setting the camera refuses',
    async () => {
      const refused = await verdictd(['run', ...station, ...set('camera.spinnaker.Gain=55')]);
      expect(refused.code).toBe(78);
      expect(refused.stderr).toMatch(/Gain 55: it is out of range/);
    },
    patient,
  );

  test(
    'ends with 75 for a library that hangs',
    async () => {
      const hangs = ['at-exposure 3 fail CameraGetNextImageEx -1002 times=always', 'hang CameraEndAcquisition'];
      const stuck = await verdictd(['run', ...station], hangs);
      expect(stuck.code).toBe(75);
      expect(stuck.stderr).toMatch(/has not come back for 5 s.*\[CAMERA_FAILED\]/);
    },
    patient,
  );

  test(
    'judges what a good camera shows, and keeps whole frames where it shall',
    async () => {
      const good = await verdictd([
        'run',
        ...station,
        ...set('evidence.pictures=all', 'evidence.full=notOk', 'evidence.width=64'),
        '--parts',
        '5',
        '--json',
      ]);
      expect([good.code, good.stderr]).toEqual([0, expect.anything()]);
      const verdicts = lines(good.stdout) as { simulated: boolean; ok: number; code: number }[];
      expect(verdicts).toHaveLength(5);
      for (const verdict of verdicts) expect(verdict).toMatchObject({ simulated: false, ok: 0 });
      const pictures = readdirSync(join(dir, 'data', 'images')).filter((name) => !name.includes('-map'));
      const widths = await Promise.all(pictures.map(async (name) => (await sharp(join(dir, 'data', 'images', name)).metadata()).width));
      expect(widths).toContain(256); // free run: no part of it passes
    },
    patient,
  );

  test(
    'that runs is asked for its camera: list, features, snap, save, and nothing is loaded beside it',
    async () => {
      writeFileSync(join(dir, 'script'), `${small.join('\n')}\n`);
      const running = start(launcher, ['run', ...station, '--data-dir', join(dir, 'data')], {
        env: { VERDICTD_SPINNAKER_LIBRARY: library, VERDICTD_FAKE_SPINNAKER: join(dir, 'script') },
      });
      const killer = setTimeout(() => running.child.kill('SIGKILL'), patient - 10_000);
      const seen = async (): Promise<{ state: string; camera: { frames: number } | null } | null> =>
        ask(join(dir, 'data'), 'status', {}, never).then(
          ({ value }) => value as { state: string; camera: { frames: number } | null },
          () => null,
        );
      const up = async (frames: number): Promise<void> => {
        for (;;) {
          const now = await seen();
          if (now?.state === 'Operational' && (now.camera?.frames ?? 0) > frames) return;
          if (running.child.exitCode !== null) throw new Error(`the station ended: ${(await running.ended).stderr}`);
          await new Promise((resolve) => setTimeout(resolve, 50));
        }
      };
      try {
        await up(0);
        const log = join(dir, 'log');
        const beside = (args: string[]) => verdictd(args, [], { VERDICTD_FAKE_SPINNAKER_LOG: log });
        const list = await beside(['camera', 'list', '--json']);
        expect(lines(list.stdout)).toEqual([
          expect.objectContaining({ cameras: [expect.objectContaining({ serial: '21234567', access: 'held by the running station' })] }),
        ]);
        const features = await beside(['camera', 'features', 'Width', '--json']);
        expect(lines(features.stdout)).toEqual([expect.objectContaining({ name: 'Width', value: 256 })]);
        expect(await beside(['camera', 'features', 'Nope'])).toMatchObject({ code: 2 });
        const out = join(dir, 'shot');
        let snap = await beside(['snap', '--out', out, '--raw']);
        // Lent between parts only; in free run there is nearly always one.
        for (let i = 0; i < 20 && /Parts are under way/.test(snap.stderr); i++) snap = await beside(['snap', '--out', out, '--raw']);
        expect(snap).toMatchObject({ code: 0 });
        expect(readFileSync(`${out}_256x128_BayerRG8.raw`)).toHaveLength(256 * 128);
        await up(0); // its stream goes on
        expect((await ask(join(dir, 'data'), 'cmd', { cmd: 'halt' }, never)).value).toMatchObject({ ok: 1, code: 0 });
        expect((await ask(join(dir, 'data'), 'cmd', { cmd: 'prepareRecipe', arg: 'none' }, never)).value).toMatchObject({
          ok: 0,
          code: 205,
        });
        await expect(ask(join(dir, 'data'), 'cmd', { cmd: 'format' }, never)).rejects.toMatchObject({ code: 'USAGE' });
        const save = await beside(['camera', 'save', 'UserSet1', '--json']);
        expect(lines(save.stdout)).toEqual([{ set: 'UserSet1' }]);
        expect(existsSync(log)).toBe(false);
      } finally {
        running.child.kill('SIGTERM');
        clearTimeout(killer);
      }
      const ended = await running.ended;
      expect(ended.code).toBe(0);
      expect(ended.stderr).not.toMatch(/violations/);
    },
    patient,
  );
});

import { existsSync, mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import sharp from 'sharp';
import type { AravisCamera } from '../../src/camera/aravis';
import { aravisPath } from '../../src/camera/aravis';
import { Code } from '../../src/codes';
import { packageRoot } from '../../src/package';
import { type Ended, launcher, start } from '../cli/process';
import { cameraContract, never, planOf, Reader, rejection, soon } from '../contract/camera';
import { address, aravis, type Change, describeAravis, kill, plug, serial, there } from './simulator';

const used: AravisCamera[] = [];
function make(change: Change = {}): AravisCamera {
  const camera = aravis(change);
  used.push(camera);
  return camera;
}
afterEach(async () => {
  for (const camera of used.splice(0)) await camera.stop(soon());
});
afterAll(kill);

const refusal = async (change: Change): Promise<string> => {
  const error = await rejection(make(change).start(planOf(), never()));
  expect(['CAMERA_FAILED', 'CAMERA_CONFIG']).toContain(error.code);
  return `${error.code} ${error.message}`;
};

describe('the library', () => {
  test('a path that is not absolute, no file, no library, another library', async () => {
    expect(await refusal({ library: 'libaravis-0.8.so.0' })).toMatch(/absolute path; received 'libaravis-0\.8\.so\.0'/);
    expect(await refusal({ library: '/nowhere/libaravis.so' })).toMatch(/\/nowhere\/libaravis\.so: there is no such file.*doctor/s);
    expect(await refusal({ library: join(packageRoot, 'package.json') })).toMatch(/it is no ELF library/);
    expect(await refusal({ library: join(packageRoot, 'build/Release/verdictd.node') })).toMatch(/it has no function (g|arv)_\w+/);
  });
  test('the configured one goes before the variable', () => {
    expect(aravisPath('/a', { VERDICTD_ARAVIS_LIBRARY: '/b' })).toBe('/a');
    expect(aravisPath(null, { VERDICTD_ARAVIS_LIBRARY: '/b' })).toBe('/b');
    expect(aravisPath(null, {})).toBe('');
  });
});

if (there) {
  describe('contract', () => {
    beforeAll(async () => {
      await plug();
      // Its very first frame may lack packets: this takes another then.
      await aravis().snap({ camera: {} }, 10_000, never());
    });
    cameraContract('Aravis on its simulator', { make: () => aravis(), slots: 4, simulated: false });
  });
}

describeAravis('what the camera refuses', () => {
  beforeAll(() => plug());
  test('another camera than those there are; they are named', async () => {
    expect(await refusal({ device: 'NOBODY' })).toMatch(new RegExp(`no camera NOBODY.*${serial} \\(Fake\\).*camera\\.aravis\\.device`));
  });
  test('values out of range, unknown features, text for a number', async () => {
    expect(await refusal({ settings: { Width: 4096 } })).toMatch(/CAMERA_CONFIG.*Width 4096.*1 to 2048/);
    expect(await refusal({ settings: { Gain: 3 } })).toMatch(/CAMERA_CONFIG.*no feature Gain/);
    expect(await refusal({ features: ['LineDebouncerTime=5'] })).toMatch(/CAMERA_CONFIG.*no feature LineDebouncerTime/);
    expect(await refusal({ features: ['TestRegister=much'] })).toMatch(/CAMERA_CONFIG.*TestRegister much/);
    expect(await refusal({ features: ['NoSuchCommand'] })).toMatch(/CAMERA_CONFIG.*NoSuchCommand/);
  });
  test('by its serial number, with a feature of its make: it is set', async () => {
    const camera = make({ device: serial, features: ['TestRegister=77'] });
    await camera.start(planOf(), never());
    const value = await camera.ask(async (asked) => (await asked.get('TestRegister')).value);
    expect(value).toBe(77);
  });
  test('triggered by a line: set up for it, silent until an edge comes, and no software trigger', async () => {
    // The simulator has no input that an edge could come by: what a frame of such a trigger is was never seen here.
    const camera = make({ triggered: false, settings: { TriggerSource: 'Line0' } });
    await camera.start(planOf(), never());
    const read = (name: string) => camera.ask(async (asked) => (await asked.get(name)).value);
    expect(await Promise.all(['TriggerMode', 'TriggerSource', 'TriggerActivation'].map(read))).toEqual(['On', 'Line0', 'RisingEdge']);
    expect((await rejection(camera.fire())).message).toMatch(/no software trigger/);
    await new Promise((resolve) => setTimeout(resolve, 300)); // running free some frames come in that time
    expect(camera.health()).toMatchObject({ connected: true, frames: 0, faults: {} });
  });
  test('a second program on one camera: told so, and the first goes on', async () => {
    const first = make();
    await first.start(planOf(), never());
    expect(await refusal({})).toMatch(/CAMERA_FAILED.*Another program controls the camera/);
    const reader = new Reader(first);
    await first.fire();
    (await reader.frame()).release();
  });
  test('one exposure by hand', async () => {
    const shot = await aravis().snap({ camera: {} }, 5000, never());
    expect([shot.width, shot.height, shot.pixelFormat, shot.data.length, shot.chunk]).toEqual([256, 128, 'Mono8', 256 * 128, null]);
  });
});

describeAravis('frames', () => {
  test('that lost packets on the way are faults and no frames', async () => {
    await plug(300);
    const camera = make({ packetSize: 600 });
    await camera.start(planOf(), never());
    const reader = new Reader(camera);
    for (let i = 0; i < 2; i++) {
      await camera.fire();
      const shot = await reader.shot();
      if (shot.kind === 'frame') shot.release();
      expect(shot).toMatchObject({ kind: 'fault' });
      // Of a frame without a single packet nothing is known.
      expect([Code.incompleteFrame, Code.cameraTimeout]).toContain(shot.kind === 'fault' ? shot.code : 0);
    }
    expect(camera.health()).toMatchObject({ frames: 0, faults: { incomplete: expect.any(Number) } });
  });
  test('whose 16 bit numbers wrap are in order, and none is missed for it', async () => {
    await plug(); // begins to count at 65401
    const camera = make({ triggered: false, settings: { AcquisitionFrameRate: 150 } });
    await camera.start(planOf(), never());
    const reader = new Reader(camera);
    let last = -1;
    while (last < 150) {
      const shot = await reader.shot();
      // A frame that came late on a busy machine is a fault of its own.
      if (shot.kind !== 'frame') continue;
      expect(shot.frameId).toBeGreaterThan(last);
      last = shot.frameId;
      shot.release();
    }
    const { duplicate = 0, missed = 0 } = camera.health().faults;
    expect(duplicate).toBe(0);
    // Running free, a busy host takes the newest only; a wrap that was misread would be tens of thousands.
    expect(missed).toBeLessThan(1000);
  });
});

describeAravis('a link that dies', () => {
  test('is found while nothing is under way, and the camera comes back when it is there again', async () => {
    await plug();
    const camera = make();
    await camera.start(planOf(), never());
    const reader = new Reader(camera);
    await camera.fire();
    (await reader.frame()).release();
    await kill();
    const shot = await reader.shot();
    expect(shot).toMatchObject({ kind: 'fault', code: Code.cameraLost });
    await expect(reader.next()).rejects.toMatchObject({ code: 'CAMERA_FAILED', message: expect.stringMatching(/was lost/) });
    expect(camera.health()).toMatchObject({ connected: false, faults: { lost: 1 } });
    await plug();
    await camera.stop(soon());
    const plan = planOf();
    await camera.start(plan, never());
    const after = new Reader(camera);
    let frame = null;
    while (frame === null) {
      await camera.fire();
      const one = await after.shot();
      // The simulator's first frame after its start may lack packets.
      if (one.kind === 'frame') frame = one;
    }
    expect(frame.planId).toBe(plan.id);
    frame.release();
  }, 60_000);
});

describeAravis('by hand', () => {
  let dir: string;
  beforeAll(async () => {
    dir = mkdtempSync(join(tmpdir(), 'verdictd-aravis-'));
    await plug();
  });
  afterAll(() => rmSync(dir, { recursive: true, force: true }));

  async function verdictd(args: string[], device = address): Promise<Ended> {
    const set = Object.entries({
      kind: 'aravis',
      'aravis.device': device,
      'aravis.packetSize': 8000,
      'aravis.Width': 256,
      'aravis.Height': 128,
    });
    const running = start(
      launcher,
      [...args, '--json', '--data-dir', join(dir, 'data'), ...set.flatMap(([key, value]) => ['--set', `camera.${key}=${value}`])],
      {},
    );
    const killer = setTimeout(() => running.child.kill('SIGKILL'), 25_000);
    return await running.ended.finally(() => clearTimeout(killer));
  }

  test('list, features, snap, doctor', async () => {
    const list = await verdictd(['camera', 'list']);
    expect(list).toMatchObject({ code: 0 });
    expect(JSON.parse(list.stdout)).toMatchObject({
      library: expect.stringMatching(/libaravis-0\.\d+\.so/),
      version: expect.stringMatching(/^0\.\d+\.\d+$/),
      cameras: [{ vendor: 'Aravis', model: 'Fake', serial, location: `GigEVision ${address}` }],
    });

    const features = await verdictd(['camera', 'features', 'ExposureTimeAbs']);
    expect(JSON.parse(features.stdout)).toMatchObject({ name: 'ExposureTimeAbs', writable: true, min: 10, max: 10_000_000 });

    const out = join(dir, 'first');
    expect(await verdictd(['snap', '--out', out])).toMatchObject({ code: 0 });
    expect(await sharp(`${out}.png`).metadata()).toMatchObject({ width: 256, height: 128 });
    expect(JSON.parse(readFileSync(`${out}.json`, 'utf8'))).toMatchObject({ pixelFormat: 'Mono8', chunk: null });

    const doctor = JSON.parse((await verdictd(['doctor'])).stdout) as { checks: { id: string; ok: boolean; fix: string | null }[] };
    const ofCamera = new Map(doctor.checks.map((check) => [check.id, check.ok]));
    expect([ofCamera.get('camera.library'), ofCamera.get('camera.present'), ofCamera.has('camera.socket')]).toEqual([true, true, true]);
    for (const { ok, fix } of doctor.checks) expect(fix === null).toBe(ok);
  });

  test('a camera that is not there: nothing is written, and the code says it', async () => {
    const out = join(dir, 'none');
    const { code, stderr } = await verdictd(['snap', '--out', out], 'NOBODY');
    expect([code, stderr]).toEqual([75, expect.stringMatching(/no camera NOBODY.*CAMERA_FAILED/)]);
    expect(existsSync(`${out}.png`)).toBe(false);
  });
});

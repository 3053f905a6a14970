import { createHash } from 'node:crypto';
import type { RenderMethods } from '../../src/camera/render_worker';
import { SimulatedCamera, type SimulatedOptions } from '../../src/camera/simulated';
import { type FamilyName, familyNames } from '../../src/camera/simulated/families';
import { defectKinds, defectOf } from '../../src/camera/simulated/part';
import type { RenderSpec } from '../../src/camera/simulated/render';
import { WorkerClient, workerFile } from '../../src/threads';
import { cameraContract, never, planOf, Reader, rejection, soon } from '../contract/camera';

const used: SimulatedCamera[] = [];
function line(options: SimulatedOptions): SimulatedCamera {
  const camera = new SimulatedCamera(options);
  used.push(camera);
  return camera;
}
afterEach(async () => {
  for (const camera of used.splice(0)) await camera.stop(soon());
});

const options: SimulatedOptions = { family: 'plate', product: 1, seed: 7, width: 128, height: 96, defectRate: 0.3, rate: 0 };

const digests: Record<FamilyName, string> = {
  plate: '0633823a64ed3ebd',
  board: '80fe294399f332a8',
  moulded: 'e1eb62a733971a06',
  textile: 'bea01ed9bd05568d',
  wood: 'bcf0ad516dafb137',
  leather: '90968815a94bec31',
  perforated: '077fd110e08f4b0a',
  label: '66af2193e0160ef6',
};

cameraContract('simulated', { make: () => new SimulatedCamera(options), slots: 6, simulated: true });

describe('options that cannot be', () => {
  test.each<[string, Partial<SimulatedOptions>]>([
    ['width', { width: 97 }],
    ['height', { height: 20 }],
    ['width', { width: 100_000 }],
    ['defectRate', { defectRate: 1.5 }],
    ['defectRate', { defectRate: Number.NaN }],
    ['rate', { rate: -1 }],
    ['family', { family: 'tyre' as never }],
  ])('%s: %j', async (key, wrong) => {
    const thrown = await rejection(line({ ...options, ...wrong }).start(planOf(), never()));
    expect(thrown.code).toBe('CAMERA_CONFIG');
    expect(thrown.message).toContain(`camera.simulated.${key}`);
  });
  test('a recipe taught at another size or in another format', async () => {
    for (const camera of [{ Width: 256 }, { Height: 97 }, { PixelFormat: 'Mono8' as const }]) {
      const thrown = await rejection(line(options).start({ ...planOf(), camera }, never()));
      expect(thrown.code).toBe('CAMERA_CONFIG');
    }
    const camera = line(options);
    await camera.start({ ...planOf(), camera: { Width: 128, Height: 96, PixelFormat: 'BayerRG8', ExposureTime: 5000 } }, never());
    await camera.stop(soon());
  });
});

async function truths(camera: SimulatedCamera, reader: Reader, n: number): Promise<(string | null)[]> {
  const seen: (string | null)[] = [];
  for (let i = 0; i < n; i++) {
    await camera.fire();
    const frame = await reader.frame();
    seen.push(frame.truth === null ? 'no truth' : frame.truth.defect);
    frame.release();
  }
  return seen;
}

test('the truth of each part is that of its number, and numbers go on after a restart', async () => {
  const camera = line(options);
  const expected = Array.from({ length: 24 }, (_, part) => defectOf({ ...options, part }, options.defectRate));
  expect(expected.some((defect) => defect !== null)).toBe(true);
  await camera.start(planOf(), never());
  let reader = new Reader(camera);
  expect(await truths(camera, reader, 12)).toEqual(expected.slice(0, 12));
  await camera.stop(soon());
  await camera.start(planOf(), never());
  reader = new Reader(camera);
  expect(await truths(camera, reader, 12)).toEqual(expected.slice(12));
  await camera.stop(soon());
});

test('good parts only, switched while it runs: also the part rendered ahead', async () => {
  const camera = line({ ...options, defectRate: 0.9 });
  await camera.start(planOf(), never());
  const reader = new Reader(camera);
  await truths(camera, reader, 2);
  camera.showOnly('good');
  expect(await truths(camera, reader, 6)).toEqual(Array(6).fill(null));
  camera.showOnly('all');
  expect((await truths(camera, reader, 12)).some((defect) => defect !== null)).toBe(true);
  await camera.stop(soon());
});

test('a line that makes only defective parts still has good ones to teach from', async () => {
  const camera = line({ ...options, defectRate: 1 });
  camera.showOnly('good');
  await camera.start(planOf(), never());
  const reader = new Reader(camera);
  expect(await truths(camera, reader, 3)).toEqual([null, null, null]);
  await camera.stop(soon());
});

test('at a rate it takes no trigger, and shows part after part', async () => {
  const camera = line({ ...options, rate: 200 });
  await camera.start(planOf(), never());
  expect((await rejection(camera.fire())).code).toBe('CAMERA_FAILED');
  const reader = new Reader(camera);
  for (let i = 0; i < 5; i++) (await reader.frame()).release();
  await camera.stop(soon());
});

describe('rendering', () => {
  const width = 160;
  const height = 90;
  const spec: RenderSpec = { family: 'board', product: 3, part: 5, seed: 1, width, height };
  // In the worker, as in the product: jest's own realm makes every global slow.
  const worker = new WorkerClient<RenderMethods>(workerFile('camera/render_worker'), 'render test');
  const part = (one: RenderSpec) => worker.call('part', one);
  beforeAll(() => worker.start());
  afterAll(() => worker.end());
  const digest = (bytes: Uint8Array): string => createHash('sha256').update(bytes).digest('hex').slice(0, 16);

  test('a part is the same in any order, and another part, seed or product is another picture', async () => {
    const first = digest((await part(spec)).rgb);
    const others: string[] = [];
    for (const change of [{ part: 6 }, { seed: 2 }, { product: 4 }, { family: 'label' as const }]) {
      others.push(digest((await part({ ...spec, ...change })).rgb));
    }
    expect(digest((await part(spec)).rgb)).toBe(first);
    expect(new Set([first, ...others]).size).toBe(5);
  });

  // The same bytes on every processor. A change of the painting changes these on purpose.
  test.each(Object.entries(digests))('%s: bit for bit what it was', async (family, expected) => {
    expect(digest((await part({ ...spec, family: family as FamilyName, defect: 'scratch' })).rgb)).toBe(expected);
  });

  test.each(familyNames)('%s: the Bayer frame is the mosaic of the RGB frame, with and without defects', async (family) => {
    for (const defect of [null, ...defectKinds]) {
      const one = { ...spec, family, defect };
      const { rgb } = await part(one);
      const buffer = new ArrayBuffer(width * height);
      const bayer = new Uint8Array(await worker.call('render', { spec: one, buffer }, [buffer]));
      // R G / G B
      const mosaic = bayer.map((_, i) => rgb[i * 3 + ((i % width) & 1) + (Math.floor(i / width) & 1)] ?? 0);
      expect(Buffer.compare(bayer, mosaic)).toBe(0);
    }
  });

  test.each(familyNames)('%s: a defect shows, is marked by its mask, and changes nothing else', async (family) => {
    for (const defect of defectKinds) {
      for (let number = 0; number < 3; number++) {
        const one: RenderSpec = { family, product: 2, part: number, seed: 3, width: 512, height: 270 };
        const good = await part(one);
        const bad = await part({ ...one, defect });
        expect(good).toMatchObject({ mask: null, truth: { good: true, defect: null } });
        expect(bad.truth).toEqual({ good: false, defect });
        const { mask } = bad;
        if (mask === null) throw new Error('no mask');
        const marked = mask.reduce((sum, value) => sum + (value === 255 ? 1 : 0), 0);
        expect(marked).toBeGreaterThan(20);
        expect(marked).toBeLessThan(0.06 * 512 * 270);
        let strong = 0;
        let astray = 0;
        for (let i = 0; i < mask.length; i++) {
          let change = 0;
          for (let c = i * 3; c < i * 3 + 3; c++) {
            const difference = (bad.rgb[c] ?? 0) - (good.rgb[c] ?? 0);
            if (difference > change) change = difference;
            else if (-difference > change) change = -difference;
          }
          if (change > 20) strong++;
          // Light and noise turn the mask's 6 levels into at most 12.
          if (change > 12 && mask[i] !== 255) astray++;
        }
        expect(strong).toBeGreaterThan(4);
        expect(astray).toBe(0);
      }
    }
  });

  test.each(familyNames)('%s: exposure is sound, neither black nor burnt out, and varies from part to part', async (family) => {
    const means: number[] = [];
    for (let number = 0; number < 6; number++) {
      const { rgb } = await part({ ...spec, family, part: number });
      let sum = 0;
      let burnt = 0;
      for (const value of rgb) {
        sum += value;
        if (value >= 251) burnt++;
      }
      means.push(sum / rgb.length);
      expect(burnt / rgb.length).toBeLessThan(0.05);
    }
    for (const mean of means) {
      expect(mean).toBeGreaterThan(20);
      expect(mean).toBeLessThan(215);
    }
    expect(Math.max(...means) - Math.min(...means)).toBeGreaterThan(0.5);
  });

  test('the share of defects is the rate, every kind alike', () => {
    const counts: Record<string, number> = {};
    for (let part = 0; part < 8000; part++) {
      const defect = defectOf({ family: 'plate', product: 1, seed: 1, part }, 0.2) ?? 'good';
      counts[defect] = (counts[defect] ?? 0) + 1;
    }
    // 0.2 +- 4 standard deviations of a binomial share (0.0045) and the same for a fourth of it.
    expect(Math.abs((counts.good ?? 0) / 8000 - 0.8)).toBeLessThan(0.018);
    for (const kind of defectKinds) expect(Math.abs((counts[kind] ?? 0) / 8000 - 0.05)).toBeLessThan(0.01);
  });
});

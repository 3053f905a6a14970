import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { FilesCamera, type FilesOptions } from '../../src/camera/files';
import type { Frame, FrameFault } from '../../src/ports';
import { cameraContract, never, planOf, Reader, rejection, soon } from '../contract/camera';
import { bmp, picture } from '../support/pictures';

let dir: string;
beforeAll(async () => {
  dir = mkdtempSync(join(tmpdir(), 'verdictd-files-'));
  for (const folder of ['line', 'broken', 'mvtec/test/good', 'mvtec/test/crack', 'bad', 'small', 'empty']) {
    mkdirSync(join(dir, folder), { recursive: true });
  }
  for (let i = 0; i < 12; i++)
    writeFileSync(
      join(dir, 'line', `${i}.png`),
      await picture(48, 40)
        .linear(0.5, i * 8)
        .png()
        .toBuffer(),
    );
  writeFileSync(join(dir, 'broken', '1.jpg'), await picture(48, 40).jpeg().toBuffer());
  const cut = await picture(48, 40).jpeg().toBuffer();
  writeFileSync(join(dir, 'broken', '2.jpg'), cut.subarray(0, cut.length >> 1));
  writeFileSync(join(dir, 'broken', '3.bmp'), bmp(Array.from({ length: 40 }, () => Array.from({ length: 48 }, () => [9, 99, 199]))));
  writeFileSync(join(dir, 'mvtec/test/good', '0.png'), await picture(48, 40).png().toBuffer());
  writeFileSync(join(dir, 'mvtec/test/crack', '0.png'), await picture(48, 40).png().toBuffer());
  writeFileSync(join(dir, 'bad', 'a.png'), '');
  writeFileSync(join(dir, 'bad', 'b.png'), 'text');
  writeFileSync(join(dir, 'small', 'a_2x2_BayerRG8.raw'), 'abcd');
  writeFileSync(join(dir, 'small', 'b.png'), await picture(48, 40).png().toBuffer());
});
afterAll(() => rmSync(dir, { recursive: true, force: true }));

const used: FilesCamera[] = [];
function files(options: FilesOptions): FilesCamera {
  const camera = new FilesCamera(options);
  used.push(camera);
  return camera;
}
afterEach(async () => {
  for (const camera of used.splice(0)) await camera.stop(soon());
});

const slots = 6;
cameraContract('files', {
  make: () => new FilesCamera({ paths: join(dir, 'line'), rate: 0, loop: true }),
  slots,
  simulated: true,
  withFault: { make: () => new FilesCamera({ paths: join(dir, 'broken'), rate: 0 }), code: 303 },
});

/** Reads all exposures of a camera that ends by itself, releasing as it goes. */
async function all(camera: FilesCamera): Promise<(Frame | FrameFault)[]> {
  const shots: (Frame | FrameFault)[] = [];
  for await (const shot of camera.exposures()) {
    shots.push(shot);
    if (shot.kind === 'frame') shot.release();
  }
  return shots;
}
const names = (shots: (Frame | FrameFault)[]): string[] => shots.map((shot) => shot.source?.slice(dir.length + 1) ?? '');

test('a missing or empty folder is refused at start', async () => {
  for (const folder of ['nowhere', 'empty']) {
    const camera = files({ paths: join(dir, folder), rate: 0 });
    expect((await rejection(camera.start(planOf(), never()))).code).toBe('IMAGE_FOLDER_EMPTY');
  }
});

test('unreadable files are faults with their sentence, in order; a round of nothing else ends; looped, it is a fault of the camera, so that it is tried again', async () => {
  for (const loop of [false, true]) {
    const camera = files({ paths: join(dir, 'bad'), rate: Number.POSITIVE_INFINITY, loop });
    expect(await camera.start(planOf(), never())).toMatchObject({ width: 0, height: 0 });
    const shots: (Frame | FrameFault)[] = [];
    const reading = (async () => {
      for await (const shot of camera.exposures()) shots.push(shot);
    })();
    if (loop) await expect(reading).rejects.toThrow('None of the 2 pictures');
    else await reading;
    expect(names(shots)).toEqual(['bad/a.png', 'bad/b.png']);
    expect(shots.map((shot) => (shot.kind === 'fault' ? [shot.code, shot.detail.includes('; expected ')] : null))).toEqual([
      [303, true],
      [303, true],
    ]);
    await camera.stop(soon());
  }
});

test('a picture too small for the preprocessing is a fault, and the next one goes on', async () => {
  const camera = files({ paths: join(dir, 'small'), rate: Number.POSITIVE_INFINITY });
  await camera.start(planOf(), never());
  const shots = await all(camera);
  expect(shots.map((shot) => shot.kind)).toEqual(['fault', 'frame']);
  expect(shots[0]).toMatchObject({ code: 303, detail: expect.stringMatching(/a_2x2_BayerRG8\.raw/) });
  await camera.stop(soon());
});

test('once, as fast as consumed: every file in natural order, then the end', async () => {
  const camera = files({ paths: join(dir, 'line'), rate: Number.POSITIVE_INFINITY });
  await camera.start(planOf(), never());
  const shots = await all(camera);
  expect(names(shots)).toEqual(Array.from({ length: 12 }, (_, i) => `line/${i}.png`));
  expect(shots.every((shot) => shot.kind === 'frame')).toBe(true);
  expect((await rejection(camera.fire())).message).toMatch(/rate of its own/);
  await camera.stop(soon());
});

test('at a rate, looped: goes round; shuffled: all of them in each round, in another order', async () => {
  const camera = files({ paths: join(dir, 'line'), rate: 500, loop: true, order: 'shuffled' });
  await camera.start(planOf(), never());
  const reader = new Reader(camera);
  const seen: string[] = [];
  for (let i = 0; i < 24; i++) {
    const frame = await reader.frame();
    seen.push(frame.source ?? '');
    frame.release();
  }
  await camera.stop(soon());
  expect(new Set(seen.slice(0, 12)).size).toBe(12);
  expect(new Set(seen.slice(12)).size).toBe(12);
  expect(seen.slice(12)).not.toEqual(seen.slice(0, 12));
});

test('on trigger, once: after the last file the stream ends; a trigger too many is a fault, a later one is refused', async () => {
  const camera = files({ paths: join(dir, 'mvtec'), rate: 0 });
  await camera.start(planOf(), never());
  await Promise.all([camera.fire(), camera.fire(), camera.fire()]);
  const shots = await all(camera);
  expect(shots.map((shot) => shot.kind)).toEqual(['frame', 'frame', 'fault']);
  expect(shots[2]).toMatchObject({ code: 302 });
  expect(shots.slice(0, 2).map((shot) => shot.truth)).toEqual([
    { good: false, defect: 'crack' },
    { good: true, defect: null },
  ]);
  expect((await rejection(camera.fire())).message).toMatch(/no more pictures/);
  await camera.stop(soon());
});

test('stopped and started again, it goes on with the next file', async () => {
  const camera = files({ paths: join(dir, 'line'), rate: 0 });
  for (let i = 0; i < 3; i++) {
    await camera.start(planOf(), never());
    await camera.fire();
    const frame = await new Reader(camera).frame();
    expect(frame.source).toBe(join(dir, 'line', `${i}.png`));
    frame.release();
    await camera.stop(soon());
  }
});

test('more triggers than can wait are refused', async () => {
  const camera = files({ paths: join(dir, 'line'), rate: 0, loop: true });
  await camera.start(planOf(), never());
  const fired = await Promise.allSettled(Array.from({ length: 40 }, () => camera.fire()));
  expect(fired.filter((one) => one.status === 'rejected').length).toBeGreaterThan(0);
  await camera.stop(soon());
});

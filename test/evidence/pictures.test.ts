import { createHash } from 'node:crypto';
import { existsSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import pino from 'pino';
import sharp from 'sharp';
import { systemClock } from '../../src/clock';
import { Code, Evaluation, ResultState } from '../../src/codes';
import { Pictures, type PicturesOptions } from '../../src/evidence/pictures';
import type { ImageRecord, Verdict } from '../../src/ports';

let dir: string;
beforeEach(() => {
  dir = mkdtempSync(join(tmpdir(), 'verdictd-'));
});
afterEach(() => rmSync(dir, { recursive: true, force: true }));

function verdict(resultId: string, evaluation: Evaluation = Evaluation.NotOK): Verdict {
  return {
    part: { resultId, seq: 1, partId: '', recipe: { id: 'a', number: 1 }, opened: 0, openedUtc: '', clockTrusted: true, simulated: true },
    evaluation,
    code: Code.anomaly,
    state: ResultState.Completed,
    score: 2,
    limit: 1,
    frameId: 1,
    mapMax: 2,
    probabilities: null,
    provider: 'cpu',
    bundle: '',
    config: '',
    timings: { startTime: '', endTime: '', acquisitionDuration: 0, processingDuration: 0 },
    late: false,
    detail: '',
    released: 0,
    lot: '',
  };
}

const thumbnail = () => ({ width: 64, height: 32, data: Buffer.alloc(64 * 32 * 3, 128) });
const map = () => ({ width: 8, height: 8, data: new Float32Array(64).fill(2) });

async function room(over: Partial<PicturesOptions> = {}, record: (image: ImageRecord) => Promise<void> = () => Promise.resolve()) {
  const options: PicturesOptions = { dir, keep: 'all', onePassIn: 0, full: 'none', heatmaps: true, quality: 85, ...over };
  const pictures = new Pictures(options, record, systemClock, pino({ level: 'silent' }));
  await pictures.start();
  return pictures;
}

test('a picture that cannot be written is counted and keeps nothing from being written after it', async () => {
  const pictures = await room();
  pictures.add(verdict('A'), { ...thumbnail(), width: 9999 }, null);
  pictures.add(verdict('B'), thumbnail(), null);
  await pictures.stop(systemClock.now() + 5000);
  expect(pictures.counts).toEqual({ written: 1, leftOut: 0, failed: 1, reduced: 0 });
  expect(readdirSync(dir)).toEqual(['B.jpg']);
});

test('what could not be finished leaves no half behind, and what a killed process left is cleared at the next start', async () => {
  mkdirSync(join(dir, 'A.jpg')); // the file cannot take its name
  const pictures = await room({ heatmaps: false });
  pictures.add(verdict('A'), thumbnail(), null);
  await pictures.stop(systemClock.now() + 5000);
  expect(pictures.counts).toEqual({ written: 0, leftOut: 0, failed: 1, reduced: 0 });
  expect(readdirSync(dir)).toEqual(['A.jpg']);
  writeFileSync(join(dir, 'B.jpg.part'), 'half');
  await room();
  expect(readdirSync(dir)).toEqual(['A.jpg']);
});

test('a folder that cannot be: refused with its path and what to do', async () => {
  writeFileSync(join(dir, 'images'), 'a file');
  await expect(room({ dir: join(dir, 'images') })).rejects.toMatchObject({
    code: 'DATA_DIR_UNUSABLE',
    message: expect.stringContaining(join(dir, 'images')),
  });
});

test('more than the queue holds is left out and counted, never waited for', async () => {
  const pictures = await room({ heatmaps: false });
  for (let i = 0; i < 40; i++) pictures.add(verdict(`P${i}`), thumbnail(), null);
  expect(pictures.counts.leftOut).toBeGreaterThan(10);
  await pictures.stop(systemClock.now() + 5000);
  expect(pictures.counts.written + pictures.counts.leftOut).toBe(40);
});

test('picture and heatmap are on disk with the hash of their record, before the record', async () => {
  const records: ImageRecord[] = [];
  const pictures = await room({}, (record) => {
    expect(existsSync(join(dir, record.name))).toBe(true);
    records.push(record);
    return Promise.resolve();
  });
  pictures.add(verdict('A'), thumbnail(), map());
  await pictures.stop(systemClock.now() + 5000);
  expect(records.map(({ name, kind }) => [name, kind])).toEqual([
    ['A.jpg', 'picture'],
    ['A-map.jpg', 'heatmap'],
  ]);
  for (const record of records) {
    const bytes = readFileSync(join(dir, record.name));
    expect(createHash('sha256').update(bytes).digest('hex')).toBe(record.sha256);
    expect(await sharp(bytes).metadata()).toMatchObject({ format: 'jpeg', width: 64, height: 32 });
  }
  const [plain, heat] = await Promise.all(['A.jpg', 'A-map.jpg'].map((name) => sharp(join(dir, name)).stats()));
  expect(heat?.channels[0]?.mean).toBeGreaterThan((plain?.channels[0]?.mean ?? 0) + 20);
});

test.each([
  ['all', true, true],
  ['notOk', false, true],
  ['none', false, false],
] as const)('keep %s', async (keep, ok, notOk) => {
  const pictures = await room({ keep });
  const wants = (of: Verdict) => pictures.choose(of) !== 'none';
  expect(wants(verdict('A', Evaluation.OK))).toBe(ok);
  // Judged good, but too late or on a provisional limit: people read ERROR, so there is a picture.
  const real = verdict('A', Evaluation.OK);
  expect(wants({ ...real, part: { ...real.part, simulated: false } })).toBe(notOk);
  expect(wants(verdict('A', Evaluation.NotOK))).toBe(notOk);
});

describe('whole frames', () => {
  const whole = (value: number) => ({ width: 640, height: 320, data: Buffer.alloc(640 * 320 * 3, value) });
  const side = async (name: string) => (await sharp(join(dir, name)).metadata()).width;

  test('one that cannot be rendered costs its size, not the picture', async () => {
    const pictures = await room({ full: 'all' });
    expect(pictures.choose(verdict('A'))).toBe('whole');
    pictures.add(verdict('A'), thumbnail(), null, Promise.reject(new Error('no memory')));
    await pictures.stop(systemClock.now() + 5000);
    expect([pictures.counts.written, await side('A.jpg')]).toEqual([1, 64]);
  });

  test('at most two are under way, the next ones are reduced and counted; then there is room again', async () => {
    const pictures = await room({ full: 'notOk', heatmaps: false });
    const done: (() => void)[] = [];
    for (const id of ['A', 'B']) {
      expect(pictures.choose(verdict(id))).toBe('whole');
      pictures.add(verdict(id), thumbnail(), null, new Promise((resolve) => done.push(() => resolve(whole(9)))));
    }
    expect(pictures.choose(verdict('C'))).toBe('reduced');
    pictures.add(verdict('C'), thumbnail(), null);
    expect(pictures.counts.reduced).toBe(1);
    for (const go of done) go();
    while (pictures.counts.written < 3) await new Promise((resolve) => setTimeout(resolve, 5));
    expect(await Promise.all(['A.jpg', 'B.jpg', 'C.jpg'].map(side))).toEqual([640, 640, 64]);
    expect(pictures.choose(verdict('D'))).toBe('whole');
    await pictures.stop(systemClock.now() + 5000);
  });

  test('the heatmap stays reduced; the picture is the frame', async () => {
    const pictures = await room({ full: 'all' });
    pictures.add(verdict('A'), thumbnail(), map(), Promise.resolve(whole(200)));
    await pictures.stop(systemClock.now() + 5000);
    expect([await side('A.jpg'), await side('A-map.jpg')]).toEqual([640, 64]);
    expect((await sharp(join(dir, 'A.jpg')).stats()).channels[0]?.mean).toBeCloseTo(200, 0);
  });

  test('of so many parts that pass, one is kept, whole like the others', async () => {
    const real = verdict('A', Evaluation.OK);
    const pass: Verdict = { ...real, code: Code.ok, released: 1, part: { ...real.part, simulated: false } };
    const pictures = await room({ keep: 'notOk', onePassIn: 3, full: 'notOk' });
    expect([1, 2, 3, 4, 5, 6].map(() => pictures.choose(pass))).toEqual(['whole', 'none', 'none', 'whole', 'none', 'none']);
    expect(pictures.choose(verdict('B'))).toBe('whole');
  });
});

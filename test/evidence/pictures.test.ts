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
  const pictures = new Pictures({ dir, keep: 'all', heatmaps: true, quality: 85, ...over }, record, systemClock, pino({ level: 'silent' }));
  await pictures.start();
  return pictures;
}

test('a picture that cannot be written is counted and keeps nothing from being written after it', async () => {
  const pictures = await room();
  pictures.add(verdict('A'), { ...thumbnail(), width: 9999 }, null);
  pictures.add(verdict('B'), thumbnail(), null);
  await pictures.stop(systemClock.now() + 5000);
  expect(pictures.counts).toEqual({ written: 1, leftOut: 0, failed: 1 });
  expect(readdirSync(dir)).toEqual(['B.jpg']);
});

test('what could not be finished leaves no half behind, and what a killed process left is cleared at the next start', async () => {
  mkdirSync(join(dir, 'A.jpg')); // the file cannot take its name
  const pictures = await room({ heatmaps: false });
  pictures.add(verdict('A'), thumbnail(), null);
  await pictures.stop(systemClock.now() + 5000);
  expect(pictures.counts).toEqual({ written: 0, leftOut: 0, failed: 1 });
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
  expect(pictures.wants(verdict('A', Evaluation.OK))).toBe(ok);
  // Judged good, but too late or on a provisional limit: people read ERROR, so there is a picture.
  const real = verdict('A', Evaluation.OK);
  expect(pictures.wants({ ...real, part: { ...real.part, simulated: false } })).toBe(notOk);
  expect(pictures.wants(verdict('A', Evaluation.NotOK))).toBe(notOk);
});

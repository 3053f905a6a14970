import { createHash } from 'node:crypto';
import { mkdirSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { PassThrough } from 'node:stream';
import Database from 'better-sqlite3';
import sharp from 'sharp';
import { Context } from '../../src/cli/context';
import { register } from '../../src/cli/dataset';
import { Io } from '../../src/cli/io';
import { buildProgram } from '../../src/cli/program';
import type { Code } from '../../src/codes';
import { parseCsv } from '../../src/evaluate/csv';
import { readDataset } from '../../src/evaluate/dataset';
import type { Exported } from '../../src/evaluate/export';
import { clean, dataDir, start, stop, verdict } from '../store/support/station';

afterAll(clean);

async function run(dir: string, out: string, ...more: string[]): Promise<{ found: Exported | null; code: string | null }> {
  const stdout = new PassThrough();
  const context = new Context(new Io(stdout, new PassThrough(), () => undefined), new AbortController().signal, {});
  const program = buildProgram(context, [register]);
  program.configureOutput({ writeErr: () => undefined });
  const argv = ['--data-dir', dir, 'dataset', 'export', '--out', out, '--text', 'line3', '--json', ...more];
  try {
    await program.parseAsync(argv, { from: 'user' });
    return { found: JSON.parse(String(stdout.read())) as Exported, code: null };
  } catch (thrown) {
    return { found: null, code: (thrown as { code: string }).code };
  }
}

/** A frame of tiles with sharp edges: another one for another `seed`; `blur` in px. */
async function frame(seed: number, blur = 0): Promise<Buffer> {
  const side = 96;
  const data = Buffer.alloc(side * side * 3);
  for (let i = 0; i < side * side; i++) {
    const x = i % side;
    const y = (i - x) / side;
    const edge = ((Math.floor((x + seed * 5) / 9) + Math.floor((y + seed * 3) / 7)) * 2654435761) >>> 28;
    const level = 60 + edge * 8;
    data.fill(Math.round(level), i * 3, i * 3 + 3);
  }
  const image = sharp(data, { raw: { width: side, height: side, channels: 3 } });
  return (blur > 0 ? image.blur(blur) : image).jpeg({ quality: 95 }).toBuffer();
}

/** A log of parts as the station writes it: `parts[i]` is part i+1. */
async function station(parts: readonly { bytes: Buffer | null; labels: string[]; code?: Code; lie?: boolean }[]): Promise<string> {
  const dir = dataDir();
  mkdirSync(join(dir, 'images'));
  const { log } = await start(dir);
  for (const [i, { bytes, code }] of parts.entries()) {
    const n = i + 1;
    const one = code === undefined ? verdict(n) : verdict(n, { evaluation: 0, state: 4, code, released: 0, score: null });
    await log.open(one.part);
    await log.commit(one);
    const name = `${one.part.resultId}.jpg`;
    const content = bytes ?? Buffer.from('gone');
    const sha256 = createHash('sha256')
      .update(parts[i]?.lie === true ? 'another' : content)
      .digest('hex');
    if (bytes !== null) writeFileSync(join(dir, 'images', name), bytes);
    await log.image({ resultId: one.part.resultId, name, kind: 'picture', sha256, bytes: content.length });
  }
  await stop(log);
  const db = new Database(join(dir, 'log.db'));
  const put = db.prepare('INSERT INTO labels (result_id, label, description, labelled_by, created_utc) VALUES (?, ?, ?, ?, ?)');
  for (const [i, { labels }] of parts.entries())
    for (const label of labels)
      put.run(`P${String(i + 1).padStart(13, '0')}`, label, label === 'bad' ? '=burr, deep' : '', 'ana', '2026-11-30T09:00:00.000Z');
  db.close();
  return dir;
}

test('no log, no label: a clear refusal, and nothing is written', async () => {
  const out = dataDir();
  expect((await run(dataDir(), out)).code).toBe('LOG_UNAVAILABLE');
  const unlabelled = await station([{ bytes: await frame(1), labels: [] }]);
  expect((await run(unlabelled, out)).code).toBe('DATASET_REFUSED');
  expect((await run(unlabelled, out, '--text', '../up')).code).toBe('commander.invalidArgument');
  expect(readdirSync(out)).toEqual([]);
});

test('what spoils a data set is left out with the reason; the rest is as it was logged, and evaluate reads it', async () => {
  const sharpFrames = await Promise.all([1, 2, 3, 4].map((seed) => frame(seed)));
  const [one, two, three, four] = sharpFrames as [Buffer, Buffer, Buffer, Buffer];
  const dir = await station([
    { bytes: one, labels: ['good'] },
    { bytes: two, labels: ['good', 'bad'] }, // the newest judgement counts
    { bytes: three, labels: ['bad'] },
    { bytes: one, labels: ['good'] }, // the same frame again
    { bytes: four, labels: ['good'] },
    { bytes: four, labels: ['bad'] }, // the same frame, the other label
    { bytes: await frame(9, 6), labels: ['good'] }, // blurred
    { bytes: null, labels: ['good'] }, // pruned
    { bytes: await frame(11), labels: ['good'], lie: true }, // swapped on the disk
    { bytes: await frame(12), labels: ['good'], code: 304 }, // refused by the gate
    { bytes: await frame(13), labels: ['perhaps'] },
  ]);
  const out = dataDir();
  const { found } = await run(dir, out);
  if (found === null) throw new Error('nothing was exported');
  expect(found).toMatchObject({ normal: 1, abnormal: 2 });
  const reasons = Object.fromEntries(found.leftOut.map(({ resultId, reason }) => [Number(resultId.slice(1)), reason]));
  expect(reasons[4]).toMatch(/same frame as P0000000000001/);
  expect(reasons[5]).toMatch(/normal and abnormal/);
  expect(reasons[6]).toMatch(/normal and abnormal/);
  expect(reasons[7]).toMatch(/blurred/);
  expect(reasons[8]).toMatch(/no longer on the disk/);
  expect(reasons[9]).toMatch(/not the one that was logged/);
  expect(reasons[10]).toMatch(/brightness \(304\)/);
  expect(reasons[11]).toMatch(/"perhaps"/);
  expect(found.folder).toMatch(/\/\d{8}_V1_line3$/);
  const files = readdirSync(found.folder).sort();
  expect(files).toEqual(
    expect.arrayContaining([
      'MD5SUMS',
      'SHA256SUMS',
      'labels.csv',
      'left_out.csv',
      'sources.csv',
      expect.stringMatching(/^normal_\d{8}_0001\.jpg$/) as string,
    ]),
  );
  const normal = files.find((name) => name.startsWith('normal_')) ?? '';
  expect(readFileSync(join(found.folder, normal)).equals(one)).toBe(true);
  const [head, ...rows] = parseCsv(readFileSync(join(found.folder, 'labels.csv'), 'utf8'));
  expect(head).toEqual(['image_id', 'label', 'description']);
  expect(rows.map(([, label, text]) => [label, text])).toEqual([
    ['normal', ''],
    ['abnormal', "'=burr, deep"], // no formula for a spreadsheet
    ['abnormal', "'=burr, deep"],
  ]);
  const read = await readDataset(found.folder);
  expect(read).toMatchObject({ layout: 'labels', problems: [], hashed: { md5: 3, sha256: 3 } });
  expect(read.test.map(({ good }) => good)).toEqual([false, false, true]);
  expect((await run(dir, out)).found?.folder).toMatch(/_V2_line3$/);
});

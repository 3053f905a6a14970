import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { PassThrough } from 'node:stream';
import sharp from 'sharp';
import { defectKinds } from '../../src/camera/simulated/part';
import { renderPart } from '../../src/camera/simulated/render';
import { Context } from '../../src/cli/context';
import { register } from '../../src/cli/evaluate';
import { Io } from '../../src/cli/io';
import { buildProgram } from '../../src/cli/program';
import { Sets } from './sets';

const sets = new Sets();
afterAll(() => sets.clean());

type Json = Record<string, unknown>;

async function run(...args: string[]): Promise<{ found: Json | null; code: string | null; progress: string }> {
  const stdout = new PassThrough();
  const stderr = new PassThrough();
  const context = new Context(new Io(stdout, stderr, () => undefined), new AbortController().signal, {});
  const program = buildProgram(context, [register]);
  const argv = ['--data-dir', sets.dir(), '--log-level', 'silent', '--set', 'inference.providers=cpu', 'evaluate', ...args, '--json'];
  let code: string | null = null;
  await program.parseAsync(argv, { from: 'user' }).catch((thrown: { code: string }) => {
    code = thrown.code;
  });
  const text = String(stdout.read() ?? '');
  return { found: text === '' ? null : (JSON.parse(text) as Json), code, progress: String(stderr.read() ?? '') };
}

/** Parts of the procedural line in the MVTec layout, masks and all. */
async function plates(): Promise<string> {
  const dir = sets.dir();
  let part = 0;
  const put = async (name: string, defect: (typeof defectKinds)[number] | null) => {
    const { rgb, mask } = renderPart({ family: 'plate', product: 0, seed: 5, part: part++, width: 256, height: 256, defect });
    sets.text(join(dir, name, '..', '.keep'), '');
    await sharp(rgb, { raw: { width: 256, height: 256, channels: 3 } })
      .png()
      .toFile(join(dir, name));
    if (mask === null || defect === null) return;
    sets.text(join(dir, 'ground_truth', defect, '.keep'), '');
    await sharp(mask, { raw: { width: 256, height: 256, channels: 1 } })
      .png()
      .toFile(join(dir, 'ground_truth', defect, '0_mask.png'));
  };
  for (let i = 0; i < 4; i++) await put(`train/good/${i}.png`, null);
  for (let i = 0; i < 3; i++) await put(`test/good/${i}.png`, null);
  for (const kind of defectKinds) await put(`test/${kind}/0.png`, kind);
  return dir;
}

test('a recipe that is not there, a set that is none, shots without parts to teach from', async () => {
  const dir = await sets.mvtec();
  expect((await run(dir, '--recipe', 'nobody')).code).toBe('RECIPE_MISSING');
  expect((await run(sets.dir())).code).toBe('DATASET_REFUSED');
  const labels = sets.dir();
  await sets.grey(join(labels, 'a.png'), 90);
  sets.text(join(labels, 'labels.csv'), 'image_id,label', 'a,good');
  expect((await run(labels, '--shots', '1')).code).toBe('USAGE');
  const two = sets.dir();
  await sets.mvtec(join(two, 'bolt'));
  await sets.mvtec(join(two, 'nut'));
  expect((await run(two, '--shots', '1')).code).toBe('USAGE');
});

test('one class, and a picture that cannot be read: figures that are null, sentences, never NaN', async () => {
  const dir = sets.dir();
  await sets.grey(join(dir, 'test/good/0.png'), 90);
  await sets.grey(join(dir, 'test/good/1.png'), 120);
  sets.text(join(dir, 'test/good/2.png'), 'no picture');
  const { found } = await run(dir);
  expect(found).toMatchObject({ images: 2, good: 2, bad: 0, unreadable: 1, pixel: null, image: { auroc: null, f1Threshold: null } });
  expect(found?.atLimit).toMatchObject({ limit: null, falseReject: null });
  expect(String(found?.problems)).toMatch(/2.png/);
  expect(String(found?.statements)).toMatch(/no defective part/);
});

test('shots, curve, masks and the report, end to end with the default bundle; no progress in a pipe', async () => {
  const report = join(sets.dir(), 'report.html');
  const { found, progress } = await run(await plates(), '--shots', '3', '--curve', '--draws', '1', '--report', report);
  expect(found).toMatchObject({ images: 7, good: 3, bad: 4, unreadable: 0, problems: [], recipe: { id: 'evaluated', shots: 3 } });
  const image = found?.image as Record<string, number>;
  for (const name of ['auroc', 'ap', 'map', 'f1', 'precision', 'recall']) {
    expect(image[name]).toBeGreaterThan(0);
    expect(image[name]).toBeLessThanOrEqual(1);
  }
  expect(found?.pixel).toMatchObject({ pictures: 7, auroc: expect.any(Number) as number, aupro: expect.any(Number) as number });
  expect(Object.keys(found?.perDefect as Json)).toEqual([...defectKinds].sort());
  const curve = found?.curve as { points: { shots: number }[]; advice: string };
  expect(curve.points.map(({ shots }) => shots)).toEqual([1, 2, 4]);
  expect(progress).not.toContain('\r');
  const html = readFileSync(report, 'utf8');
  expect(html.includes('data:image/jpeg;base64,')).toBe(true);
  expect(html.includes('class="outline"')).toBe(true);
  expect(/NaN|undefined|<script/.exec(html.replace(/base64,[A-Za-z0-9+/=]+/g, ''))).toBeNull();
});

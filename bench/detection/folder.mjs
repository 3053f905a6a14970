/** A folder in the MVTec layout: image AUROC by shots and symmetry over draws of the shots; with masks, pixel AUROC too. */
import { createRequire } from 'node:module';
import { join } from 'node:path';
import { meanOf, shuffled } from './rig.mjs';

const require = createRequire(import.meta.url);
const { decodeImage } = require('../../dist/camera/images.js');
const { readDataset } = require('../../dist/evaluate/dataset.js');
const { truthMask } = require('../../dist/evaluate/truth.js');
const { listImages } = require('../../dist/camera/list.js');
const { PixelStats } = require('../../dist/stats/pixels.js');
const { auroc, rank } = require('../../dist/stats/rank.js');

/** The mask on the map's grid; null, and said, where it cannot be used: the part then counts for its score alone. */
async function maskOf(truth, picture, input) {
  try {
    return await truthMask(truth, picture, input);
  } catch (thrown) {
    if (thrown.code !== 'DATASET_REFUSED') throw thrown;
    console.error(`no pixels of one part are counted: ${thrown.message}`);
    return null;
  }
}

/** Good parts to teach from, read when asked for; and every test part's tokens, with its mask on the map's grid. */
export async function readFolder(rig, folder) {
  const { input } = rig;
  const train = (await listImages(join(folder, 'train', 'good'))).map((name) => {
    let sample = null;
    return { name, read: async () => (sample ??= await rig.sampleOf(await decodeImage(name))) };
  });
  const test = [];
  for (const { path, good, defect, truth } of (await readDataset(folder)).test) {
    const picture = await decodeImage(path);
    const mask = truth === null ? null : await maskOf(truth, picture, input);
    test.push({ good, kind: defect, mask, tokens: await rig.embed((await rig.sampleOf(picture)).tensor) });
  }
  return { train, test };
}

const aurocOf = (parts) =>
  auroc(
    rank(
      parts.map(({ score }) => score),
      parts.map(({ good }) => !good),
    ),
  );

/** One row: `draws` draws of `shots` good parts under `symmetry`. `pixels`: maps are compared with the masks too. */
export async function row(rig, { train, test }, { symmetry, shots, draws, goal = null, pixels = false }) {
  const { width, height } = rig.input;
  const found = [];
  const perKind = {};
  const perPixel = [];
  const times = [];
  for (let draw = 0; draw < draws; draw++) {
    const scored = [];
    const stats = new PixelStats();
    const { bankMs } = await rig.taught(
      shuffled(train, draw).slice(0, shots),
      symmetry,
      test.map(({ tokens }) => tokens),
      ({ score, map }, i) => {
        const { good, kind, mask } = test[i];
        scored.push({ good, kind, score: score[0] });
        if (pixels && (good || mask !== null)) stats.add({ width, height, data: map }, mask);
      },
    );
    times.push(bankMs);
    found.push(aurocOf(scored));
    for (const kind of new Set(scored.flatMap(({ kind }) => kind ?? [])))
      perKind[kind] = [...(perKind[kind] ?? []), aurocOf(scored.filter((part) => part.good || part.kind === kind))];
    if (pixels) perPixel.push(stats.figures()?.auroc ?? Number.NaN);
  }
  return {
    bundle: rig.name,
    symmetry,
    shots,
    draws,
    auroc: meanOf(found),
    least: Math.min(...found),
    most: Math.max(...found),
    goal,
    ...(pixels ? { pixelAuroc: meanOf(perPixel) } : {}),
    perKind: Object.fromEntries(Object.entries(perKind).map(([kind, list]) => [kind, meanOf(list)])),
    bankMs: meanOf(times),
  };
}

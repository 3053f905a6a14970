/** Families of the procedural line: image and pixel AUROC, from shots of the line and parts with a defect of each kind. */
import { createRequire } from 'node:module';
import { meanOf } from './rig.mjs';

const require = createRequire(import.meta.url);
const { familyNames } = require('../../dist/camera/simulated/families/index.js');
const { defectKinds } = require('../../dist/camera/simulated/part.js');
const { renderPart } = require('../../dist/camera/simulated/render.js');
const { PixelStats } = require('../../dist/stats/pixels.js');
const { auroc, rank } = require('../../dist/stats/rank.js');

/** The default bundle's settings were chosen with these in view (models/README.md); the others say how good it is. */
export const usedToChoose = ['plate', 'board', 'moulded', 'textile'];
export const heldOut = familyNames.filter((family) => !usedToChoose.includes(family));

/** Side of the sensor image, px: more than the model's, as with a camera. */
const side = 512;
const counts = { good: 24, bad: 24 }; // tested, a product
const seed = 20_261_121;

/** A part as the camera gives it; `part` counts on the line. */
function shown(family, product, part, defect) {
  const { rgb, mask } = renderPart({ family, product, part, seed, width: side, height: side, defect });
  return { picture: { width: side, height: side, stride: side * 3, pixelFormat: 'RGB8', data: rgb }, mask };
}

/** The mask at the model's size: defective where any of its pixels is. */
function reduced(mask, { width, height }) {
  const out = new Uint8Array(width * height);
  mask.forEach((value, at) => {
    const x = Math.floor(((at % side) * width) / side);
    const y = Math.floor((Math.floor(at / side) * height) / side);
    if (value > 0) out[y * width + x] = 1;
  });
  return out;
}

/** One row a family: `products` of its products, `draws` draws of `shots` shots each. */
export async function lineRows(rig, { families, products, shots, draws }) {
  const { input } = rig;
  const rows = [];
  for (const family of families) {
    const images = [];
    const pixels = [];
    for (let product = 0; product < products; product++) {
      const test = [];
      for (let part = 0; part < counts.good + counts.bad; part++) {
        const defect = part < counts.good ? null : defectKinds[part % defectKinds.length];
        const { picture, mask } = shown(family, product, part, defect);
        test.push({ mask: mask && reduced(mask, input), tokens: await rig.embed((await rig.sampleOf(picture)).tensor) });
      }
      for (let draw = 0; draw < draws; draw++) {
        const shot = (i) => ({
          name: `part ${i}`,
          read: async () => await rig.sampleOf(shown(family, product, 1_000_000 + 100 * draw + i, null).picture),
        });
        const scores = [];
        const stats = new PixelStats();
        await rig.taught(
          Array.from({ length: shots }, (_, i) => shot(i)),
          'none',
          test.map(({ tokens }) => tokens),
          ({ score, map }, i) => {
            scores.push(score[0]);
            stats.add({ width: input.width, height: input.height, data: map }, test[i].mask);
          },
        );
        images.push(
          auroc(
            rank(
              scores,
              test.map(({ mask }) => mask !== null),
            ),
          ),
        );
        pixels.push(stats.figures()?.auroc ?? Number.NaN);
      }
    }
    rows.push({ family, shots, draws: images.length, auroc: meanOf(images), least: Math.min(...images), pixelAuroc: meanOf(pixels) });
  }
  return rows;
}

// A bundle small enough that inference takes no time worth speaking of: the bench is about the way of a verdict, not about the model.
import { createHash } from 'node:crypto';
import { mkdirSync, writeFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { join } from 'node:path';

const require = createRequire(import.meta.url);
const { goldenPicture, storedPng } = require('../../../dist/bundle/texture/golden.js');
const { Graph } = require('../../../dist/onnx/graph.js');
const { reduceMax, reduceMean, reshape } = require('../../../dist/onnx/ops.js');

const side = 32; // px of the model's input
const [rows, columns, dim] = [4, 4, (3 * side * side) / 16];

const entryOf = (bytes) => ({ sha256: createHash('sha256').update(bytes).digest('hex'), bytes: bytes.length });

/** Writes a bundle into `dir`: score = mean of the picture, map = brightest channel, tokens = the picture in 16 pieces. Returns `dir`. */
export function makeBundle(dir) {
  mkdirSync(dir, { recursive: true });
  const graph = new Graph('small');
  const image = graph.input('image', 'float32', [1, 3, side, side]);
  graph.output('score', reshape(reduceMean(image, [0, 1, 2, 3]), [1]));
  graph.output('map', reduceMax(image, [1]));
  graph.output('tokens', reshape(image, [1, rows * columns, dim]));
  const picture = goldenPicture(side);
  const model = graph.toBuffer();
  const golden = storedPng(picture, side, side);
  const mean = picture.reduce((sum, value) => sum + value, 0) / picture.length / 255;
  const manifest = {
    format: 1,
    name: 'torture',
    version: '1.0.0',
    method: 'texture',
    kind: 'texture',
    bootstrap: true,
    files: { 'model.onnx': entryOf(model), 'golden.png': entryOf(golden) },
    input: { name: 'image', width: side, height: side, resize: 'bicubic', fit: 'squash', mean: [0.5, 0.5, 0.5], std: [0.5, 0.5, 0.5] },
    outputs: { score: 'score', map: 'map', probabilities: null },
    taps: [{ name: 'tokens', rows, columns, dim }],
    settings: {},
    sources: [],
    golden: { image: 'golden.png', score: (mean - 0.5) / 0.5, tolerance: 0.01 },
  };
  writeFileSync(join(dir, 'model.onnx'), model);
  writeFileSync(join(dir, 'golden.png'), golden);
  writeFileSync(join(dir, 'manifest.json'), JSON.stringify(manifest));
  return dir;
}

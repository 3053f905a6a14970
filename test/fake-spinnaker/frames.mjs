// Renders parts of the simulated line as raw frames for the fake camera (setting `frames`): the names carry geometry and truth.
//   node test/fake-spinnaker/frames.mjs OUT [--family plate] [--product 1] [--seed 1] [--parts 20] [--defect-rate 0.2] [--width 4096] [--height 2160]
import { existsSync, mkdirSync, writeFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { join, resolve } from 'node:path';
import { parseArgs } from 'node:util';

const built = new URL('../../dist/camera/simulated/', import.meta.url);
if (!existsSync(new URL('render.js', built))) {
  console.error('dist/ is missing: run npm run build:ts first.');
  process.exit(1);
}
const require = createRequire(import.meta.url);
const { renderBayer, prepareProduct } = require(new URL('render.js', built).pathname);
const { defectOf } = require(new URL('part.js', built).pathname);
const { familyNames } = require(new URL('families/index.js', built).pathname);

const option = (text) => ({ type: 'string', default: text });
const { values, positionals } = parseArgs({
  allowPositionals: true,
  options: {
    family: option('plate'),
    product: option('1'),
    seed: option('1'),
    parts: option('20'),
    'defect-rate': option('0.2'),
    width: option('4096'),
    height: option('2160'),
  },
});
const whole = (key, min, max) => {
  const value = Number(values[key]);
  if (Number.isInteger(value) && value >= min && value <= max) return value;
  console.error(`--${key} ${values[key]}: expected a whole number of ${min} to ${max}`);
  return process.exit(2);
};
const [out] = positionals;
const rate = Number(values['defect-rate']);
if (out === undefined || !familyNames.includes(values.family) || !(rate >= 0 && rate <= 1)) {
  console.error(`usage: frames.mjs OUT [--family ${familyNames.join('|')}] [--defect-rate 0..1] [--parts N] [--width N] [--height N]`);
  process.exit(2);
}
const spec = { family: values.family, product: whole('product', 0, 1e6), seed: whole('seed', 0, 1e9) };
// Even, and in the camera's steps of 16 px, so that the whole picture is in the frame.
const width = whole('width', 64, 8192) & ~15;
const height = whole('height', 64, 8192) & ~1;
const parts = whole('parts', 1, 100000);

mkdirSync(out, { recursive: true });
prepareProduct({ ...spec, width, height });
const bytes = new Uint8Array(width * height);
for (let part = 0; part < parts; part++) {
  const defect = defectOf({ ...spec, part }, rate);
  renderBayer({ ...spec, part, defect, width, height }, bytes);
  writeFileSync(join(out, `part-${String(part).padStart(6, '0')}-${defect ?? 'good'}_${width}x${height}_BayerRG8.raw`), bytes);
}
console.log(`${parts} frames of ${width}x${height} in ${resolve(out)}`);

// npm run bench -- shots: is a defective part among the shots named? Lessons of 8 good parts, and the same with one defective part more: on
// the castings (really defective parts; the rule's thresholds were not chosen by them) and on the simulated line. Prints how often a
// lesson of good parts has a false alarm, how often the defective part is named by a warning, and how often it is among those to look at again.
// node bench/shots.mjs [--lessons 40] [--shots 8] [--only castings|line] [--json]
import { existsSync, mkdtempSync, rmSync } from 'node:fs';
import { createRequire } from 'node:module';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';

const require = createRequire(import.meta.url);
const root = join(dirname(fileURLToPath(import.meta.url)), '..');
const { InferenceSession, Tensor } = require('onnxruntime-node');
const { loadBundle } = require('../dist/bundle/load.js');
const { decodeImage } = require('../dist/camera/images.js');
const { listImages } = require('../dist/camera/list.js');
const { renderPart } = require('../dist/camera/simulated/render.js');
const { preprocess } = require('../dist/native.js');
const { BankRunner } = require('../dist/recipe/runner.js');
const { teach } = require('../dist/recipe/teach.js');

const { values } = parseArgs({
  options: { lessons: { type: 'string' }, shots: { type: 'string' }, only: { type: 'string' }, json: { type: 'boolean' } },
});
const wanted = Number(values.lessons ?? 40);
const shots = Number(values.shots ?? 8);
const castings = join(root, '..', 'shared', 'data', 'castings');
const families = ['board', 'label', 'leather', 'moulded', 'perforated', 'plate', 'textile', 'wood'];
const kinds = ['scratch', 'contamination', 'crack', 'dent'];
const side = 512;

const bundle = await loadBundle(null);
const { input, taps } = bundle.manifest;
const model = await InferenceSession.create(bundle.modelPath, { executionProviders: ['cpu'], intraOpNumThreads: 2 });
const runner = new BankRunner(2);
const dataDir = mkdtempSync(join(tmpdir(), 'verdictd-bench-shots-'));

/** Repeatable numbers in 0..1. */
function numbers(seed) {
  let s = (seed * 7919 + 13) >>> 0;
  return () => {
    s = (s + 0x6d2b79f5) >>> 0;
    let t = Math.imul(s ^ (s >>> 15), s | 1);
    t ^= t + Math.imul(t ^ (t >>> 7), t | 61);
    return ((t ^ (t >>> 14)) >>> 0) / 2 ** 32;
  };
}
function drawn(items, count, next) {
  const left = [...items];
  return Array.from({ length: count }, () => left.splice(Math.floor(next() * left.length), 1)[0]);
}

/** Each picture is preprocessed and embedded once; a lesson gets what is known by name. */
const known = new Map();
async function sampleOf(name, picture) {
  if (!known.has(name)) {
    const { tensor, quality } = await preprocess(await picture(), input);
    const found = await model.run({ [input.name]: new Tensor('float32', tensor, [1, 3, input.height, input.width]) });
    known.set(name, { tensor, quality, tokens: taps.map((tap) => Float32Array.from(found[tap.name].data)) });
  }
  return known.get(name);
}

async function lesson(parts) {
  const samples = [];
  for (const { name, picture } of parts) samples.push({ name, ...(await sampleOf(name, picture)) });
  let turn = 0;
  const { report } = await teach(
    {
      ...{ dataDir, recipe: 'bench', bundle, shots: parts.length, symmetry: 'none', falseReject: 0.005 },
      parts: samples.map(({ name, tensor, quality }) => ({ name, read: async () => ({ tensor, quality, picture: null }) })),
    },
    { embed: async () => samples[turn++].tokens, bank: runner, utc: () => '2026-01-01T00:00:00.000Z' },
  );
  const told = (name) => report.warnings.some((words) => words.startsWith(`${name} does not look like`));
  return { alarms: parts.filter(({ name }) => told(name)).map(({ name }) => name), again: report.lookAgain, shots: report.shots };
}

async function measure(title, good, bad, seed, lessons) {
  const next = numbers(seed);
  const found = { title, lessons: 0, falseAlarms: 0, named: 0, lookAgain: 0, oddest: 0 };
  for (let i = 0; i < lessons; i++) {
    const parts = drawn(good, shots, next);
    const odd = drawn(bad, 1, next)[0];
    if ((await lesson(parts)).alarms.length > 0) found.falseAlarms++;
    const at = Math.floor(next() * (shots + 1));
    const { alarms, again } = await lesson([...parts.slice(0, at), odd, ...parts.slice(at)]);
    found.lessons++;
    if (alarms.includes(odd.name)) found.named++;
    if (again.includes(odd.name)) found.lookAgain++;
    if (again[0] === odd.name) found.oddest++;
  }
  return found;
}

const ofFiles = async (folder) => (await listImages(folder)).map((name) => ({ name, picture: () => decodeImage(name) }));
function ofLine(family, product) {
  const render = (part, defect) => ({
    name: `${family} ${product} ${part} ${defect ?? 'good'}`,
    picture: async () => {
      const { rgb } = renderPart({ family, product, part, seed: 11, width: side, height: side, defect });
      return { width: side, height: side, stride: side * 3, pixelFormat: 'RGB8', data: rgb };
    },
  });
  return {
    good: Array.from({ length: 24 }, (_, i) => render(i, null)),
    bad: Array.from({ length: 16 }, (_, i) => render(500 + i, kinds[i % 4])),
  };
}

const share = (count, of) => `${((100 * count) / of).toFixed(0)} %`;
const say = ({ title, lessons: n, falseAlarms, named, lookAgain, oddest }) =>
  `${title.padEnd(16)} ${n} lessons: false alarm in ${share(falseAlarms, n)} of those with good parts only; the defective part named in ${share(named, n)}, among the ${Math.max(2, Math.round((shots + 1) / 4))} to look at again in ${share(lookAgain, n)}, first of them in ${share(oddest, n)}`;

try {
  runner.start();
  const all = [];
  if (values.only !== 'line')
    if (existsSync(castings))
      all.push(
        await measure(
          'castings',
          await ofFiles(join(castings, 'train', 'good')),
          await ofFiles(join(castings, 'test', 'defective')),
          1,
          wanted,
        ),
      );
    else console.error(`skipped: ${castings} is not there`);
  if (values.only !== 'castings') {
    const sum = { title: 'simulated line', lessons: 0, falseAlarms: 0, named: 0, lookAgain: 0, oddest: 0 };
    const each = Math.max(1, Math.round(wanted / families.length));
    for (const [i, family] of families.entries()) {
      known.clear();
      const { good, bad } = ofLine(family, 2);
      const found = await measure(family, good, bad, 100 + i, each);
      for (const key of ['lessons', 'falseAlarms', 'named', 'lookAgain', 'oddest']) sum[key] += found[key];
    }
    all.push(sum);
  }
  if (values.json) console.log(JSON.stringify({ shots, results: all }));
  else for (const found of all) console.log(say(found));
} finally {
  await runner.end();
  await model.release();
  rmSync(dataDir, { recursive: true, force: true });
}

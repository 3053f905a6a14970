// How well the default bundle tells bad parts from good ones after teaching: image AUROC by shots and symmetry, over 5 draws.
// node bench/detection.mjs [DATASET in the MVTec layout] [--symmetry none,all] [--seeds 5] [--shots 1,4,8,16]
// Test parts are only scored here; nothing is chosen by them.
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
const { listImages, truthOf } = require('../dist/camera/list.js');
const { preprocess } = require('../dist/native.js');
const { BankRunner } = require('../dist/recipe/runner.js');
const { teach } = require('../dist/recipe/teach.js');

const { values, positionals } = parseArgs({
  allowPositionals: true,
  options: { symmetry: { type: 'string' }, seeds: { type: 'string' }, shots: { type: 'string' }, json: { type: 'boolean' } },
});
const dataset = positionals[0] ?? join(root, '..', 'shared', 'data', 'castings');
const list = (text, standard) => (text === undefined ? standard : text.split(','));
const symmetries = list(values.symmetry, ['none', 'all']);
const shotCounts = list(values.shots, ['1', '4', '8', '16']).map(Number);
const seeds = Number(values.seeds ?? 5);
/** Image AUROC to reach on the castings: the mean over the draws, without symmetry. */
const goals = positionals.length === 0 ? { 1: 0.88, 4: 0.95, 8: 0.97, 16: 0.985 } : {};

if (!existsSync(join(dataset, 'train', 'good'))) {
  console.error(`skipped: ${dataset} has no train/good; name a data set in the MVTec layout`);
  process.exit(0);
}

function shuffled(items, seed) {
  let s = (seed * 7919 + 13) >>> 0;
  const next = () => {
    s = (s + 0x6d2b79f5) >>> 0;
    let t = Math.imul(s ^ (s >>> 15), s | 1);
    t ^= t + Math.imul(t ^ (t >>> 7), t | 61);
    return ((t ^ (t >>> 14)) >>> 0) / 2 ** 32;
  };
  const out = [...items];
  for (let i = out.length - 1; i > 0; i--) {
    const j = Math.floor(next() * (i + 1));
    [out[i], out[j]] = [out[j], out[i]];
  }
  return out;
}

/** Probability that a bad part scores above a good one; ties count half. */
function auroc(good, bad) {
  let above = 0;
  for (const b of bad) for (const g of good) above += b > g ? 1 : b === g ? 0.5 : 0;
  return above / (good.length * bad.length);
}

const bundle = await loadBundle(null);
const { input, taps } = bundle.manifest;
const model = await InferenceSession.create(bundle.modelPath, { executionProviders: ['cpu'], intraOpNumThreads: 2 });
const modelMs = [];
async function embed(tensor) {
  const began = performance.now();
  const found = await model.run({ [input.name]: new Tensor('float32', tensor, [1, 3, input.height, input.width]) });
  modelMs.push(performance.now() - began);
  return taps.map((tap) => Float32Array.from(found[tap.name].data));
}
async function sampleOf(path) {
  const picture = await decodeImage(path);
  const { tensor, quality } = await preprocess(picture, input);
  return { tensor, quality, picture };
}

const bank = new BankRunner(2);
bank.start();
const dataDir = mkdtempSync(join(tmpdir(), 'verdictd-detection-'));
const rows = [];
try {
  const train = (await listImages(join(dataset, 'train', 'good'))).map((name) => {
    let sample = null;
    return { name, read: async () => (sample ??= await sampleOf(name)) };
  });
  const test = [];
  for (const path of await listImages(join(dataset, 'test')))
    test.push({ good: truthOf(path)?.good === true, tokens: await embed((await sampleOf(path)).tensor) });
  console.error(
    `${dataset}: ${train.length} good to teach from, ${test.filter(({ good }) => good).length} good and ${test.filter(({ good }) => !good).length} bad to test`,
  );
  const name = `${bundle.manifest.name} ${bundle.manifest.version}`;
  for (const symmetry of symmetries)
    for (const shots of shotCounts.filter((count) => count <= train.length)) {
      const draws = [];
      const bankMs = [];
      for (let seed = 0; seed < seeds; seed++) {
        const parts = shuffled(train, seed).slice(0, shots);
        const deps = { embed, bank, utc: () => new Date().toISOString() };
        const { recipe } = await teach({ dataDir, recipe: 'bench', bundle, parts, shots, symmetry, falseReject: 0.005 }, deps);
        await bank.open(recipe.bankPath);
        const scores = { good: [], bad: [] };
        for (const { good, tokens } of test) {
          const began = performance.now();
          const { score } = await bank.run(recipe.bankPath, tokens);
          bankMs.push(performance.now() - began);
          scores[good ? 'good' : 'bad'].push(score[0]);
        }
        await bank.close(recipe.bankPath);
        draws.push(auroc(scores.good, scores.bad));
        rmSync(join(dataDir, 'recipes'), { recursive: true });
      }
      const mean = draws.reduce((sum, a) => sum + a, 0) / draws.length;
      const half = (list) => [...list].sort((a, b) => a - b)[list.length >> 1];
      const row = {
        bundle: name,
        symmetry,
        shots,
        auroc: mean,
        least: Math.min(...draws),
        most: Math.max(...draws),
        goal: symmetry === 'none' ? (goals[shots] ?? null) : null,
        bankMs: half(bankMs),
      };
      rows.push(row);
      const goal = row.goal === null ? '' : `  goal ${row.goal.toFixed(3)}`;
      if (!values.json)
        console.log(
          `symmetry ${symmetry.padEnd(9)} shots ${String(shots).padStart(2)}  image AUROC ${mean.toFixed(3)} (${row.least.toFixed(3)}..${row.most.toFixed(3)}, ${seeds} draws)${goal}  bank ${row.bankMs.toFixed(1)} ms`,
        );
    }
  const sorted = modelMs.sort((a, b) => a - b);
  const ms = { p50: sorted[sorted.length >> 1], p99: sorted[Math.floor(sorted.length * 0.99)] };
  if (values.json) console.log(JSON.stringify({ dataset, rows, modelMs: ms }));
  else console.log(`model ${ms.p50.toFixed(1)} ms a part (p50, 2 threads; p99 ${ms.p99.toFixed(1)})`);
} finally {
  await bank.end();
  await model.release();
  rmSync(dataDir, { recursive: true, force: true });
}

// npm run bench -- promise: is a false-reject promise kept? 5 000 good parts of the procedural line are scored once by a taught recipe;
// then, 200 times, some of them are drawn at random, the limit is set from these alone (src/recipe/limit.ts), and the share of all the
// parts not drawn that lies above it is counted. With 95 % confidence at most 1 draw in 20 may break the promise: 10 of 200 are expected
// at most, and 16 or fewer are what chance allows (P(Bin(200, 0.05) > 16) = 2 %).
// node bench/promise.mjs [--parts 5000] [--draws 200] [--drawn 100] [--promise 0.05] [--family NAME] [--shots 8] [--json]
// Scores are kept in out/promise, by bank: a run that was stopped goes on where it was.
import { appendFileSync, existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, truncateSync } from 'node:fs';
import { createRequire } from 'node:module';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';

const require = createRequire(import.meta.url);
const root = join(dirname(fileURLToPath(import.meta.url)), '..');
process.env.ORT_DISABLE_TELEMETRY = '1';
const { InferenceSession, Tensor } = require('onnxruntime-node');
const { loadBundle } = require('../dist/bundle/load.js');
const { renderPart } = require('../dist/camera/simulated/render.js');
const { preprocess } = require('../dist/native.js');
const { limitByPromise } = require('../dist/recipe/limit.js');
const { BankRunner } = require('../dist/recipe/runner.js');
const { teach } = require('../dist/recipe/teach.js');

const { values } = parseArgs({
  options: {
    parts: { type: 'string', default: '5000' },
    draws: { type: 'string', default: '200' },
    drawn: { type: 'string', default: '100' },
    promise: { type: 'string', default: '0.05' },
    family: { type: 'string', default: 'plate' },
    shots: { type: 'string', default: '8' },
    json: { type: 'boolean' },
  },
});
const [parts, draws, drawn, shots] = [values.parts, values.draws, values.drawn, values.shots].map(Number);
const promise = Number(values.promise);
const goal = 16;
const seed = 20_261_121;

/** Uniform 0..1 (mulberry32). */
function randomOf(start) {
  let s = start >>> 0;
  return () => {
    s = (s + 0x6d2b79f5) >>> 0;
    let t = Math.imul(s ^ (s >>> 15), s | 1);
    t ^= t + Math.imul(t ^ (t >>> 7), t | 61);
    return ((t ^ (t >>> 14)) >>> 0) / 2 ** 32;
  };
}

const bundle = await loadBundle(null);
const { input, taps } = bundle.manifest;
const model = await InferenceSession.create(bundle.modelPath, { executionProviders: ['cpu'], intraOpNumThreads: 1 });
async function embed(tensor) {
  const found = await model.run({ [input.name]: new Tensor('float32', tensor, [1, 3, input.height, input.width]) });
  return taps.map((tap) => Float32Array.from(found[tap.name].data));
}
/** Good part `part` as the camera gives it, at the model's own size. */
async function sampleOf(part) {
  const { width, height } = input;
  const { rgb } = renderPart({ family: values.family, product: 0, part, seed, width, height });
  const picture = { width, height, stride: width * 3, pixelFormat: 'RGB8', data: rgb };
  return { ...(await preprocess(picture, input)), picture };
}

const bank = new BankRunner(1);
bank.start();
const dataDir = mkdtempSync(join(tmpdir(), 'verdictd-promise-'));
try {
  // The shots come from the far end of the line: none of them is scored below.
  const good = Array.from({ length: shots }, (_, i) => ({ name: `part ${1_000_000 + i}`, read: () => sampleOf(1_000_000 + i) }));
  const options = { dataDir, recipe: 'bench', bundle, parts: good, shots, symmetry: 'none', falseReject: promise };
  const { recipe } = await teach(options, { embed, bank, utc: () => '2026-01-01T00:00:00.000Z' });
  const folder = join(root, 'out', 'promise');
  mkdirSync(folder, { recursive: true });
  const cache = join(folder, `${values.family}-${recipe.file.bank.sha256.slice(0, 16)}.f32`);
  let done = 0;
  if (existsSync(cache)) {
    done = Math.floor(readFileSync(cache).length / 4);
    truncateSync(cache, done * 4); // a score that was cut off in writing
  }
  await bank.open(recipe.bankPath);
  for (let part = done; part < parts; part++) {
    const { score } = await bank.run(recipe.bankPath, await embed((await sampleOf(part)).tensor));
    appendFileSync(cache, Buffer.from(Float32Array.of(score[0]).buffer));
    if (process.stderr.isTTY && part % 20 === 0) process.stderr.write(`\r\u001b[Kscored ${part}/${parts}`);
  }
  if (process.stderr.isTTY) process.stderr.write('\r\u001b[K');
  const bytes = readFileSync(cache).subarray(0, parts * 4);
  const scores = new Float32Array(bytes.buffer.slice(bytes.byteOffset, bytes.byteOffset + bytes.length));

  const realised = [];
  let provisional = 0;
  for (let draw = 0; draw < draws; draw++) {
    const random = randomOf(seed + draw * 7919);
    const order = Array.from(scores.keys());
    for (let i = 0; i < drawn; i++) {
      const j = i + Math.floor(random() * (order.length - i));
      [order[i], order[j]] = [order[j], order[i]];
    }
    const limit = limitByPromise(
      order.slice(0, drawn).map((i) => scores[i]),
      [],
      promise,
    );
    if (limit.provisional) provisional++;
    const rest = order.slice(drawn);
    realised.push(rest.filter((i) => scores[i] > limit.value).length / rest.length);
  }
  const exceeded = realised.filter((share) => share > promise).length;
  const sorted = [...realised].sort((a, b) => a - b);
  const at = (q) => sorted[Math.min(sorted.length - 1, Math.floor(q * sorted.length))];
  const result = {
    bundle: `${bundle.manifest.name} ${bundle.manifest.version}`,
    family: values.family,
    shots,
    parts,
    draws,
    drawn,
    promise,
    provisional,
    exceeded,
    goal,
    realised: { least: at(0), median: at(0.5), p95: at(0.95), most: at(1) },
    seed,
  };
  const percent = (share) => `${(100 * share).toFixed(2)} %`;
  if (values.json) console.log(JSON.stringify(result));
  else {
    console.log(`${result.bundle}, ${shots} shots of "${values.family}", ${parts} good parts scored once, seed ${seed}`);
    console.log(
      `promise ${percent(promise)} from ${drawn} parts: broken in ${exceeded} of ${draws} draws  goal <= ${goal}; realised median ${percent(result.realised.median)}, p95 ${percent(result.realised.p95)}, most ${percent(result.realised.most)}${provisional > 0 ? `; provisional in ${provisional}` : ''}`,
    );
  }
  if (exceeded > goal || provisional > 0) process.exitCode = 1;
} finally {
  await bank.end();
  await model.release();
  rmSync(dataDir, { recursive: true, force: true });
}

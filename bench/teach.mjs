// npm run bench -- teach: what a bank costs. Prints, beside the goals: the time of a bank of 4 shots, and of 64 shots thinned, as a share of
// ViT-B/32 at 518 px (formula weights); the time of teaching beyond its inferences; and what thinning costs in image AUROC, at 16 shots under
// all symmetries, on good castings and the same with a pasted defect (never the test parts).
// node bench/teach.mjs [--draws 2] [--only cost|coreset]
import { spawnSync } from 'node:child_process';
import { existsSync, mkdtempSync, rmSync } from 'node:fs';
import { createRequire } from 'node:module';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';
import { base, writeAdapter, writeClip } from './model/weights.mjs';

const require = createRequire(import.meta.url);
const root = join(dirname(fileURLToPath(import.meta.url)), '..');
const { InferenceSession, Tensor } = require('onnxruntime-node');
const { loadBundle } = require('../dist/bundle/load.js');
const { decodeImage } = require('../dist/camera/images.js');
const { listImages } = require('../dist/camera/list.js');
const { preprocess } = require('../dist/native.js');
const { bankGraph, bankSettings, learnTap, thinned } = require('../dist/recipe/bank.js');
const { BankRunner } = require('../dist/recipe/runner.js');
const { variants } = require('../dist/recipe/symmetry.js');
const { teach } = require('../dist/recipe/teach.js');

const { values } = parseArgs({ options: { draws: { type: 'string' }, only: { type: 'string' } } });
const draws = Number(values.draws ?? 2);
const castings = join(root, '..', 'shared', 'data', 'castings', 'train', 'good');
const dir = mkdtempSync(join(tmpdir(), 'verdictd-bench-teach-'));
const options = { executionProviders: ['cpu'], intraOpNumThreads: 2 };
const median = (list) => [...list].sort((a, b) => a - b)[list.length >> 1];
const rowsOf = (banks) => banks.reduce((sum, { chunks }) => sum + chunks.reduce((rows, { count }) => rows + count, 0), 0);

/** Repeatable numbers in 0..1. */
function numbers(seed) {
  let s = (seed * 7919 + 13) >>> 0;
  return () => {
    s = (Math.imul(s, 1664525) + 1013904223) >>> 0;
    return s / 2 ** 32;
  };
}

function embedder(model, { input, taps }) {
  return async (tensor) => {
    const found = await model.run({ [input.name]: new Tensor('float32', tensor, [1, 3, input.height, input.width]) });
    return taps.map((tap) => Float32Array.from(found[tap.name].data));
  };
}

const learnAll = (taps, shots, distance) =>
  taps.map((tap, t) =>
    learnTap(
      tap,
      shots.map((copies) => copies.map((copy) => copy[t])),
      distance,
    ),
  );

async function sessionOf(taps, banks, settings) {
  const session = await InferenceSession.create(
    bankGraph(
      banks,
      taps.map(() => 1 / taps.length),
      settings,
    ).toBuffer(),
    options,
  );
  const run = async (tokens) => {
    const feeds = Object.fromEntries(
      taps.map(({ name, rows, columns, dim }, t) => [name, new Tensor('float32', tokens[t], [1, rows * columns, dim])]),
    );
    return (await session.run(feeds)).score.data[0];
  };
  return { run, release: () => session.release() };
}

/** Runs the calls in turn, so that a busy machine slows all of them; median ms of each. */
async function inTurn(calls, rounds) {
  const times = calls.map(() => []);
  for (let round = -1; round < rounds; round++)
    for (const [i, call] of calls.entries()) {
      const began = performance.now();
      await call();
      if (round >= 0) times[i].push(performance.now() - began);
    }
  return times.map(median);
}

async function cost() {
  writeClip(join(dir, 'clip.safetensors'), base);
  writeAdapter(join(dir, 'epoch.pth'), base);
  const args = ['model', 'build', '--method', 'anomalyclip', '--clip', join(dir, 'clip.safetensors'), '--adapter', join(dir, 'epoch.pth')];
  const out = join(dir, 'bundle');
  const ended = spawnSync(process.execPath, [join(root, 'src/cli/verdictd'), ...args, '--out', out], {
    stdio: ['ignore', 'ignore', 'pipe'],
  });
  if (ended.status !== 0) throw new Error(`model build ended with ${ended.status}: ${ended.stderr}`);
  const bundle = await loadBundle(out);
  const { manifest } = bundle;
  const { taps, input } = manifest;
  const settings = bankSettings(manifest);
  const model = await InferenceSession.create(bundle.modelPath, options);
  const embed = embedder(model, manifest);
  const picture = (seed) => Float32Array.from({ length: 3 * input.width * input.height }, numbers(seed));
  const shots = [];
  for (let i = 0; i < 4; i++) shots.push([await embed(picture(i))]);
  const four = learnAll(taps, shots, settings.distance);
  // 64 shots: the tokens of the four, each time with noise of their own; how fast a row is compared does not depend on what is in it
  const many = Array.from({ length: 64 }, (_, i) => {
    const next = numbers(1000 + i);
    return [shots[i % 4][0].map((tokens) => tokens.map((x) => x + 0.05 * (next() - 0.5)))];
  });
  const all = learnAll(taps, many, settings.distance);
  const few = thinned(all);
  const tokens = await embed(picture(99));
  const sessions = [await sessionOf(taps, four, settings), await sessionOf(taps, few, settings), await sessionOf(taps, all, settings)];
  const times = await inTurn([() => embed(picture(5)), ...sessions.map((one) => () => one.run(tokens))], 12);
  const [inference, ...banks] = times;
  const goal = ['goal <= 4 %', 'goal <= 4 %', 'not thinned, for comparison'];
  console.log(`ViT-B/32 at ${input.width} px: ${inference.toFixed(0)} ms a picture (2 threads), ${taps.length} taps`);
  [four, few, all].forEach((bank, i) => {
    const share = `${((100 * banks[i]) / inference).toFixed(1)} % of the inference`;
    console.log(`bank of ${[4, 64, 64][i]} shots, ${rowsOf(bank)} rows: ${banks[i].toFixed(1)} ms, ${share} (${goal[i]})`);
  });
  for (const one of sessions) await one.release();

  const runner = new BankRunner(2);
  runner.start();
  let inferences = 0;
  const timed = async (tensor) => {
    const began = performance.now();
    const found = await embed(tensor);
    inferences += performance.now() - began;
    return found;
  };
  const quality = { mean: 128, dark: 0, bright: 0, sharpness: 5 };
  const parts = Array.from({ length: 4 }, (_, i) => {
    const tensor = pictureOf(i, input);
    return { name: `part ${i}`, read: async () => ({ tensor: tensor.slice(), quality, picture: null }) };
  });
  const beyond = [];
  const inference4 = [];
  for (let lesson = 0; lesson < 5; lesson++) {
    inferences = 0;
    const began = performance.now();
    const deps = { embed: timed, bank: runner, utc: () => '2026-01-01T00:00:00.000Z' };
    await teach({ dataDir: dir, recipe: `bench-${lesson}`, bundle, parts, shots: 4, symmetry: 'none', falseReject: 0.005 }, deps);
    inference4.push(inferences / 1000);
    beyond.push((performance.now() - began - inferences) / 1000);
  }
  await runner.end();
  await model.release();
  console.log(
    `teaching 4 shots: ${median(inference4).toFixed(2)} s of inferences and ${beyond[0].toFixed(2)} s beyond in the first lesson of a process, ${median(beyond.slice(1)).toFixed(2)} s in the next four (median; goal 0.1; shots as PNG, files and fsync in it)`,
  );
}

/** Blocks of grey: parts that are no duplicates of each other. */
function pictureOf(seed, { width, height }) {
  const next = numbers(seed + 50);
  const cells = Array.from({ length: 256 }, next);
  const tensor = new Float32Array(3 * width * height);
  for (let i = 0; i < tensor.length; i++) {
    const at = i % (width * height);
    const x = Math.floor(((at % width) * 16) / width);
    const y = Math.floor((Math.floor(at / width) * 16) / height);
    tensor[i] = cells[y * 16 + x] + 0.1 * next();
  }
  return tensor;
}

/** A copy with a piece of itself pasted elsewhere, a little darker. */
function pasted(tensor, { width, height }, next) {
  const out = Float32Array.from(tensor);
  const size = Math.round(width * (0.04 + 0.05 * next()));
  const place = () => Math.floor((0.2 + 0.55 * next()) * width);
  const [fromX, fromY, toX, toY] = [place(), place(), place(), place()];
  for (let c = 0; c < 3; c++)
    for (let y = 0; y < size; y++)
      for (let x = 0; x < size; x++) {
        const plane = c * width * height;
        out[plane + (toY + y) * width + toX + x] = (tensor[plane + (fromY + y) * width + fromX + x] ?? 0) - 0.15;
      }
  return out;
}

function auroc(good, bad) {
  let above = 0;
  for (const b of bad) for (const g of good) above += b > g ? 1 : b === g ? 0.5 : 0;
  return above / (good.length * bad.length);
}

async function coresetLoss() {
  const bundle = await loadBundle(null);
  const { manifest } = bundle;
  const { taps, input } = manifest;
  const settings = bankSettings(manifest);
  const model = await InferenceSession.create(bundle.modelPath, options);
  const embed = embedder(model, manifest);
  const tensors = [];
  for (const path of await listImages(castings)) tensors.push((await preprocess(await decodeImage(path), input)).tensor);
  for (let draw = 0; draw < draws; draw++) {
    const next = numbers(draw + 1);
    const order = tensors.map((tensor) => ({ tensor, key: next() })).sort((a, b) => a.key - b.key);
    const shots = [];
    for (const { tensor } of order.slice(0, 16)) {
      const copies = [];
      for (const copy of variants(Float32Array.from(tensor), input.width, 'all')) copies.push(await embed(copy));
      shots.push(copies);
    }
    const all = learnAll(taps, shots, settings.distance);
    const scores = [];
    for (const banks of [all, thinned(all)]) {
      const session = await sessionOf(taps, banks, settings);
      const found = { rows: rowsOf(banks), good: [], bad: [] };
      const defect = numbers(draw + 100);
      for (const { tensor } of order.slice(16)) {
        found.good.push(await session.run(await embed(Float32Array.from(tensor))));
        found.bad.push(await session.run(await embed(pasted(tensor, input, defect))));
      }
      await session.release();
      scores.push(`${found.rows} rows AUROC ${auroc(found.good, found.bad).toFixed(3)}`);
    }
    console.log(`castings, pasted defects, 16 shots, symmetry all, draw ${draw + 1}: whole bank ${scores[0]}, thinned ${scores[1]}`);
  }
  await model.release();
}

try {
  if (values.only !== 'cost')
    if (existsSync(castings)) await coresetLoss();
    else console.log(`skipped: thinning against the whole bank needs ${castings}`);
  if (values.only !== 'coreset') await cost();
} finally {
  rmSync(dir, { recursive: true, force: true });
}

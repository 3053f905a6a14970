// npm run bench -- model: a full-size AD-CLIP bundle (ViT-B/32 at 518 px) built from formula weights, and how fast it runs.
// Prints: build time and peak memory; a run through the bundle (inference worker) against a bare session.run of the same graph; what the
// V-V path costs; the int8 bundle against fp32; and, where python3 has torch, the same network in PyTorch, all on one thread, runs interleaved.
import { spawn } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { createRequire } from 'node:module';
import { cpus, tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';
import { choices, startTorch } from './model/torch.mjs';
import { base, large, writeAdapter, writeClip } from './model/weights.mjs';

const require = createRequire(import.meta.url);
const root = join(dirname(fileURLToPath(import.meta.url)), '..');
process.env.ORT_DISABLE_TELEMETRY = '1';
const { InferenceSession, Tensor } = require('onnxruntime-node');
const { openCheckpoint } = require('../dist/build/checkpoint.js');
const { clipWeights } = require('../dist/build/clip_names.js');
const { embedImage, patchesOf, project, runBlocks } = require('../dist/build/visual.js');
const { Weights } = require('../dist/build/weights.js');
const { loadBundle } = require('../dist/bundle/load.js');
const { readPicture } = require('../dist/camera/picture.js');
const { systemClock } = require('../dist/clock.js');
const { createDiagnostics } = require('../dist/diagnostics.js');
const { makeEngine } = require('../dist/make_engine.js');
const { Graph } = require('../dist/onnx/graph.js');

const { values } = parseArgs({ options: { json: { type: 'boolean' }, runs: { type: 'string' }, large: { type: 'boolean' } } });
const runs = Number(values.runs ?? 15);
const size = 518;
/** --large builds ViT-L/14@336 at 518 px and stops there. */
const config = values.large === true ? large : base;

/** The command in a process of its own; its peak resident memory as the kernel counts it. */
function build(precision) {
  const launcher = join(root, 'src', 'cli', 'verdictd');
  const out = join(dir, precision);
  const args = ['model', 'build', '--method', 'anomalyclip', '--clip', join(dir, 'clip.safetensors')];
  args.push('--adapter', join(dir, 'adapter.safetensors'), '--activation', 'quickgelu', '--precision', precision);
  args.push('--image-size', String(size), '--dpam-layer', values.large === true ? '20' : '13', '--out', out, '--json');
  const began = performance.now();
  const child = spawn(process.execPath, [launcher, ...args], { stdio: ['ignore', 'pipe', 'pipe'] });
  let [said, told, peak] = ['', '', 0];
  child.stdout.on('data', (data) => (said += data));
  child.stderr.on('data', (data) => (told += data));
  const watch = setInterval(() => {
    try {
      peak = Math.max(peak, Number(/VmHWM:\s+(\d+) kB/.exec(readFileSync(`/proc/${child.pid}/status`, 'utf8'))?.[1] ?? 0));
    } catch {
      // it has just ended
    }
  }, 20);
  return new Promise((resolve, reject) => {
    child.on('close', (code) => {
      clearInterval(watch);
      if (code === 0) resolve({ ...JSON.parse(said), seconds: (performance.now() - began) / 1000, peakMB: peak / 1024 });
      else reject(new Error(`model build ended with ${code}: ${told}`));
    });
  });
}

const half = (list) => [...list].sort((a, b) => a - b)[list.length >> 1];
const options = (threads) => ({
  executionProviders: ['cpu'],
  intraOpNumThreads: threads,
  interOpNumThreads: 1,
  extra: { session: { intra_op: { allow_spinning: '0' } } },
});

/** The same tower without V-V path: all tokens of the last block, both norms and projections. */
async function plainSession(threads) {
  const file = openCheckpoint(join(dir, 'clip.safetensors'));
  const path = join(dir, 'plain.onnx');
  try {
    const clip = clipWeights(file);
    const graph = new Graph('plain');
    const weights = new Weights(graph, clip.tensors, 'clip', 'fp32');
    const vision = { config: clip.config.visual, activation: 'quickgelu', size, interpolation: 'bilinear' };
    const image = graph.input('image', 'float32', [1, 3, size, size]);
    const seen = runBlocks(embedImage(image, weights, vision), weights, vision, { after: [12], dualFrom: null });
    graph.output('feature', project(seen.classToken, weights, false));
    graph.output('patches', project(patchesOf(seen.tapped[0]), weights, true));
    graph.writeFile(path);
  } finally {
    file.close();
  }
  return InferenceSession.create(path, options(threads));
}

/** Medians in ms, and under `least` the fastest runs, which other load touches least. Interleaved, so that whatever else the machine does meets all of them alike; two rounds to warm up. */
async function interleaved(candidates) {
  const times = Object.fromEntries(Object.keys(candidates).map((name) => [name, []]));
  for (let i = -2; i < runs; i++)
    for (const [name, run] of Object.entries(candidates)) {
      const began = performance.now();
      const own = await run();
      if (i >= 0) times[name].push(typeof own === 'number' ? own : performance.now() - began);
    }
  const of = (what) => Object.fromEntries(Object.entries(times).map(([name, list]) => [name, what(list)]));
  return { ...of(half), least: of((list) => Math.min(...list)) };
}

/** Bundle, bare session, tower without V-V path. */
async function inference(bundle, feed) {
  const threads = Math.min(2, cpus().length);
  const engine = makeEngine({ providers: ['cpu'], threads }, { diagnostics: createDiagnostics('warn') });
  engine.start();
  const { job } = await engine.load(bundle, null);
  const bare = await InferenceSession.create(bundle.modelPath, options(threads));
  const plain = await plainSession(threads);
  const times = await interleaved({
    bundle: () => engine.run(job, { data: feed.image.data.slice() }, Number.POSITIVE_INFINITY, 'none'),
    bare: async () => void (await bare.run(feed, ['score', 'map', 'probabilities'])),
    plain: async () => void (await plain.run(feed)),
  });
  await engine.stop(systemClock.now() + 10_000);
  await bare.release();
  await plain.release();
  const ratios = (t) => ({ bundleToBare: t.bundle / t.bare, dualToPlain: t.bare / t.plain });
  return { threads, ...times, ...ratios(times), least: ratios(times.least) };
}

/** One thread each: the graph in fp32 and int8, and the same network in PyTorch with each choice of kernels. */
async function oneThread(bundles, picture, feed) {
  const sessions = {};
  for (const [name, { modelPath }] of Object.entries(bundles)) sessions[name] = await InferenceSession.create(modelPath, options(1));
  const given = { clip: join(dir, 'clip.safetensors'), picture, size, dir };
  const peers = [];
  for (const [label, coretype] of choices()) {
    const peer = await startTorch(given, label, coretype);
    if (peer !== null) peers.push(peer);
  }
  const candidates = Object.fromEntries(
    Object.entries(sessions).map(([name, session]) => [name, async () => void (await session.run(feed, ['score', 'map']))]),
  );
  const tap = bundles.fp32.manifest.taps.at(-1).name;
  const tokens = (await sessions.fp32.run(feed, [tap]))[tap].data;
  const times = await interleaved({ ...candidates, ...Object.fromEntries(peers.map((peer) => [peer.label, peer.run])) });
  for (const peer of peers) peer.end();
  for (const session of Object.values(sessions)) await session.release();
  const largest = tokens.reduce((most, v) => Math.max(most, Math.abs(v)), 0);
  const apart = ({ tokens: theirs }) => theirs.reduce((most, v, i) => Math.max(most, Math.abs(v - tokens[i])), 0) / largest;
  return {
    fp32: times.fp32,
    int8: times.int8,
    least: { fp32: times.least.fp32, int8: times.least.int8 },
    torch: peers.map((peer) => ({
      label: peer.label,
      ...peer.about,
      ms: times[peer.label],
      least: times.least[peer.label],
      apart: apart(peer),
    })),
  };
}

function tell({ build: builds, inference: i, alone }) {
  for (const b of builds) {
    const name = values.large === true ? 'ViT-L/14' : 'ViT-B/32';
    console.log(
      `build ${name} at 518 px, ${b.precision}: ${b.seconds.toFixed(1)} s (goal 60), peak memory ${b.peakMB.toFixed(0)} MB (goal 3072)`,
    );
    for (const warning of b.warnings) console.log(`  warning: ${warning}`);
  }
  if (i === undefined) return;
  console.log(
    `inference on ${i.threads} threads: bundle ${i.bundle.toFixed(0)} ms, bare session.run ${i.bare.toFixed(0)} ms, ratio ${i.bundleToBare.toFixed(3)} (goal 1.03), of the fastest runs ${i.least.bundleToBare.toFixed(3)}`,
  );
  console.log(
    `V-V path on 12 blocks: ratio to plain CLIP ${i.dualToPlain.toFixed(3)} (goal 1.15), of the fastest runs ${i.least.dualToPlain.toFixed(3)}`,
  );
  const { fp32, int8, least, torch } = alone;
  console.log(
    `one thread: fp32 ${fp32.toFixed(0)} ms, int8 ${int8.toFixed(0)} ms, ratio ${(fp32 / int8).toFixed(2)}, of the fastest runs ${(least.fp32 / least.int8).toFixed(2)}`,
  );
  if (torch.length === 0) console.log('PyTorch: skipped, /usr/bin/python3 cannot run bench/model/network.py (python3-torch)');
  for (const t of torch) {
    const with_ = `torch ${t.version} ${t.dtype}, ${t.blas} ${t.kernels}, threads ${t.torchThreads} and ${t.threads}`;
    console.log(
      `PyTorch ${t.label}: ${t.ms.toFixed(0)} ms; fp32 ratio ${(t.ms / fp32).toFixed(2)} (goal 2 untuned), int8 ratio ${(t.ms / int8).toFixed(2)}, of the fastest runs ${(t.least / least.fp32).toFixed(2)} and ${(t.least / least.int8).toFixed(2)} [${with_}; V-V tokens ${t.apart.toExponential(0)} of the largest apart from ours in fp32]`,
    );
  }
}

const dir = mkdtempSync(join(tmpdir(), 'verdictd-bench-model-'));
const report = {};
try {
  writeClip(join(dir, 'clip.safetensors'), config);
  writeAdapter(join(dir, 'adapter.safetensors'), config);
  const precisions = values.large === true ? ['fp32'] : ['fp32', 'int8'];
  const bundles = {};
  report.build = [];
  for (const precision of precisions) {
    const { seconds, peakMB, warnings, out } = await build(precision);
    report.build.push({ precision, seconds, peakMB, warnings });
    bundles[precision] = await loadBundle(out);
  }
  if (values.large !== true) {
    const picture = (await readPicture(bundles.fp32.goldenPath, bundles.fp32.manifest.input)).tensor;
    const feed = { image: new Tensor('float32', picture, [1, 3, size, size]) };
    report.inference = await inference(bundles.fp32, feed);
    report.alone = await oneThread(bundles, picture, feed);
  }
} finally {
  rmSync(dir, { recursive: true, force: true });
}
if (values.json) console.log(JSON.stringify(report));
else tell(report);

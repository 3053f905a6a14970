// npm run bench -- model: a full-size AD-CLIP bundle (ViT-B/32 at 518 px) built from formula weights, and how fast it runs.
// Prints: build time and peak memory; a run through the bundle (inference worker) against a bare session.run of the same graph; what the
// V-V path costs; and, where python3 has torch, the same network in PyTorch on one thread. Ratios within this one run.
import { spawn, spawnSync } from 'node:child_process';
import { closeSync, mkdtempSync, openSync, readFileSync, rmSync, writeSync } from 'node:fs';
import { createRequire } from 'node:module';
import { cpus, tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';

const require = createRequire(import.meta.url);
const root = join(dirname(fileURLToPath(import.meta.url)), '..');
process.env.ORT_DISABLE_TELEMETRY = '1';
const { InferenceSession, Tensor } = require('onnxruntime-node');
const { openCheckpoint } = require('../dist/build/checkpoint.js');
const { expectedShapes } = require('../dist/build/clip_config.js');
const { clipWeights } = require('../dist/build/clip_names.js');
const { embedImage, patchesOf, project, runBlocks } = require('../dist/build/visual.js');
const { Weights } = require('../dist/build/weights.js');
const { loadBundle } = require('../dist/bundle/load.js');
const { readPicture } = require('../dist/camera/picture.js');
const { systemClock } = require('../dist/clock.js');
const { createDiagnostics } = require('../dist/diagnostics.js');
const { Engine } = require('../dist/inspect/engine.js');
const { Graph } = require('../dist/onnx/graph.js');

const { values } = parseArgs({ options: { json: { type: 'boolean' }, runs: { type: 'string' }, large: { type: 'boolean' } } });
const runs = Number(values.runs ?? 15);
const size = 518;
const large = {
  embed: 768,
  visual: { width: 1024, layers: 24, heads: 16, mlp: 4096, patch: 14, grid: 24, imageSize: 336 },
  text: { width: 768, layers: 12, heads: 12, mlp: 3072, context: 77, vocabulary: 49408 },
};
const base = {
  embed: 512,
  visual: { width: 768, layers: 12, heads: 12, mlp: 3072, patch: 32, grid: 7, imageSize: 224 },
  text: { width: 512, layers: 12, heads: 8, mlp: 2048, context: 77, vocabulary: 49408 },
};
/** --large builds ViT-L/14@336 at 518 px and stops there. */
const config = values.large === true ? large : base;
const normalIds = [49406, ...Array(12).fill(343), 14115, 269, 49407];
const anomalousIds = [49406, ...Array(12).fill(343), 13568, 14115, 269, 49407];

/** Formula weights: the counter hash of a tensor's name, see the reference vectors' README. */
function formula(name, count, offset, scale, from = 0) {
  let h = 0x811c9dc5;
  for (const byte of Buffer.from(name)) h = Math.imul(h ^ byte, 0x01000193);
  const out = new Float32Array(count);
  for (let i = 0; i < count; i++) {
    let x = (h + Math.imul(from + i, 0x9e3779b9)) | 0;
    x = Math.imul(x ^ (x >>> 16), 0x85ebca6b);
    x = Math.imul(x ^ (x >>> 13), 0xc2b2ae35);
    out[i] = offset + scale * (((x ^ (x >>> 16)) >>> 0) / 2 ** 31 - 1);
  }
  return out;
}

function rangeOf(name, shape) {
  const last = shape.at(-1) ?? 1;
  const rules = [
    [/^logit_scale$/, Math.log(1 / 0.07), 0],
    [/ln_\w+\.weight$/, 1, 0.2],
    [/ln_\w+\.bias$/, 0, 0.1],
    [/(\.bias|in_proj_bias)$/, 0, 0.05],
    [/^token_embedding\.weight$/, 0, 0.5],
    [/^positional_embedding$/, 0, 0.3],
    [/^visual\.(positional|class)_embedding$/, 0, 1],
    [/^visual\.conv1\.weight$/, 0, 3 / Math.sqrt(3 * last * last)],
    [/in_proj_weight$/, 0, 3 / Math.sqrt(last)],
    [/^(visual\.proj|text_projection)$/, 0, 1.7 / Math.sqrt(shape[0] ?? 1)],
    [/^/, 0, 1.7 / Math.sqrt(last)],
  ];
  return rules.find(([pattern]) => pattern.test(name)).slice(1);
}

/** safetensors, tensor by tensor. */
function writeTensors(path, tensors) {
  let at = 0;
  const header = {};
  for (const [name, { shape, dtype }] of tensors) {
    const bytes = shape.reduce((n, side) => n * side, 4);
    header[name] = { dtype, shape, data_offsets: [at, at + bytes] };
    at += bytes;
  }
  const text = Buffer.from(JSON.stringify(header));
  const length = Buffer.alloc(8);
  length.writeBigUInt64LE(BigInt(text.length));
  const file = openSync(path, 'wx');
  const put = (bytes) => {
    for (let done = 0; done < bytes.length; ) done += writeSync(file, bytes, done);
  };
  put(length);
  put(text);
  for (const [, { data }] of tensors) {
    const array = data();
    put(new Uint8Array(array.buffer, array.byteOffset, array.byteLength));
  }
  closeSync(file);
}

function tokenTable(width) {
  const table = new Float32Array(config.text.vocabulary * width);
  for (const id of new Set([0, ...normalIds, ...anomalousIds]))
    table.set(formula('token_embedding.weight', width, 0, 0.5, id * width), id * width);
  return table;
}

function writeClip(path) {
  const tensors = new Map();
  for (const [name, shape] of expectedShapes(config)) {
    const count = shape.reduce((n, side) => n * side, 1);
    const data =
      name === 'token_embedding.weight' ? () => tokenTable(config.text.width) : () => formula(name, count, ...rangeOf(name, shape));
    tensors.set(name, { shape, dtype: 'F32', data });
  }
  writeTensors(path, tensors);
}

function writeAdapter(path) {
  const d = config.text.width;
  const tensors = new Map();
  const put = (name, shape, data, dtype = 'F32') => tensors.set(`prompt_learner.${name}`, { shape, dtype, data: () => data });
  const learned = (name, rows) => formula(`prompt_learner.${name}`, rows * d, 0, 0.5);
  const row = (id) => formula('token_embedding.weight', d, 0, 0.5, id * d);
  for (const [which, ids] of [
    ['pos', normalIds],
    ['neg', anomalousIds],
  ]) {
    const all = [...ids, ...Array(77 - ids.length).fill(0)];
    const suffix = new Float32Array(64 * d);
    for (const [i, id] of all.slice(13).entries()) suffix.set(row(id), i * d);
    put(`ctx_${which}`, [1, 1, 12, d], learned(`ctx_${which}`, 12));
    put(`token_prefix_${which}`, [1, 1, 1, d], row(ids[0]));
    put(`token_suffix_${which}`, [1, 1, 64, d], suffix);
    put(`tokenized_prompts_${which}`, [1, 1, 77], Int32Array.from(all), 'I32');
  }
  for (let i = 0; i < 8; i++) put(`compound_prompts_text.${i}`, [4, d], learned(`compound_prompts_text.${i}`, 4));
  writeTensors(path, tensors);
}

/** The command in a process of its own; its peak resident memory as the kernel counts it. */
function build(dir) {
  const launcher = join(root, 'src', 'cli', 'verdictd');
  const args = ['model', 'build', '--method', 'anomalyclip', '--clip', join(dir, 'clip.safetensors'), '--adapter'];
  args.push(
    join(dir, 'adapter.safetensors'),
    '--image-size',
    String(size),
    '--dpam-layer',
    values.large === true ? '20' : '13',
    '--out',
    join(dir, 'bundle'),
    '--json',
  );
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
async function plainSession(dir, threads) {
  const file = openCheckpoint(join(dir, 'clip.safetensors'));
  const path = join(dir, 'plain.onnx');
  try {
    const clip = clipWeights(file);
    const graph = new Graph('plain');
    const weights = new Weights(graph, clip.tensors, 'clip', 'float32');
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

/** Interleaved, so that whatever else the machine does meets all of them alike. */
async function interleaved(candidates) {
  const times = Object.fromEntries(Object.keys(candidates).map((name) => [name, []]));
  for (let i = -2; i < runs; i++)
    for (const [name, run] of Object.entries(candidates)) {
      const began = performance.now();
      await run();
      if (i >= 0) times[name].push(performance.now() - began);
    }
  return Object.fromEntries(Object.entries(times).map(([name, list]) => [name, half(list)]));
}

const torchProgram = `
import sys, time, torch
import torch.nn.functional as F
torch.set_num_threads(1)
torch.manual_seed(0)
W, N, H = 768, 257, 12
w = lambda *s: torch.randn(*s) * 0.02
blocks = [dict(qkv=w(3*W, W), out=w(W, W), fc=w(4*W, W), proj=w(W, 4*W)) for _ in range(12)]
g, b = torch.ones(W), torch.zeros(W)
conv, pos, head, text = w(W, 3, 32, 32), w(N, W), w(W, 512), w(512, 2)
def heads(x): return x.reshape(N, H, W // H).transpose(0, 1)
def attend(q, k, v): return (torch.softmax(q @ k.transpose(1, 2) * 0.125, -1) @ v).transpose(0, 1).reshape(N, W)
@torch.no_grad()
def run(image):
    x = F.conv2d(image, conv, stride=32).flatten(2)[0].t()
    x = F.layer_norm(torch.cat([pos[:1], x]) + pos, (W,), g, b)
    vv = None
    for l in blocks:
        q, k, v = (heads(t) for t in F.linear(F.layer_norm(x, (W,), g, b), l['qkv']).chunk(3, -1))
        d = F.linear(attend(v, v, v), l['out'])
        vv = (x if vv is None else vv) + d
        x = x + F.linear(attend(q, k, v), l['out'])
        h = F.linear(F.layer_norm(x, (W,), g, b), l['fc'])
        x = x + F.linear(h * torch.sigmoid(1.702 * h), l['proj'])
    p = F.normalize(F.layer_norm(vv[1:], (W,), g, b) @ head, dim=-1) @ text
    return F.normalize(x[:1] @ head, dim=-1) @ text, torch.softmax(p / 0.07, -1)
image = torch.randn(1, 3, 518, 518)
times = []
for i in range(int(sys.argv[1]) + 2):
    began = time.perf_counter()
    run(image)
    if i >= 2: times.append((time.perf_counter() - began) * 1000)
print(sorted(times)[len(times) // 2])
`;

/** Median ms of the same network in PyTorch, one thread; null without torch. */
function torch(coretype) {
  const env = {
    ...process.env,
    OMP_NUM_THREADS: '1',
    OPENBLAS_NUM_THREADS: '1',
    ...(coretype === null ? {} : { OPENBLAS_CORETYPE: coretype }),
  };
  const { status, stdout } = spawnSync('/usr/bin/python3', ['-c', torchProgram, String(Math.min(runs, 7))], { env, encoding: 'utf8' });
  return status === 0 ? Number(stdout) : null;
}

/** OpenBLAS's name for this machine's widest kernels. */
function coretype() {
  const flags = / avx512f /.test(readFileSync('/proc/cpuinfo', 'utf8')) ? 'SKYLAKEX' : 'HASWELL';
  return process.arch === 'x64' ? flags : null;
}

/** Bundle, bare session, tower without V-V path, PyTorch. */
async function inference(built) {
  const bundle = await loadBundle(built.out);
  const picture = (await readPicture(bundle.goldenPath, bundle.manifest.input)).tensor;
  const threads = Math.min(2, cpus().length);
  const engine = new Engine(
    { providers: ['cpu'], threads },
    { clock: systemClock, diagnostics: createDiagnostics('warn'), tensor: async (path, input) => (await readPicture(path, input)).tensor },
  );
  engine.start();
  const { job } = await engine.load(bundle, null);
  const bare = await InferenceSession.create(bundle.modelPath, options(threads));
  const plain = await plainSession(dir, threads);
  const feed = () => ({ image: new Tensor('float32', picture, [1, 3, size, size]) });
  const times = await interleaved({
    bundle: () => engine.run(job, { data: picture.slice() }, Number.POSITIVE_INFINITY, 'none'),
    bare: () => bare.run(feed(), ['score', 'map', 'probabilities']),
    plain: () => plain.run(feed()),
  });
  await engine.stop(systemClock.now() + 10_000);
  await bare.release();
  await plain.release();
  report.inference = { threads, ...times, bundleToBare: times.bundle / times.bare, dualToPlain: times.bare / times.plain };
  const single = await InferenceSession.create(bundle.modelPath, options(1));
  const alone = await interleaved({ bare: () => single.run(feed(), ['score', 'map']) });
  await single.release();
  const untuned = torch(null);
  const tuned = untuned === null ? null : torch(coretype());
  report.torch =
    untuned === null
      ? null
      : { oneThread: alone.bare, untuned, tuned, ratio: untuned / alone.bare, tunedRatio: tuned === null ? null : tuned / alone.bare };
}

const dir = mkdtempSync(join(tmpdir(), 'verdictd-bench-model-'));
const report = {};
try {
  writeClip(join(dir, 'clip.safetensors'));
  writeAdapter(join(dir, 'adapter.safetensors'));
  const built = await build(dir);
  report.build = { seconds: built.seconds, peakMB: built.peakMB, warnings: built.warnings };
  if (values.large !== true) await inference(built);
} finally {
  rmSync(dir, { recursive: true, force: true });
}
if (values.json) console.log(JSON.stringify(report));
else {
  const { build: b, inference: i, torch: t } = report;
  console.log(
    `build ${values.large === true ? 'ViT-L/14' : 'ViT-B/32'} at 518 px: ${b.seconds.toFixed(1)} s (goal 60), peak memory ${b.peakMB.toFixed(0)} MB (goal 3072)`,
  );
  for (const warning of b.warnings) console.log(`  warning: ${warning}`);
  if (i === undefined) process.exit(0);
  console.log(
    `inference on ${i.threads} threads: bundle ${i.bundle.toFixed(0)} ms, bare session.run ${i.bare.toFixed(0)} ms, ratio ${i.bundleToBare.toFixed(3)} (goal 1.03)`,
  );
  console.log(`V-V path on 12 blocks: ratio to plain CLIP ${i.dualToPlain.toFixed(3)} (goal 1.15)`);
  if (t === null) console.log('PyTorch: skipped, /usr/bin/python3 cannot import torch');
  else
    console.log(
      `PyTorch on one thread: ${t.untuned.toFixed(0)} ms against ${t.oneThread.toFixed(0)} ms, ratio ${t.ratio.toFixed(2)} (goal 2); with OPENBLAS_CORETYPE set ${t.tuned?.toFixed(0)} ms, ratio ${t.tunedRatio?.toFixed(2)}`,
    );
}

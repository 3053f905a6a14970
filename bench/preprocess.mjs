/**
 * Preprocessing of a camera frame, 4096 x 2160 BayerRG8 to 3 x 518 x 518, on one core: time as a ratio to OpenCV's demosaic,
 * INTER_AREA resize and normalise, measured in turns in one run; error against bilinear demosaic and Pillow's bicubic.
 * Usage: node bench/preprocess.mjs [--json]
 * OpenCV: any python3 that imports cv2 (Debian: python3-opencv, python3-pil). Without one, only our own times are printed.
 */
import { spawnSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { input } from './preprocess/input.mjs';
import { board, demosaic, natural, noise } from './preprocess/scenes.mjs';

const { native } = createRequire(import.meta.url)('../dist/native.js');
const here = dirname(fileURLToPath(import.meta.url));
const [width, height] = [4096, 2160];
const turns = 3;
const rounds = 3; // of all frames, a turn
const goals = { ratio: 8, portableRatio: 5, mean: 0.3, max: 6 };

const sha256 = (data) => createHash('sha256').update(data).digest('hex');
const median = (values) => [...values].sort((a, b) => a - b)[Math.floor(values.length / 2)];
const hasTaskset = spawnSync('taskset', ['--version']).status === 0;

/** Runs on core 0, where that can be asked for; the last line of its output is JSON. */
function onOneCore(program, args, env = {}) {
  const [command, ...all] = hasTaskset ? ['taskset', '-c', '0', program, ...args] : [program, ...args];
  const done = spawnSync(command, all, { encoding: 'utf8', env: { ...process.env, ...env } });
  if (done.status !== 0) throw new Error(`${program} ${args[0]}: ${done.stderr}`);
  return JSON.parse(done.stdout.trim().split('\n').at(-1));
}

function difference(a, b) {
  let [sum, max] = [0, 0];
  for (let i = 0; i < a.length; i++) {
    const d = Math.abs(a[i] - b[i]);
    sum += d;
    if (d > max) max = d;
  }
  return { mean: sum / a.length, max };
}

const python = ['python3', '/usr/bin/python3'].find((name) => spawnSync(name, ['-c', 'import cv2']).status === 0);
const folder = mkdtempSync(join(tmpdir(), 'verdictd-bench-'));
const result = { width, height, size: input.width, ms: {}, ratio: null, errors: {}, opencv: null, missing: [] };
try {
  // Eight frames, 71 MB: more than the caches hold, as with a camera.
  const scenes = { natural, board, noise };
  for (let i = 0; i < 8; i++) {
    const name = Object.keys(scenes)[i] ?? `natural${i}`;
    writeFileSync(join(folder, `${name}.raw`), (scenes[name] ?? natural)(width, height, i + 1));
  }
  const times = { whole: [], tensor: [], portable: [], opencv: [] };
  const own = (thumbnail, env) =>
    onOneCore(process.execPath, [join(here, 'preprocess/own.mjs'), folder, ...[width, height, thumbnail, rounds].map(String)], env).ms;
  for (let turn = 0; turn < turns; turn++) {
    times.whole.push(own(1024));
    times.tensor.push(own(0));
    times.portable.push(own(0, { VERDICTD_KERNELS: 'base' }));
    if (python === undefined) continue;
    result.opencv = onOneCore(python, [join(here, 'preprocess/opencv.py'), folder, ...[width, height, input.width, rounds].map(String)]);
    times.opencv.push(result.opencv.ms);
  }
  for (const [name, values] of Object.entries(times)) if (values.length > 0) result.ms[name] = median(values);
  if (python === undefined) result.missing.push('no python3 imports cv2: no ratio (Debian: apt install python3-opencv python3-pil)');
  else {
    const of = (name) => median(times.opencv.map((ms, turn) => ms / times[name][turn]));
    result.ratio = { tensor: of('tensor'), portable: of('portable'), whole: of('whole') };
    if (Object.keys(result.opencv.gold).length === 0) result.missing.push('no Pillow: the reference is our own exact resize only');
  }
  for (const name of Object.keys(scenes)) {
    const data = readFileSync(join(folder, `${name}.raw`));
    const resized = async (image) => (await native().preprocess(image, input, { resized: true })).resized;
    const rgb = demosaic(data, width, height);
    const gold = await resized({ width, height, stride: width * 3, pixelFormat: 'RGB8', data: rgb });
    const folded = await resized({ width, height, stride: width, pixelFormat: 'BayerRG8', data });
    const pillow = result.opencv?.gold[name];
    result.errors[name] = {
      ...difference(folded, gold),
      goldIsOpenCvAndPillow: pillow === undefined ? null : pillow === sha256(gold),
      opencvArea: python === undefined ? null : difference(readFileSync(join(folder, `${name}.area`)), gold),
    };
  }
} finally {
  rmSync(folder, { recursive: true });
}

if (process.argv.includes('--json')) {
  console.log(JSON.stringify({ ...result, goals }));
} else {
  const f = (v, digits = 2) => (v === undefined || v === null ? '-' : v.toFixed(digits));
  console.log(
    `preprocessing ${width} x ${height} BayerRG8 -> ${input.width} x ${input.height}, CPU ms a frame on one core${hasTaskset ? '' : ' (no taskset: core not fixed)'}`,
  );
  console.log(
    `  tensor and quality                ${f(result.ms.tensor)} ms   ${f(result.ratio?.tensor, 1)} x OpenCV   goal ${goals.ratio} x`,
  );
  console.log(
    `  the same, base instruction set    ${f(result.ms.portable)} ms   ${f(result.ratio?.portable, 1)} x OpenCV   goal ${goals.portableRatio} x`,
  );
  console.log(`  with the 1024 px thumbnail        ${f(result.ms.whole)} ms   ${f(result.ratio?.whole, 1)} x OpenCV`);
  console.log(`  OpenCV ${result.opencv?.version ?? ''} demosaic, INTER_AREA, normalise  ${f(result.ms.opencv)} ms`);
  console.log('error against bilinear demosaic + Pillow bicubic, in steps of 8 bits (OpenCV INTER_AREA beside it)');
  for (const [name, e] of Object.entries(result.errors)) {
    const goal = name === 'noise' ? 'no goal: worst case' : `goal ${goals.mean} / ${goals.max}`;
    const same =
      e.goldIsOpenCvAndPillow === null
        ? 'reference not checked'
        : e.goldIsOpenCvAndPillow
          ? 'reference = OpenCV + Pillow'
          : 'REFERENCE DIFFERS';
    console.log(
      `  ${name.padEnd(8)} mean ${f(e.mean, 3)} max ${e.max}   ${goal}   (area: ${f(e.opencvArea?.mean, 2)} / ${e.opencvArea?.max ?? '-'}; ${same})`,
    );
  }
  for (const line of result.missing) console.log(`missing: ${line}`);
}

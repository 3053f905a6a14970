#!/usr/bin/env node
// npm run bench [-- NAME ...]: every benchmark, or those named, one after another; each prints its figures beside the goals.
import { spawnSync } from 'node:child_process';
import { existsSync } from 'node:fs';
import { fileURLToPath } from 'node:url';

const at = (path) => fileURLToPath(new URL(path, import.meta.url));
const launcher = at('../src/cli/verdictd');

/** Name, what it measures, command line (of node). */
const benches = [
  ['line', 'the whole line: overhead, stalls, stages', [launcher, 'bench', '--data-dir', at('../out/bench')]],
  ['preprocess', 'Bayer frame to tensor, against OpenCV', [at('preprocess.mjs')]],
  ['camera', '42 full-size frames a second, trigger to slot', [at('camera.mjs')]],
  ['store', 'commit of a verdict, bytes written', [at('store.mjs')]],
  ['plc', 'acks and results at 30 parts a second, beside a draining journal', [at('plc.mjs')]],
  ['model', 'a full-size CLIP bundle: build, inference, PyTorch', [at('model.mjs')]],
  ['detection', 'the default bundle on real parts', [at('detection.mjs')]],
  ['teach', 'what a bank costs in time, and thinning in AUROC', [at('teach.mjs')]],
  ['shots', 'is a defective part among the shots named', [at('shots.mjs')]],
  ['recipe', 'a switch of the recipe on a running station', [at('recipe.mjs')]],
  ['promise', 'a false-reject promise over 200 draws', [at('promise.mjs')]],
];

const wanted = process.argv.slice(2);
const unknown = wanted.filter((name) => !benches.some(([known]) => known === name));
if (unknown.length > 0) {
  console.error(`no bench ${unknown.join(', ')}; there are ${benches.map(([name]) => name).join(', ')}`);
  process.exit(2);
}
let failed = 0;
for (const [name, what, command] of benches) {
  if (wanted.length > 0 && !wanted.includes(name)) continue;
  if (!existsSync(command[0])) {
    console.log(`\n== ${name}: not there`);
    failed++;
    continue;
  }
  console.log(`\n== ${name}: ${what}`);
  const { status } = spawnSync(process.execPath, command, { stdio: 'inherit' });
  if (status !== 0) failed++;
}
process.exit(failed === 0 ? 0 : 1);

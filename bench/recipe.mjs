// What a switch of the recipe takes on a running station, kept ready and not: from the command to the answer, audit row and all.
// node bench/recipe.mjs [--switches N] [--dir DIR] [--json]; needs `npm run build`. Everything is real but the camera.
import { mkdtempSync, rmSync } from 'node:fs';
import { createRequire } from 'node:module';
import { createServer } from 'node:net';
import { join } from 'node:path';
import { parseArgs } from 'node:util';

const require = createRequire(import.meta.url);
const { Station } = require('../dist/station.js');
const { loadConfig } = require('../dist/config/load.js');
const { createDiagnostics } = require('../dist/diagnostics.js');
const { monotonicMs } = require('../dist/clock.js');

const { values } = parseArgs({
  options: {
    switches: { type: 'string', default: '40' },
    dir: { type: 'string', default: process.cwd() },
    json: { type: 'boolean', default: false },
  },
});
const count = Number(values.switches);
const dir = mkdtempSync(join(values.dir, '.bench-recipe-'));
const quantile = (all, q) => [...all].sort((a, b) => a - b)[Math.min(all.length - 1, Math.floor(q * all.length))] ?? Number.NaN;

async function freePort() {
  const server = createServer();
  await new Promise((done) => server.listen(0, '127.0.0.1', done));
  const { port } = server.address();
  await new Promise((done) => server.close(done));
  return port;
}

async function withStation(set, use) {
  const base = {
    'camera.simulated.width': 512,
    'camera.simulated.height': 512,
    'inference.providers': 'cpu',
    'log.minFree': 16,
    'broker.embedded': true,
    'broker.port': await freePort(),
    'recipe.teach.auto': true,
    'recipe.teach.shots': 8,
    'recipe.teach.heldOut': 4,
  };
  const config = loadConfig({ file: null, env: {}, set: Object.entries({ ...base, ...set }).map(([key, value]) => `${key}=${value}`) });
  const quiet = () => undefined;
  const station = new Station({ config, dataDir: dir }, createDiagnostics('error'), {
    report: quiet,
    state: quiet,
    progress: quiet,
    ended: quiet,
  });
  await station.start(new AbortController().signal);
  try {
    if (station.current.code !== 0 && station.current.recipeId === 0) throw new Error(`the station is not ready (${station.current.code})`);
    return await use(station);
  } finally {
    await station.stop(monotonicMs() + 5_000);
  }
}

async function measure(station) {
  const times = [];
  for (let i = 0; i < count; i++) {
    const began = monotonicMs();
    const answer = await station.commands.run('prepareRecipe', String(2 - (i % 2)));
    times.push(monotonicMs() - began);
    if (answer.ok !== 1) throw new Error(answer.reason);
  }
  return { p50: quantile(times, 0.5), p99: quantile(times, 0.99), max: Math.max(...times) };
}

try {
  await withStation({ 'recipe.active': 'one', 'camera.simulated.product': 2 }, () => undefined);
  await withStation({ 'recipe.active': 'two', 'camera.simulated.product': 3 }, () => undefined);
  const ready = await withStation({ 'recipe.active': 'one', 'recipe.keep': 2 }, measure);
  const cold = await withStation({ 'recipe.active': 'one', 'recipe.keep': 1 }, measure);
  if (values.json) console.log(JSON.stringify({ switches: count, ready, cold }));
  else {
    const ms = ({ p50, p99, max }) => `p50 ${p50.toFixed(1)} ms, p99 ${p99.toFixed(1)} ms, max ${max.toFixed(1)} ms`;
    console.log(`switch, kept ready   ${ms(ready)}   goal < 100 ms`);
    console.log(`switch, not kept     ${ms(cold)}   (files checked, bank loaded, golden picture)`);
  }
} finally {
  rmSync(dir, { recursive: true, force: true });
}
process.exit(0); // the model's threads are not waited for

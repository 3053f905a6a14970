// The handshake at 30 parts a second, alone and while a journal of 100 000 records drains; on the embedded broker and on mosquitto.
// node bench/plc.mjs [--seconds N] [--backlog N] [--dir DIR] [--json]; needs `npm run build`. Everything is real but camera and model:
// the camera is simulated and tiny, and the bundle is the bench's own, so that the way of a verdict is what takes time.
import { spawn, spawnSync } from 'node:child_process';
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { createServer } from 'node:net';
import { availableParallelism, loadavg } from 'node:os';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { Worker } from 'node:worker_threads';
import { makeBundle } from '../test/torture/support/bundle.mjs';

const require = createRequire(import.meta.url);
const { Station } = require('../dist/station.js');
const { loadConfig } = require('../dist/config/load.js');
const { createDiagnostics } = require('../dist/diagnostics.js');
const { monotonicMs } = require('../dist/clock.js');
const { LogWriter } = require('../dist/store/writer.js');

const { values } = parseArgs({
  options: {
    seconds: { type: 'string', default: '20' },
    backlog: { type: 'string', default: '100000' },
    dir: { type: 'string', default: process.cwd() },
    json: { type: 'boolean', default: false },
  },
});
const rate = 30; // parts a second
const [seconds, backlog] = [Number(values.seconds), Number(values.backlog)];
const base = 'verdictd/bench';
const quantile = (all, q) => [...all].sort((a, b) => a - b)[Math.min(all.length - 1, Math.floor(q * all.length))] ?? Number.NaN;
const pause = (ms) => new Promise((done) => setTimeout(done, ms));

async function freePort() {
  const server = createServer();
  await new Promise((done) => server.listen(0, '127.0.0.1', done));
  const { port } = server.address();
  await new Promise((done) => server.close(done));
  return port;
}

/** Parts that were judged while the broker was away: written by the store itself, in large transactions. */
function fill(dir, count) {
  const writer = new LogWriter(dir);
  const { bootNumber } = writer.open(null);
  writer.begin('fill', bootNumber);
  const utc = new Date().toISOString();
  const verdict = (n) => ({
    part: {
      resultId: `F${String(n).padStart(13, '0')}`,
      seq: 0,
      partId: '',
      recipe: { id: 'plate', number: 1 },
      opened: n,
      openedUtc: utc,
      clockTrusted: true,
      simulated: true,
    },
    ...{ evaluation: 1, code: 605, state: 1, score: 0.314, limit: 0.62, frameId: n, mapMax: 0.5, probabilities: null, provider: 'cpu' },
    ...{ bundle: 'b'.repeat(64), config: 'c'.repeat(64), late: false, detail: 'good, but the camera is simulated', released: 0, lot: 'L7' },
    timings: { startTime: utc, endTime: utc, acquisitionDuration: 61.2, processingDuration: 88.4 },
  });
  for (let n = 1; n <= count; n += 1000) {
    writer.commitAll(Array.from({ length: Math.min(1000, count - n + 1) }, (_, i) => verdict(n + i)));
  }
  writer.close();
}

async function client(role, url) {
  const worker = new Worker(new URL('plc_client.mjs', import.meta.url), { workerData: { role, url, base } });
  const answer = () => new Promise((done, fail) => worker.once('message', done).once('error', fail));
  await answer();
  const ask = (message) => {
    worker.postMessage(message);
    return answer();
  };
  return { ask, end: () => worker.terminate() };
}

/** One station on one broker: the drain first, with parts; then parts alone. */
async function measure(name) {
  const dir = mkdtempSync(join(values.dir, '.bench-plc-'));
  const port = await freePort();
  const url = `mqtt://127.0.0.1:${port}`;
  // As docs/mqtt.md says: without it mosquitto holds small packets back for up to 40 ms.
  const conf = join(dir, 'mosquitto.conf');
  writeFileSync(conf, `listener ${port} 127.0.0.1\nallow_anonymous true\nset_tcp_nodelay true\n`);
  const broker = name === 'mosquitto' ? spawn('mosquitto', ['-c', conf], { stdio: 'ignore' }) : null;
  const parts = new Map();
  let station = null;
  let clients = [];
  try {
    const data = join(dir, 'data');
    mkdirSync(data);
    const set = {
      'station.name': 'bench',
      'camera.simulated.width': 64,
      'camera.simulated.height': 64,
      'camera.simulated.defectRate': 0,
      'inference.providers': 'cpu',
      'inference.threads': 1,
      'bundle.path': makeBundle(join(dir, 'bundle')),
      'quality.minSharpness': 0,
      'evidence.pictures': 'none',
      'log.minFree': 16,
      'log.ballast': 0,
      'recipe.active': 'plate',
      'recipe.wrongPart': 'off',
      'recipe.acceptProvisional': true,
      'recipe.teach.auto': true,
      'recipe.teach.shots': 2,
      'recipe.teach.heldOut': 2,
      'plc.acceptSimulated': true,
      'plc.url': url,
      'line.maxOpen': 8,
      'broker.port': port,
      'broker.embedded': name === 'embedded',
    };
    const config = loadConfig({ file: null, env: {}, set: Object.entries(set).map(([key, value]) => `${key}=${value}`) });
    const quiet = () => undefined;
    const report = ({ verdict, stages }) => parts.set(verdict.part.seq, { logged: monotonicMs() - (stages.publish ?? 0), ...stages });
    const build = () =>
      new Station({ config, dataDir: data }, createDiagnostics('error'), { report, state: quiet, progress: quiet, ended: quiet });
    // The first start teaches; then the records come, and the second start finds them waiting.
    station = build();
    await station.start(new AbortController().signal);
    await station.stop(monotonicMs() + 5_000);
    fill(data, backlog);
    station = build();
    const starting = station.start(new AbortController().signal);
    if (name === 'embedded') while (!(await reachable(port))) await pause(5);
    const [plc, mes] = await Promise.all([client('plc', url), client('mes', url)]);
    clients = [plc, mes];
    await starting;
    while (station.current.ready !== 1) await pause(20);
    let from = 1;
    const round = async (count) => {
      const told = await plc.ask({ from, count, gap: 1000 / rate });
      from += count;
      return told;
    };
    const draining = [];
    let drained = await mes.ask({});
    const before = drained.historical;
    while (drained.historical < backlog * 0.98) {
      const { historical } = drained;
      const told = await round(rate * 2);
      drained = await mes.ask({});
      // Only what was asked while it drained at both ends counts.
      if (drained.historical > historical && drained.historical < backlog * 0.98) draining.push(...told);
      else if (draining.length === 0) draining.push(...told);
      if (drained.historical === historical) break;
    }
    const alone = await round(rate * seconds);
    const handshake = (told) => {
      const known = told.filter(({ seq, ok, result }) => ok && result !== null && parts.has(seq));
      const spread = (pick) => ({ p50: quantile(known.map(pick), 0.5), p99: quantile(known.map(pick), 0.99) });
      return {
        parts: told.length,
        answered: known.length,
        ackMs: spread(({ sent, ack }) => ack - sent),
        socketMs: spread(({ seq }) => parts.get(seq).publish),
        clientMs: spread(({ seq, result }) => result - parts.get(seq).logged),
        commitMs: spread(({ seq }) => parts.get(seq).commit),
      };
    };
    return {
      broker: name,
      before,
      drainPerSecond: drained.historical / drained.seconds,
      drained: drained.historical,
      draining: handshake(draining),
      alone: handshake(alone),
    };
  } finally {
    await station?.stop(monotonicMs() + 5_000);
    await Promise.all(clients.map((one) => one.end()));
    broker?.kill('SIGKILL');
    rmSync(dir, { recursive: true, force: true });
  }
}

async function reachable(port) {
  const { connect } = await import('node:net');
  return await new Promise((done) => {
    const socket = connect(port, '127.0.0.1');
    socket.once('connect', () => done(true)).once('error', () => done(false));
    socket.once('connect', () => socket.destroy());
  });
}

const reports = [];
if (!values.json)
  console.log(`${availableParallelism()} cores, load ${loadavg()[0].toFixed(1)}; ${rate} parts a second, journal of ${backlog} records`);
for (const name of ['embedded', 'mosquitto']) {
  if (name === 'mosquitto' && spawnSync('mosquitto', ['-h']).error !== undefined) {
    if (!values.json) console.log('mosquitto: skipped, it is not installed');
    continue;
  }
  const one = await measure(name);
  reports.push(one);
  if (values.json) continue;
  const ms = ({ p50, p99 }) => `p50 ${p50.toFixed(2)} ms, p99 ${p99.toFixed(2)} ms`;
  const verdict = (met) => (met ? '' : '   GOAL MISSED');
  console.log(
    `${name}: journal drained  ${one.drained} of ${backlog} records, ${one.drainPerSecond.toFixed(0)}/s beside the parts   goal >= 500${verdict(one.drainPerSecond >= 500)}`,
  );
  for (const [phase, figures] of Object.entries({ draining: one.draining, alone: one.alone })) {
    const { ackMs, socketMs, clientMs, commitMs } = figures;
    console.log(`${name}, ${phase}: ${figures.answered} of ${figures.parts} parts answered; commit ${ms(commitMs)}`);
    console.log(`  trigger to ack, at the PLC          ${ms(ackMs)}   goal p99 <= 50${verdict(ackMs.p99 <= 50)}`);
    console.log(
      `  commit done to result at the socket ${ms(socketMs)}   goal p50 <= 1, p99 <= 5${verdict(socketMs.p50 <= 1 && socketMs.p99 <= 5)}`,
    );
    console.log(`  commit done to result at the PLC    ${ms(clientMs)}   (broker and client beside it)`);
  }
}
if (values.json) console.log(JSON.stringify(reports));
process.exit(0); // brokers and clients still hold connections that nobody needs any more

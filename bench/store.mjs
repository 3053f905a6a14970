// Cost of a logged verdict: main thread -> worker -> fsync -> main thread, and bytes that reach the disk.
// node bench/store.mjs [--verdicts N] [--dir DIR] [--json]; needs `npm run build` and a disk (a RAM disk has no fsync to show).
import { closeSync, fsyncSync, mkdtempSync, openSync, readFileSync, rmSync, statSync, writeSync } from 'node:fs';
import { createRequire } from 'node:module';
import { join } from 'node:path';
import { parseArgs } from 'node:util';

const require = createRequire(import.meta.url);
const { SqliteLog } = require('../dist/store/log.js');
const { verifyLog } = require('../dist/store/verify.js');
const { monotonicMs } = require('../dist/clock.js');

const { values } = parseArgs({
  options: {
    verdicts: { type: 'string', default: '2000' },
    dir: { type: 'string', default: process.cwd() },
    json: { type: 'boolean', default: false },
  },
});
const count = Number(values.verdicts);
const dir = mkdtempSync(join(values.dir, '.bench-store-'));

const quantile = (all, q) => [...all].sort((a, b) => a - b)[Math.min(all.length - 1, Math.floor(q * all.length))] ?? Number.NaN;
const written = () => Number(/^write_bytes: (\d+)$/m.exec(readFileSync('/proc/self/io', 'utf8'))?.[1]);
const pause = (ms) => new Promise((resolve) => setTimeout(resolve, ms));

/** What the disk itself takes for a 4 kB append and fsync: the floor under a commit. */
function floor() {
  const fd = openSync(join(dir, 'floor'), 'w');
  const page = Buffer.alloc(4096, 1);
  const times = [];
  for (let i = 0; i < 200; i++) {
    const began = monotonicMs();
    writeSync(fd, page, 0, page.length, i * page.length);
    fsyncSync(fd);
    times.push(monotonicMs() - began);
  }
  closeSync(fd);
  return { p50: quantile(times, 0.5), p99: quantile(times, 0.99) };
}

let next = 0;
function verdict() {
  const n = ++next;
  const openedUtc = new Date().toISOString();
  return {
    part: {
      resultId: `00001${String(n).padStart(9, '0')}`,
      seq: n,
      partId: `A${String(n).padStart(7, '0')}`,
      recipe: { id: 'castings', number: 3 },
      opened: monotonicMs(),
      openedUtc,
      clockTrusted: true,
      simulated: false,
    },
    evaluation: 1,
    code: 0,
    state: 1,
    score: Math.random(),
    limit: 0.62,
    frameId: n,
    mapMax: Math.random(),
    probabilities: { normal: 0.9, anomaly: 0.1 },
    provider: 'tensorrt',
    bundle: 'b'.repeat(64),
    config: 'c'.repeat(64),
    timings: { startTime: openedUtc, endTime: openedUtc, acquisitionDuration: 61.2, processingDuration: 88.4 },
    late: false,
    detail: '',
    released: 1,
    lot: '',
  };
}

/** Opens, commits and delivers `n` parts with `gap` ms between them. */
async function round(log, n, gap) {
  const open = [];
  const commit = [];
  const before = written();
  const began = monotonicMs();
  for (let i = 0; i < n; i++) {
    const one = verdict();
    const t0 = monotonicMs();
    await log.open(one.part);
    const t1 = monotonicMs();
    const { journalSeq } = await log.commit(one);
    const t2 = monotonicMs();
    open.push(t1 - t0);
    commit.push(t2 - t1);
    void log.delivered(journalSeq);
    if (gap > 0) await pause(gap);
  }
  const seconds = (monotonicMs() - began) / 1000;
  await pause(gap > 0 ? 1200 : 0); // the last delivered mark
  return {
    verdicts: n,
    perSecond: n / seconds,
    openMs: { p50: quantile(open, 0.5), p99: quantile(open, 0.99) },
    commitMs: { p50: quantile(commit, 0.5), p99: quantile(commit, 0.99) },
    kBytesPerVerdict: (written() - before) / n / 1000,
  };
}

try {
  const disk = floor();
  const log = new SqliteLog({ dir, bootId: (n) => `boot${n}` });
  await log.start(new AbortController().signal);
  await round(log, 300, 0); // warm
  const burst = await round(log, count, 0);
  const paced = await round(log, 200, 50);
  await log.stop(monotonicMs() + 10_000);
  const path = join(dir, 'log.db');
  const size = statSync(path).size;
  const t0 = monotonicMs();
  const verified = await verifyLog(path);
  const verifyRowsPerSecond = verified.rows / ((monotonicMs() - t0) / 1000);
  const t1 = monotonicMs();
  await log.start(new AbortController().signal);
  const startMs = monotonicMs() - t1;
  await log.stop(monotonicMs() + 10_000);
  const report = { disk, burst, paced, bytesPerRow: size / verified.rows, verifyRowsPerSecond, startMs, ok: verified.ok };
  if (values.json) console.log(JSON.stringify(report));
  else {
    const ms = (t) => `p50 ${t.p50.toFixed(2)} ms, p99 ${t.p99.toFixed(2)} ms`;
    console.log(`disk: append 4 kB + fsync        ${ms(disk)}`);
    for (const [name, one] of Object.entries({ burst, paced })) {
      console.log(
        `${name}: commit                   ${ms(one.commitMs)}  (goal p50 <= 0.5 ms, p99 <= 3 ms on a quiet box; ${(one.commitMs.p50 / disk.p50).toFixed(2)} x the disk)`,
      );
      console.log(`${name}: open (while exposing)    ${ms(one.openMs)}`);
      console.log(
        `${name}: ${one.perSecond.toFixed(0)} verdicts/s, ${one.kBytesPerVerdict.toFixed(1)} kB written a verdict (goal <= 20 to 32 kB; two syncs each)`,
      );
    }
    console.log(
      `file: ${report.bytesPerRow.toFixed(0)} bytes a record; verify ${verifyRowsPerSecond.toFixed(0)} records/s (${verified.ok ? 'sound' : 'NOT SOUND'}); start ${startMs.toFixed(0)} ms`,
    );
  }
} finally {
  rmSync(dir, { recursive: true, force: true });
}

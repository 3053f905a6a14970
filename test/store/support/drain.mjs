// A station's log in a process of its own, for drain.test.ts: 1000 verdicts wait, each sync takes half a second, and the log stops
// within its deadline of five. Prints what the shim counted. Needs a C compiler; without one it says so.
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, renameSync, rmSync } from 'node:fs';
import { createRequire } from 'node:module';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';
import { buildShim, Faults, shimmed } from '../../torture/support/shim.mjs';

const [, , dir] = process.argv;
await (dir === undefined ? parent() : child());

async function parent() {
  const built = buildShim();
  if (built.skipped !== undefined) {
    console.log(JSON.stringify(built));
    return;
  }
  const place = mkdtempSync(join(tmpdir(), 'verdictd-drain-'));
  const data = mkdtempSync(join(place, 'data-'));
  const control = join(place, 'control');
  const faults = new Faults(control);
  const env = { ...process.env, ...shimmed({ library: built.library, dir: data, control }) };
  const station = spawn(process.execPath, [fileURLToPath(import.meta.url), data], { env, stdio: ['pipe', 'pipe', 'inherit'] });
  const lines = createInterface({ input: station.stdout })[Symbol.asyncIterator]();
  try {
    const before = JSON.parse((await lines.next()).value);
    faults.stall(500);
    const counted = faults.read().syncs;
    station.stdin.write('stop\n');
    await lines.next(); // stopped
    const syncs = faults.read().syncs - counted;
    faults.none();
    const after = JSON.parse((await lines.next()).value);
    console.log(JSON.stringify({ ...before, syncs, ...after }));
  } finally {
    station.kill('SIGKILL');
    await once(station, 'close');
    faults.end();
    rmSync(place, { recursive: true, force: true });
  }
}

async function child() {
  const require = createRequire(import.meta.url);
  const { SqliteLog } = require('../../../dist/store/log');
  const { verifyLog } = require('../../../dist/store/verify');
  const { monotonicMs } = require('../../../dist/clock');
  const Database = require('better-sqlite3');
  const notices = [];
  const log = new SqliteLog({ dir, bootId: (n) => `boot${n}`, notice: (text) => notices.push(text) });
  await log.start(new AbortController().signal);
  const path = join(dir, 'log.db');
  renameSync(path, join(dir, 'elsewhere.db'));
  const utc = new Date().toISOString();
  const commit = (n) =>
    log.commit({
      part: {
        ...{ resultId: `P${String(n).padStart(13, '0')}`, seq: n, partId: '', recipe: { id: 'cast', number: 3 } },
        ...{ opened: monotonicMs(), openedUtc: utc, clockTrusted: true, simulated: false, lot: '' },
      },
      ...{ evaluation: 1, code: 0, state: 1, score: 0.1, limit: 0.5, frameId: n, mapMax: 0.1, probabilities: null, provider: 'cpu' },
      ...{ bundle: 'b', config: 'c', late: false, detail: '', released: 1, lot: '' },
      timings: { startTime: utc, endTime: utc, acquisitionDuration: 1, processingDuration: 1 },
    });
  await Promise.all(Array.from({ length: 1000 }, (_, n) => commit(n + 1).catch(() => null)));
  console.log(JSON.stringify({ waiting: log.unwritten.waiting }));
  await once(process.stdin, 'data');
  renameSync(join(dir, 'elsewhere.db'), path);
  await log.stop(monotonicMs() + 5000);
  process.stdin.destroy();
  console.log('stopped');
  const db = new Database(path, { readonly: true });
  const seqs = db.prepare('SELECT seq FROM inspections ORDER BY journal_seq').pluck().all();
  db.close();
  const { ok } = await verifyLog(path);
  const inOrder = seqs.every((seq, i) => seq === i + 1);
  console.log(JSON.stringify({ left: log.unwritten.waiting, rows: seqs.length, inOrder, ok, notices }));
}

// Memory that ends: the kernel gives the daemon no more (RLIMIT_DATA, lowered while it works), or V8 its heap (--max-old-space-size). It
// dies of it, or lives on; either way what was published is in the log.
import { spawnSync } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { compare, ledgerFigures, soundness } from '../support/ledger.mjs';
import { Feeder } from '../support/plc.mjs';
import { sleep, within } from '../support/processes.mjs';
import { between } from '../support/random.mjs';
import { scale } from '../support/station.mjs';

const patience = 4000; // ms until it counts as having lived on
const readyLimit = 30_000; // ms
const heap = [14, 24]; // MiB: around what a station's main thread holds
const room = 4 * 2 ** 20; // bytes: at most so much more does the kernel give
const load = Buffer.alloc(200_000, '['); // of a message that nobody can read; it has to be held to be refused

/** What a process has taken of its data limit, in bytes. */
function dataOf(pid) {
  const kB = /^VmData:\s+(\d+) kB$/m.exec(readFileSync(`/proc/${pid}/status`, 'utf8'));
  return Number(kB?.[1]) * 1024;
}

async function run(ctx) {
  if (spawnSync('prlimit', ['--version']).error !== undefined) return { skipped: 'prlimit is not installed (apt-get install util-linux)' };
  const broker = await ctx.broker();
  const station = ctx.station({ url: broker.url });
  const client = await ctx.client({ url: broker.url, base: station.base, topics: ['ack', 'result', 'journal'] });
  const feeder = new Feeder(client, { most: 4 });
  const count = { kernel: 0, heap: 0, died: 0, 'lived on': 0, 'not sound': 0, 'not ready': 0 };
  const failures = [];
  let units = 0;
  station.start();
  await station.ready(); // teaches
  const feeding = feeder.run();

  /** Starts with a small heap, or takes the kernel's memory from the one that runs; resolves when that is done. */
  const squeeze = async (kind) => {
    if (kind === 'heap') {
      await station.kill('SIGTERM');
      station.nodeArgs = [`--max-old-space-size=${between(ctx.random, ...heap)}`];
      station.start();
      station.nodeArgs = [];
      return;
    }
    await sleep(ctx.random() * 500);
    const limit = dataOf(station.pid) + Math.floor(ctx.random() * room);
    const done = spawnSync('prlimit', ['--pid', String(station.pid), `--data=${limit}:${limit}`], { encoding: 'utf8' });
    if (done.status !== 0) throw new Error(`prlimit: ${done.stderr}`);
  };

  try {
    while (units < ctx.units && (units === 0 || ctx.left() > 0)) {
      const kind = units % 2 === 0 ? 'kernel' : 'heap';
      await squeeze(kind);
      const { child } = station;
      const gone = () => child.exitCode !== null || child.signalCode !== null;
      await within(
        patience,
        () => {
          client.sayNow('trigger', load, 0);
          return gone();
        },
        20,
      );
      units++;
      count[kind]++;
      if (gone()) {
        count.died++;
        const by = `died by ${child.signalCode ?? `exit code ${child.exitCode}`}`;
        count[by] = (count[by] ?? 0) + 1;
      } else count['lived on']++;
      await station.kill('SIGKILL');
      const faults = await soundness(station.dataDir);
      if (faults.length > 0) count['not sound']++;
      failures.push(...faults.map((fault) => `after death ${units} (${kind}): ${fault}`));
      station.start();
      await station.ready(readyLimit);
      feeder.forget();
      await sleep(300);
    }
  } catch (thrown) {
    count['not ready']++;
    failures.push(`after death ${units}: ${thrown.message}`);
  }
  await feeder.end();
  await feeding;
  await station.stop();
  const found = compare(station.dataDir, { results: client.of('result'), journal: client.of('journal') });
  failures.push(...found.failures, ...(await soundness(station.dataDir)));
  return {
    ...{ units, count: { ...count, ...found.count }, failures, scale },
    notes: [
      'in turn: RLIMIT_DATA lowered to what the working daemon has and at most 4 MiB; a start with --max-old-space-size of 14 to 24 MiB; both under triggers and unreadable messages of 200 kB',
    ],
  };
}

export const part = {
  name: 'memory',
  title: 'memory that ends, for the kernel or for V8, under triggers and large messages',
  promise: 'A daemon that dies for want of memory has lost nothing that it published; the next start is ready',
  short: 2,
  long: 50,
  slice: 10,
  run,
  figures({ units, count }) {
    const deaths = Object.entries(count).flatMap(([what, n]) => (what.startsWith('died by ') ? [`${n} ${what.slice(5)}`] : []));
    const none = (what, n) => ({ what, measured: String(n), goal: '0', ok: n === 0 });
    return [
      {
        what: 'times memory ended',
        measured: `${units}: ${count.kernel} for the kernel, ${count.heap} for V8; it died ${count.died} times${deaths.length > 0 ? ` (${deaths.join(', ')})` : ''}, lived on ${count['lived on']} times`,
        goal: '50 (short: 2); some deaths in 4 or more',
        ok: count.died > 0 || units < 4,
      },
      ...ledgerFigures(count),
      none('logs not sound afterwards', count['not sound']),
      none('starts that did not become ready', count['not ready']),
    ];
  },
};

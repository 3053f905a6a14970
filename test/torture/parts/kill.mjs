// SIGKILL of the whole daemon at random moments, while it starts and while it judges; a client on a broker of its own compares.
import { compare, ledgerFigures, soundness } from '../support/ledger.mjs';
import { Feeder } from '../support/plc.mjs';
import { sleep, within } from '../support/processes.mjs';
import { scale } from '../support/station.mjs';

const whileStarting = 0.2; // share of the kills
const startTime = 1500; // ms: about what a start takes here; kills while starting are spread over it
const workTime = 1200; // ms after ready that kills are spread over
const readyLimit = 30_000; // ms

async function run(ctx) {
  const broker = await ctx.broker();
  const teacher = ctx.station({ url: broker.url, name: 'teacher' });
  teacher.start();
  await teacher.ready();
  await teacher.stop();
  const station = ctx.station({ url: broker.url, set: { 'camera.simulated.defectRate': 0.4 } });
  const client = await ctx.client({ url: broker.url, base: station.base, topics: ['ack', 'result', 'journal'] });
  const feeder = new Feeder(client);
  const count = { kills: 0, starting: 0, 'not sound': 0, 'not ready': 0, starts: 0, readyMs: 0 };
  const most = { readyMs: 0 };
  const failures = [];
  const feeding = feeder.run();

  const rise = async () => {
    station.start();
    const ms = await station.ready(readyLimit);
    feeder.forget(); // what was sent while nobody listened
    count.starts++;
    count.readyMs += ms;
    most.readyMs = Math.max(most.readyMs, ms);
  };
  try {
    await rise();
    while (count.kills < ctx.units && (count.kills === 0 || ctx.left() > 0)) {
      const starting = ctx.random() < whileStarting;
      if (starting) {
        await station.kill('SIGTERM');
        station.start();
        await sleep(ctx.random() * startTime);
        count.starting++;
      } else await sleep(ctx.random() * workTime);
      await station.kill('SIGKILL');
      count.kills++;
      const faults = await soundness(station.dataDir);
      if (faults.length > 0) {
        count['not sound']++;
        failures.push(...faults.map((fault) => `after kill ${count.kills}: ${fault}`));
      }
      await rise();
    }
  } catch (thrown) {
    count['not ready']++;
    failures.push(`after kill ${count.kills}: ${thrown.message}`);
  }
  await feeder.end();
  await feeding;
  const seen = () => new Set(client.of('journal').map(({ json }) => json.journalSeq)).size;
  await station.stop();
  let found = compareAll();
  // What the last run has not delivered comes with the next: the outbox owes it.
  if (found.count.owed > 0 && station.child === null) {
    station.start();
    await within(readyLimit, () => seen() >= found.log.tail);
    await station.stop();
    found = compareAll();
  }
  function compareAll() {
    return compare(station.dataDir, { results: client.of('result'), journal: client.of('journal') });
  }
  failures.push(...found.failures, ...(await soundness(station.dataDir)));
  return { units: count.kills, count: { ...count, ...found.count }, most, failures, scale, notes: [] };
}

export const part = {
  name: 'kill',
  title: 'SIGKILL of the daemon at random moments under triggers, one in five while it starts; an independent MQTT client compares',
  promise: 'A verdict that was published survives the death of the process; the next start is ready and contradicts nothing',
  short: 6,
  long: 500,
  slice: 25,
  run,
  figures({ units, count, most }) {
    const none = (what, n) => ({ what, measured: String(n), goal: '0', ok: n === 0 });
    return [
      { what: 'SIGKILLs', measured: `${units}, ${count.starting} of them while starting`, goal: '500 (short: 6)', ok: units > 0 },
      ...ledgerFigures(count),
      none('journal records that never came', count.owed),
      none('logs not sound after a kill (quick_check, log verify)', count['not sound']),
      {
        what: 'starts that became ready',
        measured: `all but ${count['not ready']}; ${Math.round(count.readyMs / count.starts)} ms on average, ${Math.round(most.readyMs)} ms at the most`,
        goal: 'all',
        ok: count['not ready'] === 0,
      },
    ];
  },
};

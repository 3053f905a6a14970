// A disk that stands still: every sync of the log takes 500 ms more, for some seconds, again and again.
import { Echo } from '../support/echo.mjs';
import { ledgerFigures } from '../support/ledger.mjs';
import { sleep } from '../support/processes.mjs';
import { startSpoilt } from '../support/spoilt.mjs';

const stall = 500; // ms
const period = 250; // ms, of the heartbeat
const ttl = 1500; // ms, the default

async function run(ctx) {
  const spoilt = await startSpoilt(ctx, { set: { 'plc.heartbeat': period, 'plc.ttl': ttl }, feed: { every: 50, most: 4 } });
  if (spoilt.skipped !== undefined) return spoilt;
  const { client, heart, feeder, faults } = spoilt;
  const echo = new Echo(client);
  while (faults.read().stalls < ctx.units && ctx.left() > 0) {
    faults.stall(stall);
    await sleep(1000 + ctx.random() * 2500);
    faults.none();
    await sleep(500 + ctx.random() * 1000);
  }
  const { longest, beats } = heart;
  echo.end();
  const { count, failures, told, unanswered } = await spoilt.finish();
  // By the station's own clock, and as the client saw it, less what the broker took on the way there and back at that time.
  const old = client.of('result').filter(({ json }) => json.age > ttl);
  const own = feeder.answers.map(({ seq, sent, after }) => ({ seq, ms: after - echo.slowest(sent, sent + after) }));
  const late = own.filter(({ ms }) => ms > ttl);
  const stale = client.of('result').filter(({ json }) => json.ok === 1 && json.age > ttl);
  for (const { seq, ms } of late) failures.push(`seq ${seq} was answered after ${Math.round(ms)} ms, the broker's time not counted`);
  if (unanswered.length > 0) failures.push(`never answered: seq ${unanswered.join(', ')}`);
  return {
    units: told.stalls,
    count: { ...count, beats, late: late.length, old: old.length, stale: stale.length },
    most: {
      gap: longest,
      age: Math.max(0, ...client.of('result').map(({ json }) => json.age)),
      answer: Math.max(0, ...own.map(({ ms }) => ms)),
      seen: Math.max(0, ...feeder.answers.map(({ after }) => after)),
    },
    failures,
    scale: { heartbeat: period / 1000 },
    notes: ['the shim lets every fsync and fdatasync below the data directory take 500 ms more, in bursts of 1 to 3.5 s'],
  };
}

export const part = {
  name: 'stall',
  title: 'syncs that take 500 ms more, under triggers',
  promise: 'A slow disk never stops the heartbeat; a part that cannot be logged in time is answered ok 0 in time; no row is lost',
  short: 8,
  long: 500,
  slice: 100,
  run,
  figures({ units, count, most }) {
    const none = (what, n) => ({ what, measured: String(n), goal: '0', ok: n === 0 });
    return [
      { what: 'syncs stalled', measured: String(units), goal: '500 (short: 8)', ok: units > 0 },
      {
        what: 'longest time without a beat',
        measured: `${(most.gap / period).toFixed(2)} periods, of ${count.beats}`,
        goal: 'below 3, where a PLC gives up',
        ok: count.beats > 0 && most.gap < 3 * period,
      },
      { what: 'parts answered ok 0, 502', measured: `${count.refused} of ${count.answers}`, goal: 'some', ok: count.refused > 0 },
      {
        what: 'parts answered after the TTL, or never',
        measured: `${count.old} by the age in the message (at the most ${most.age} of ${ttl} ms), ${count.late} as the client saw it less the broker's time (${Math.round(most.answer)} ms; with it ${Math.round(most.seen)} ms), ${count.unanswered} never`,
        goal: '0',
        ok: count.old === 0 && count.late === 0 && count.unanswered === 0,
      },
      none('ok 1 older than the TTL', count.stale),
      ...ledgerFigures(count),
    ];
  },
};

// The wall clock jumps (libfaketime; the monotonic clock is left alone) under running parts: nothing but labels may change.
import { existsSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { makeBundle } from '../support/bundle.mjs';
import { Driver } from '../support/driver.mjs';
import { eventsOf, withLog } from '../support/log.mjs';
import { sleep, within } from '../support/processes.mjs';
import { between } from '../support/random.mjs';

const libraries = [
  '/usr/lib/x86_64-linux-gnu/faketime/libfaketimeMT.so.1',
  '/usr/lib/aarch64-linux-gnu/faketime/libfaketimeMT.so.1',
  '/usr/lib/faketime/libfaketimeMT.so.1',
];
const library = libraries.find((file) => existsSync(file));

const ttl = 1500; // ms
const heartbeat = 100; // ms
const hour = 3600; // s
const dwell = 2000; // ms from jump to jump
const stay = 14_000; // ms: the station looks for a clock that was set every 10 s; in the short form only its next start does
const stayEach = 10; // jumps
const since1970 = Math.floor(Date.now() / 1000);

/** Seconds that the station's wall clock is off: it begins in 1970, comes to now, and from there jumps to and fro. */
const offsets = (n) => [0, -24 * hour, 0, hour, -hour, hour, -hour, 365 * 24 * hour, -since1970 + hour, 0][n % 10];

/** Heartbeats: gaps, in periods. */
function beatsOf(client) {
  const seen = { gaps: [], last: null };
  client.on(({ topic, at }) => {
    if (topic !== 'heartbeat') return;
    if (seen.last !== null) seen.gaps.push((at - seen.last) / heartbeat);
    seen.last = at;
  });
  return seen;
}

const pictures = (dir) =>
  existsSync(join(dir, 'images'))
    ? readdirSync(join(dir, 'images'), { recursive: true }).filter((name) => name.endsWith('.jpg')).length
    : 0;

export const part = {
  name: 'clock',
  title:
    "the station's wall clock set: 1970 to now, a day back, an hour to and fro every 2 s, a year ahead (libfaketime, monotonic clock not faked)",
  promise:
    'no connection lost, no verdict late or early, order by seq intact, rows say whether the clock is to be trusted, a set clock is an event, nothing is deleted',
  short: 2,
  long: 200,
  slice: 50,

  async run(ctx) {
    if (library === undefined) return { skipped: 'libfaketime is not installed (apt-get install faketime)' };
    const broker = await ctx.broker();
    const file = join(ctx.dir, 'offset');
    const set = (seconds) => writeFileSync(file, `${seconds < 0 ? '' : '+'}${seconds}\n`);
    const station = ctx.station({
      url: broker.url,
      set: {
        'bundle.path': makeBundle(join(ctx.dir, 'bundle')),
        'plc.ttl': ttl,
        'recipe.teach.shots': 8,
        'recipe.teach.heldOut': 8,
        'evidence.pictures': 'all',
        'evidence.width': 64,
        'images.okDays': 1,
        'images.notOkDays': 1,
        'images.unreviewedDays': 1,
        'images.protectDays': 0,
        'log.keepDays': 1,
      },
      env: {
        LD_PRELOAD: library,
        FAKETIME_TIMESTAMP_FILE: file,
        FAKETIME_NO_CACHE: '1',
        FAKETIME_DONT_FAKE_MONOTONIC: '1',
        NO_FAKE_STAT: '1',
      },
    });
    const client = await ctx.client({
      url: broker.url,
      base: station.base,
      topics: ['ack', 'result', 'heartbeat', 'journal'],
      keep: false,
    });
    const plc = new Driver(client, { ttl, inFlight: 2, perSecond: 8 });
    const wrongCodes = [];
    client.on(({ topic, json }) => {
      if (topic === 'result' && json !== undefined && ![0, 101].includes(json.resultEvaluationCode))
        wrongCodes.push(`part ${json.seq} got ${json.resultEvaluationCode}`);
    });
    set(-since1970 + 60);
    station.start();
    await station.ready();
    let starts = 1;
    const beats = beatsOf(client);
    plc.running = true;
    await within(20_000, () => plc.counts.results >= 5);
    const failures = [];
    let [jumps, stays, seen, lost] = [0, 0, 0, 0];
    const steps = () => eventsOf(station.dataDir).filter(({ kind }) => kind === 'clockStep').length;
    while (jumps < ctx.units && ctx.left() > 0) {
      const n = ctx.done + jumps;
      const before = { results: plc.counts.results, pictures: pictures(station.dataDir), steps: steps() };
      set(offsets(n) + between(ctx.random, 0, 59) * 0.001);
      jumps++;
      const long = n % stayEach === (ctx.short ? 0 : stayEach - 2);
      await sleep(long && !ctx.short ? stay : dwell);
      if (plc.counts.results === before.results)
        failures.push(`no part was judged after the clock was set by jump ${n}: ${station.tail(400)}`);
      if (long) {
        stays++;
        const noticed = steps() > before.steps;
        // A start within the jump: retention reads the clocks then, and nobody was there in between.
        plc.running = false;
        await within(ttl + 500, () => plc.open.size === 0);
        const kept = pictures(station.dataDir);
        await station.kill('SIGTERM');
        beats.last = null;
        station.start();
        await station.ready();
        starts++;
        plc.running = true;
        await sleep(1000);
        lost += Math.max(0, kept - pictures(station.dataDir));
        if (noticed || (ctx.short && steps() > before.steps)) seen++;
        else failures.push(`the clock was set and no event says so (jump ${n})`);
      }
      lost += Math.max(0, before.pictures - pictures(station.dataDir));
    }
    plc.running = false;
    await within(ttl + 500, () => plc.open.size === 0);
    plc.end();
    await station.stop('SIGTERM');
    const connects = readFileSync(station.log, 'utf8').split('"connected to the MQTT broker"').length - 1;
    const rows = withLog(station.dataDir, (db) =>
      db
        .prepare(
          'SELECT seq, mono_ms, clock_trusted AS trusted, opened_utc AS utc, boot_id AS boot FROM inspections WHERE seq > 0 ORDER BY journal_seq',
        )
        .all(),
    );
    const disordered = rows.filter(
      (row, i) => i > 0 && (row.seq <= rows[i - 1].seq || (row.boot === rows[i - 1].boot && row.mono_ms < rows[i - 1].mono_ms - ttl)),
    ).length;
    const mislabelled = rows.filter(({ trusted, utc }) => (trusted === 1) !== Date.parse(utc) >= Date.UTC(2026, 10, 1)).length;
    const deletions = eventsOf(station.dataDir).filter(({ kind }) => kind === 'picturesDeleted' || kind === 'recordsRemoved').length;
    failures.push(...plc.misses, ...wrongCodes);
    const gaps = [...beats.gaps].sort((a, b) => a - b);
    return {
      units: jumps,
      count: {
        ...{
          rows: rows.length,
          untrusted: rows.filter(({ trusted }) => trusted === 0).length,
          disordered,
          mislabelled,
          deletions,
          lost,
          stays,
          seen,
        },
        reconnects: connects - starts,
        untimely: plc.misses.length + wrongCodes.length,
        ...{ unlogged: Math.max(0, plc.counts.acks - rows.length), beats: gaps.length, periods: gaps.reduce((sum, gap) => sum + gap, 0) },
        stuck: failures.length - plc.misses.length - wrongCodes.length,
      },
      most: { gap: gaps.at(-1) ?? 0 },
      failures,
      scale: { heartbeat: heartbeat / 1000 },
      notes: [`${library}; FAKETIME_DONT_FAKE_MONOTONIC=1: a machine whose monotonic clock jumps is beyond this part`],
    };
  },

  figures({ units, count, most }) {
    const zero = (what, n) => ({ what, measured: String(n), goal: '0', ok: n === 0 });
    return [
      zero(`connections to the broker lost under ${units} jumps`, count.reconnects),
      zero(`verdicts late, missing, or an error, of ${count.rows} parts`, count.untimely + count.unlogged + count.stuck),
      zero('rows out of order (journalSeq, seq, monotonic time)', count.disordered),
      {
        ...zero(`rows whose clockTrusted is wrong, ${count.untrusted} of them written in the past`, count.mislabelled),
        ok: count.mislabelled === 0 && count.untrusted > 0,
      },
      zero('pictures or records deleted', count.deletions + count.lost),
      {
        what: 'clocks that were set and stayed so, with an event in the log',
        measured: `${count.seen} of ${count.stays}`,
        goal: 'all',
        ok: count.seen === count.stays && count.stays > 0,
      },
      {
        what: 'heartbeats in a period (the largest gap is of this machine and its load as well)',
        measured: `${(count.beats / count.periods).toFixed(3)} of ${count.beats}; largest gap ${most.gap.toFixed(1)} periods`,
        goal: '0.9 to 1.1',
        ok: Math.abs(count.beats / count.periods - 1) <= 0.1,
      },
    ];
  },
};

// Guaranteed delivery while brokers and daemons fall: a MES must have every record in the end, told apart by journalSeq, and nothing a
// gate acts on may come late or be retained.
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { hasMosquitto } from '../support/broker.mjs';
import { makeBundle } from '../support/bundle.mjs';
import { Driver } from '../support/driver.mjs';
import { hashesOf, verdictsOf } from '../support/log.mjs';
import { Mes } from '../support/mes.mjs';
import { within } from '../support/processes.mjs';
import { Relay } from '../support/relay.mjs';
import { troubles } from '../support/troubles.mjs';

const ttl = 1500; // ms
const stuck = 90_000; // ms without a verdict
const long = { verdicts: 5000, restarts: 20, kills: 10 };
const short = { verdicts: 400, restarts: 2, kills: 1 };

/** [trouble, broker, persistence]; aedes as verdictd embeds it keeps nothing, so there is no choice for it. */
const cells = Object.keys(troubles).flatMap((trouble) => [
  { trouble, kind: 'mosquitto', persistence: true },
  { trouble, kind: 'mosquitto', persistence: false },
  { trouble, kind: 'aedes', persistence: false },
]);
/** Of a short run: the one where a confirmed message is lost for sure. */
const shortCells = [{ trouble: 'kill', kind: 'mosquitto', persistence: false }];

const held =
  'late under `stop`: what a stopped broker had taken into its sockets it hands on when it goes on; the PLC rejects it by T_result (part stale)';

const nameOf = ({ trouble, kind, persistence }) => `${trouble}, ${kind}${persistence ? ' with persistence' : ''}`;

/** Moments, in verdicts, at which things happen: drawn, in order. */
function moments({ verdicts, restarts, kills }, random) {
  const at = (what) => ({ what, after: Math.floor(verdicts * (0.02 + 0.95 * random())) });
  const all = [...Array.from({ length: restarts }, () => at('trouble')), ...Array.from({ length: kills }, () => at('kill'))];
  return all.sort((a, b) => a.after - b.after);
}

async function runCell(ctx, cell, size) {
  const { dir, random } = ctx;
  const trouble = troubles[cell.trouble];
  const credentials = trouble.credentials ?? {};
  const settings = trouble.prepare?.({ dir, kind: cell.kind }) ?? [];
  const broker = await ctx.broker({ kind: cell.kind, persistence: cell.persistence, settings });
  const proxy = trouble.proxied?.(cell.kind) ? await new Relay().start({ to: broker.port }) : null;
  const url = proxy === null ? broker.url : `mqtt://127.0.0.1:${proxy.port}`;
  const passwordFile = join(dir, 'password');
  writeFileSync(passwordFile, credentials.password ?? '', { mode: 0o600 });
  const login = credentials.username === undefined ? {} : { 'plc.username': credentials.username, 'plc.passwordFile': passwordFile };
  const set = { 'bundle.path': makeBundle(join(dir, 'bundle')), 'plc.ttl': ttl, 'line.maxOpen': 8, ...login };
  const station = ctx.station({ url, set, credentials });
  const base = station.base;
  const mes = new Mes(await ctx.client({ url, base, topics: ['journal', 'cmd/rsp'], session: 'mes', keep: false, credentials }));
  const plc = new Driver(await ctx.client({ url, base, topics: ['ack', 'result', 'heartbeat'], keep: false, credentials }), { ttl });
  const watching = mes.run();
  station.start();
  await station.ready();
  plc.running = true;
  let [troubled, killed] = [0, 0];
  for (const { what, after } of [...moments(size, random), { what: 'end', after: size.verdicts }]) {
    let [before, since] = [plc.counts.results, performance.now()];
    const came = await within(Number.POSITIVE_INFINITY, () => {
      if (plc.counts.results > before) [before, since] = [plc.counts.results, performance.now()];
      return plc.counts.results >= after || performance.now() - since > stuck;
    });
    if (!came || plc.counts.results < after) throw new Error(`no verdict for ${stuck / 1000} s after ${before}: ${station.tail()}`);
    if (what === 'kill') {
      await station.kill('SIGKILL');
      station.start();
      killed++;
    } else if (what === 'trouble') await trouble.begin({ broker, proxy, dir, random, n: troubled++ });
  }
  plc.running = false;
  await within(ttl + 500, () => plc.open.size === 0);
  plc.end();
  // A MES that asks must not meet a station that is still connecting.
  await within(60_000, () => plc.ready());
  const settled = await mes.settle();
  mes.stop();
  await watching;
  // What the stop itself adds to the log is the next day's business: the log is read as it was when the MES had settled.
  const last = mes.highest;
  await station.stop('SIGTERM');
  await proxy?.end();
  return { ...judged({ station, mes, plc, last, settled }), troubled, killed, mes: mes.counts, plc: plc.counts, slowest: plc.slowest };
}

/** The MES's records and the PLC's verdicts against the log. */
function judged({ station, mes, plc, last, settled }) {
  const hashes = hashesOf(station.dataDir);
  const verdicts = verdictsOf(station.dataDir);
  const failures = [];
  let [lost, contradictory, unreleased] = [0, mes.counts.contradictory, 0];
  for (const [seq, hash] of hashes) {
    if (seq > last) continue;
    const record = mes.records.get(seq);
    if (record === undefined) lost++;
    else if (JSON.parse(record).hash !== hash) contradictory++;
  }
  for (const seq of mes.records.keys()) if (!hashes.has(seq)) contradictory++; // a record that is in no log
  for (const [resultId, { seq, partId }] of plc.accepted) {
    const row = verdicts.get(resultId);
    if (row?.released !== 1 || row.seq !== seq || row.part_id !== partId) unreleased++;
  }
  if (!settled) failures.push('the MES did not come to an end: replays kept failing');
  return { failures, lost, contradictory, unreleased, verdicts: verdicts.size, records: hashes.size };
}

export const part = {
  name: 'brokers',
  title: 'brokers restarted, killed, stopped, refusing and flapping, and daemons killed, under a running line',
  promise: 'every record reaches a MES that asks for gaps, at least once and unchanged; no verdict comes late or retained',
  short: shortCells.length,
  long: cells.length,
  slice: 1,

  async run(ctx) {
    if (!hasMosquitto) return { skipped: 'mosquitto is not installed (apt-get install mosquitto)' };
    const size = ctx.short ? short : long;
    const cell = (ctx.short ? shortCells : cells)[ctx.done];
    const name = nameOf(cell);
    const began = performance.now();
    const seen = await runCell(ctx, cell, size);
    const { mes, plc, ...rest } = seen;
    const extra = mes.duplicates / Math.max(1, rest.records);
    const line =
      `${name}: ${rest.verdicts} verdicts, ${rest.records} records, ${rest.troubled} x broker, ${rest.killed} x daemon; lost ${rest.lost}, ` +
      `duplicates ${mes.duplicates} (${(100 * extra).toFixed(2)} %), contradictory ${rest.contradictory}, out of order ${mes.outOfOrder}, ` +
      `replays ${mes.replays}; ok 1 ${plc.ok}, of these late ${plc.lateOk}, too old ${plc.tooOld}; results late ${plc.late}; ` +
      `slowest ok 1 in time ${Math.round(rest.slowest)} ms; ${((performance.now() - began) / 1000).toFixed(0)} s`;
    ctx.say(line);
    const { contradictory, unreleased, lost, verdicts, records, troubled, killed } = rest;
    // 3 % of 5,000 at 30 troubles is 5 a trouble. The short form has as few as 200 records: there a share says how many troubles there were.
    const allowed = ctx.short ? 5 * (troubled + killed) : 0.03 * records;
    return {
      units: 1,
      count: {
        ...{ verdicts, records, lost, contradictory, unreleased, troubled, killed, over: mes.duplicates > allowed ? 1 : 0 },
        ...{ received: mes.received, duplicates: mes.duplicates, replays: mes.replays, refusedReplays: mes.refused },
        // A broker that was stopped still holds what its sockets had taken, and hands it on when it goes on: nobody can take that back.
        held: cell.trouble === 'stop' ? plc.lateOk : 0,
        ...{
          ok: plc.ok,
          lateOk: cell.trouble === 'stop' ? 0 : plc.lateOk,
          tooOld: plc.tooOld,
          retained: plc.retained,
          foreign: plc.foreign,
          late: plc.late,
        },
        short: verdicts < size.verdicts ? 1 : 0,
      },
      most: { duplicates: extra, slowest: rest.slowest },
      failures: rest.failures.map((text) => `${name}: ${text}`),
      scale: { heartbeat: 0.1, 'broker stopped (8 s)': 0.25 },
      notes: [line, ...(cell.trouble === 'stop' ? [held] : [])],
    };
  },

  figures({ units, count, most }) {
    const zero = (what, n) => ({ what, measured: String(n), goal: '0', ok: n === 0 });
    return [
      zero(`records of the journal lost after replay, of ${count.records} in ${units} cells`, count.lost),
      zero('records that contradict each other or the log', count.contradictory),
      {
        what: 'records that came more than once, the worst cell',
        measured: `${(100 * most.duplicates).toFixed(2)} %`,
        goal: '3 % (short: 5 a trouble, the same at 30 troubles in 5,000)',
        ok: count.over === 0,
      },
      zero(`ok 1 older than its TTL by its own age, of ${count.ok}`, count.tooOld),
      zero('ok 1 that came after T_result of the PLC, a stopped broker aside', count.lateOk),
      zero('ok 1 of another part', count.foreign),
      zero('ok 1 that the log does not know as released', count.unreleased),
      zero('actuation messages retained', count.retained),
      zero('cells with fewer verdicts than asked for', count.short),
    ];
  },
};

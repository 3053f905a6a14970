// The hunt for a stale pass: a PLC, a broker, a line, a camera and a daemon are stopped, cut and killed under running parts, and no gate
// may open by a verdict that is old, another part's, or of a picture that was not taken for it.
import { spawn } from 'node:child_process';
import { createRequire } from 'node:module';
import { fileURLToPath } from 'node:url';
import { hasMosquitto } from '../support/broker.mjs';
import { faultNames, faults } from '../support/faults.mjs';
import { Cable } from '../support/netns.mjs';
import { freePort, sleep, within } from '../support/processes.mjs';
import { Relay } from '../support/relay.mjs';
import { makeRig, noCamera } from '../support/rig.mjs';
import { Witness } from '../support/witness.mjs';

const { monotonicMs } = createRequire(import.meta.url)('../../../dist/clock.js');
const plcProgram = fileURLToPath(new URL('../support/simulated_plc.cjs', import.meta.url));

const heartbeat = 100; // ms
const ttl = 500; // ms
const limit = 3 * heartbeat + 200; // ms: by then the PLC rejects everything
const period = 120; // ms from part to part
const recovery = 60_000; // ms
const canaryTries = 10;
const canaryPeriod = 2000; // ms: the part still stands at the camera when what is held comes
const canaryPatience = 10_000; // ms
const beforeEach = 2; // gates opened between two faults, so that the next one meets a running line

/** How long fault number `n` lasts, in heartbeats: 0.1 to 5; one in three longer than the PLC's patience, so that it must have noticed. */
const lasting = (n, random) => (n % 3 === 0 ? 5.5 + 7 * random() : 0.1 + 4.9 * random()) * heartbeat;

/** The cable between daemon and broker: a network namespace where this account may, else a proxy. */
async function lineOf(ctx) {
  const cable = new Cable();
  const refused = cable.lay();
  if (refused === null) {
    const port = await freePort();
    const broker = await ctx.broker({ settings: [`listener ${port} ${cable.address}`] });
    const url = `mqtt://${cable.address}:${port}`;
    const note = 'link down: a network namespace whose cable (veth) is taken down';
    return { broker, url, wrapper: cable.wrapper, link: (out) => cable.pull(out), end: async () => cable.remove(), note };
  }
  cable.remove();
  const broker = await ctx.broker();
  const proxy = await new Relay().start({ to: broker.port });
  const note = `link down: a proxy that freezes both ways (no network namespace: ${refused})`;
  return { broker, url: `mqtt://127.0.0.1:${proxy.port}`, wrapper: [], link: (out) => proxy.freeze(out), end: () => proxy.end(), note };
}

function startPlc(options) {
  const plc = spawn(process.execPath, [plcProgram, JSON.stringify(options)], { stdio: ['ignore', 'pipe', 'inherit'] });
  const undo = () => plc.kill('SIGKILL');
  process.once('exit', undo);
  plc.once('exit', () => process.removeListener('exit', undo));
  return plc;
}

/** One fault on a running line; what it took the PLC to reject, and the line to come back. Throws where it does not. */
async function strike(n, at, witness) {
  // In turn: every kind as often as any other, and as often long.
  const name = faultNames[n % faultNames.length];
  const fault = faults[name];
  const { random } = at;
  const opened = witness.opens.length;
  if (!(await within(recovery, () => witness.opens.length >= opened + beforeEach)))
    throw new Error(`no part passes before ${name}: ${at.station.tail()}`);
  await sleep(random() * period);
  const lasts = lasting(n, random);
  const began = monotonicMs();
  await fault.begin(at);
  await sleep(Math.max(0, began + lasts - monotonicMs()));
  const ended = monotonicMs();
  const state = { ...witness.state };
  await fault.end(at);
  const over = monotonicMs();
  const seen = { name, began, ended, rejected: null, late: null };
  // A PLC that was stopped itself reports nothing meanwhile.
  if (fault.silences && name !== 'allStop' && ended - began > limit)
    seen.rejected = state.name === 'reject' ? Math.max(0, state.at - began) : Infinity;
  const before = witness.opens.length;
  if (!(await within(recovery, () => witness.opens.slice(before).some((open) => open.at - open.waited > over)))) {
    throw new Error(`no part passes after ${name}: ${at.station.tail()}`);
  }
  const back = witness.opens.slice(before).find((open) => open.at - open.waited > over);
  if (fault.silences || fault.blinds) seen.late = witness.opens.filter((open) => open.at > began + limit && open.at < ended).length;
  return { ...seen, recovered: back.at - over };
}

/**
 * Whether the hunt would see a stale pass at all: a PLC without timers must act on one that a stopped broker hands on late. How many of
 * its acceptances the witness calls wrong.
 */
async function canary({ broker, url, base, client }) {
  const patient = { tAck: 60_000, tResult: 60_000, heartbeat: 60_000, acceptSimulated: false };
  const plc = startPlc({ url, base, period: canaryPeriod, rule: patient, heartbeat: false, travel: 1000, lastSeq: 1_000_000_000 });
  const witness = new Witness(plc, client, { ttl });
  for (let n = 0; n < canaryTries && witness.wrong.length === 0; n++) {
    // Stopped at once when a trigger has gone through: what the station says of that part is held.
    const stopped = await new Promise((resolve) => {
      const end = (done) => {
        off();
        clearTimeout(timer);
        resolve(done);
      };
      const off = client.on(({ topic }) => topic === 'trigger' && end(broker.end('SIGSTOP')));
      const timer = setTimeout(end, canaryPatience, null);
    });
    if (stopped === null) break;
    await sleep(1.5 * ttl); // longer, and the station gives the connection up
    await broker.end('SIGCONT');
    await sleep(ttl);
  }
  plc.kill('SIGTERM');
  await witness.ended;
  return witness.wrong.length;
}

export const part = {
  name: 'stale',
  title: 'the hunt for a stale pass: stops, cuts, kills and camera faults under a simulated PLC',
  promise:
    'no gate opens by a verdict that is old, of another part, or of a picture not taken for it; the PLC rejects within 3 heartbeats + 0.2 s',
  short: 10,
  long: 1000,
  slice: 50,

  async run(ctx) {
    if (!hasMosquitto) return { skipped: 'mosquitto is not installed (apt-get install mosquitto)' };
    if (noCamera !== null) return { skipped: noCamera };
    const { random } = ctx;
    const line = await lineOf(ctx);
    const { broker } = line;
    const set = { 'plc.ttl': ttl, 'plc.margin': 100, 'plc.heartbeat': heartbeat };
    const { station, frames, camera, scale } = await makeRig(ctx, { broker, url: line.url, wrapper: line.wrapper, set });
    const client = await ctx.client({ url: broker.url, base: station.base, topics: ['ack', 'result', 'trigger'], keep: false });
    station.start();
    const rule = { tAck: 100, tResult: ttl, heartbeat, acceptSimulated: false };
    const plc = startPlc({ url: broker.url, base: station.base, period, rule, heartbeat: false });
    const witness = new Witness(plc, client, { ttl });
    const at = { station, broker, plc, camera, link: line.link, random };
    const struck = [];
    const failures = [];
    try {
      while (struck.length < ctx.units && ctx.left() > 0) {
        struck.push(await strike(ctx.done + struck.length, at, witness));
      }
    } catch (thrown) {
      failures.push(thrown.message);
      for (const process of [plc, broker.child, station.child]) process?.kill('SIGCONT');
    }
    plc.kill('SIGTERM');
    await witness.ended;
    const sung = failures.length === 0 ? await canary({ broker, url: broker.url, base: station.base, client }) : null;
    await station.stop('SIGTERM');
    await line.end();
    await witness.judge(station.dataDir, frames);
    failures.push(...witness.wrong);
    return {
      ...tallyOf(struck, witness, failures, sung),
      scale: { heartbeat: heartbeat / 1000, ttl: ttl / 1500, ...scale },
      notes: [line.note],
    };
  },

  figures({ units, count, most }) {
    const zero = (what, n) => ({ what, measured: String(n), goal: '0', ok: n === 0 });
    return [
      zero(`stale or foreign passes acted on, of ${count.accepted} acceptances under ${units} faults`, count.wrong),
      {
        what: 'the same hunt with a PLC that has no timers (canary) finds a stale pass',
        measured: count.canary > 0 ? 'it does' : 'it does not',
        goal: 'it does',
        ok: count.canary > 0,
      },
      zero('gates opened during a fault, later than 3 heartbeats + 0.2 s into it', count.openedLate),
      {
        what: `PLC rejects everything, of ${count.mustReject} faults that lasted longer (3 heartbeats + 0.2 s = ${limit / heartbeat} of this scale)`,
        measured: `at most ${(most.reject / heartbeat).toFixed(2)} heartbeats`,
        goal: `${limit / heartbeat} heartbeats`,
        ok: count.mustReject > 0 && most.reject <= limit,
      },
      zero('faults that the line did not come back from by itself', count.stuck),
      {
        what: 'a part passes after the end of a fault',
        measured: `at most ${(most.recovered / 1000).toFixed(1)} s`,
        goal: '60 s',
        ok: most.recovered <= recovery,
      },
    ];
  },
};

function tallyOf(struck, witness, failures, sung) {
  const { counts, opens, wrong, unheard } = witness;
  const rejects = struck.filter(({ rejected }) => rejected !== null).map(({ rejected }) => rejected);
  const kinds = faultNames.map((name) => ({ name, of: struck.filter((one) => one.name === name) }));
  const late = (of) => of.reduce((sum, one) => sum + (one.late ?? 0), 0);
  return {
    units: struck.length,
    count: {
      ...Object.fromEntries(kinds.map(({ name, of }) => [`faults.${name}`, of.length])),
      ...Object.fromEntries(kinds.map(({ name, of }) => [`openedLate.${name}`, late(of)])),
      accepted: opens.length,
      canary: sung === null ? 0 : sung > 0 ? 1 : 0,
      wrong: wrong.length,
      unheard,
      mustReject: rejects.length,
      openedLate: late(struck),
      stuck: failures.length - wrong.length,
      parts: counts?.parts ?? 0,
      through: counts?.through ?? 0,
      diverted: counts?.diverted ?? 0,
    },
    most: {
      ...Object.fromEntries(kinds.map(({ name, of }) => [`recovered.${name}`, Math.max(0, ...of.map(({ recovered }) => recovered))])),
      reject: Math.max(0, ...rejects),
      recovered: Math.max(0, ...struck.map(({ recovered }) => recovered)),
    },
    failures,
  };
}

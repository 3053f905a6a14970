// Worker threads that end, throw, fail and hang under running parts: each part gets its no in time, and the line comes back by itself.
import { mkdirSync, readdirSync } from 'node:fs';
import { createConnection } from 'node:net';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { makeBundle } from '../support/bundle.mjs';
import { Driver } from '../support/driver.mjs';
import { verdictsOf } from '../support/log.mjs';
import { sleep, within } from '../support/processes.mjs';
import { between } from '../support/random.mjs';

const inside = fileURLToPath(new URL('../support/inside.cjs', import.meta.url));
const ttl = 1000; // ms
const recovery = 60_000; // ms
const still = 4000; // ms into a long hang: the heartbeat must have stopped
const whole = 33_000; // ms: longer than the 30 s after which the worker is given up
const [inference, store] = ['inspect-worker', 'store-worker'];

/** What is done, to whom, and which codes its parts may get: 0 and 101 are verdicts. */
const harms = [
  { name: 'inference ends', worker: inference, command: () => 'exit', codes: [401, 402, 403, 404] },
  { name: 'inference throws', worker: inference, command: () => 'throw', codes: [401, 402, 403, 404] },
  {
    name: 'inferences fail',
    worker: inference,
    command: (r) => `failRuns ${between(r, 1, 8)}`,
    codes: [401, 402, 403, 404],
    mustShow: true,
  },
  {
    name: 'inference hangs',
    worker: inference,
    command: (r) => `hangRun ${between(r, 1200, 3000)}`,
    codes: [401, 402, 403, 404],
    mustShow: true,
  },
  { name: 'log ends', worker: store, command: () => 'exit', codes: [502] },
  { name: 'log throws', worker: store, command: () => 'throw', codes: [502] },
  { name: 'log hangs', worker: store, command: (r) => `hang ${between(r, 1200, 3000)}`, codes: [502], mustShow: true },
  {
    name: 'inference hangs for good',
    worker: inference,
    command: () => `hangRun ${whole}`,
    codes: [401, 402, 403, 404],
    mustShow: true,
    long: true,
  },
];
const shortHarms = harms.filter(({ long }) => !long);

/** The newest thread of a program: an older one may hang there still. */
function newest(folder, worker) {
  const numbers = readdirSync(folder).flatMap((name) => (name.startsWith(`${worker}-`) ? [Number(name.slice(worker.length + 1))] : []));
  return join(folder, `${worker}-${Math.max(...numbers)}`);
}

/** One command to one worker; resolves once it has taken it. */
function tell(path, line) {
  return new Promise((resolve, reject) => {
    const socket = createConnection(path);
    socket.on('error', reject);
    socket.on('connect', () => socket.write(`${line}\n`));
    socket.on('data', (reply) => (reply.toString().startsWith('ok') ? resolve() : reject(new Error(`${line}: ${reply}`))));
  });
}

/** What a part was answered with, by seq. */
function watch(client) {
  const seen = { answers: [], beats: [] };
  client.on(({ topic, json, at }) => {
    if (json === undefined) return;
    if (topic === 'result') seen.answers.push({ at, code: json.resultEvaluationCode, ok: json.ok, seq: json.seq, state: json.resultState });
    if (topic === 'ack' && json.ack === 0) seen.answers.push({ at, code: json.code, ok: 0, seq: json.seq, refused: true });
    if (topic === 'heartbeat') seen.beats.push({ at, hb: json.hb });
  });
  return seen;
}

const judged = ({ refused, state, code }) => !refused && state === 1 && (code === 0 || code === 101);

async function harm(one, { random, folder, seen, station }) {
  const before = performance.now();
  seen.answers.length = 0;
  if (!(await within(recovery, () => seen.answers.some(judged))))
    throw new Error(`nothing is judged before "${one.name}": ${station.tail()}`);
  await sleep(between(random, 0, 200));
  const began = performance.now();
  seen.answers.length = 0;
  seen.beats.length = 0;
  const command = one.command(random);
  await tell(newest(folder, one.worker), command);
  const lasts = Number(/^hang\w* (\d+)/.exec(command)?.[1] ?? 0);
  await sleep(Math.max(300, Math.min(lasts, whole)));
  const wanted = () => seen.answers.some((answer) => judged(answer) && answer.at > began + Math.max(lasts > 30_000 ? 30_000 : lasts, 300));
  if (!(await within(recovery, wanted))) throw new Error(`nothing is judged after "${one.name}" (${command}): ${station.tail()}`);
  const struck = seen.answers.filter((answer) => !judged(answer) && answer.at < began + recovery);
  const foreign = struck.filter(({ code, refused }) => !(one.codes.includes(code) || (refused && [201, 202, ...one.codes].includes(code))));
  const first = seen.answers.find((answer) => judged(answer) && answer.at > began + 300 && struck.every(({ at }) => at < answer.at));
  const late = seen.beats.filter(({ at }) => at > began + still && at < began + Math.min(lasts, 29_000)).map(({ hb }) => hb);
  return {
    ...{
      struck: struck.length,
      passed: struck.filter(({ ok }) => ok === 1).length,
      unseen: one.mustShow === true && struck.length === 0 ? 1 : 0,
    },
    foreign: foreign.map(({ code, seq }) => `${one.name}: part ${seq} got ${code}`),
    moved: one.long && new Set(late).size > 1 ? 1 : 0,
    recovered: (first?.at ?? performance.now()) - began - lasts,
    waited: began - before,
  };
}

export const part = {
  name: 'worker',
  title: 'worker threads of inference and log that end, throw, fail and hang under running parts',
  promise:
    'each part gets ok 0 with the right code in time, or its verdict; the heartbeat stands still while a thread hangs; the line comes back by itself',
  short: shortHarms.length,
  long: 80,
  slice: 40,

  async run(ctx) {
    const broker = await ctx.broker();
    const folder = join(ctx.dir, 'inside');
    mkdirSync(folder);
    const station = ctx.station({
      url: broker.url,
      set: { 'bundle.path': makeBundle(join(ctx.dir, 'bundle')), 'plc.ttl': ttl, 'recipe.teach.shots': 8, 'recipe.teach.heldOut': 8 },
      nodeArgs: ['--require', inside],
      env: { TORTURE_INSIDE: folder },
    });
    const client = await ctx.client({ url: broker.url, base: station.base, topics: ['ack', 'result', 'heartbeat'], keep: false });
    const seen = watch(client);
    const plc = new Driver(client, { ttl, inFlight: 2, perSecond: 20 });
    station.start();
    await station.ready();
    const child = station.child;
    plc.running = true;
    const list = ctx.short ? shortHarms : harms;
    const done = [];
    const failures = [];
    try {
      while (done.length < ctx.units && ctx.left() > 0)
        done.push(await harm(list[(ctx.done + done.length) % list.length], { random: ctx.random, folder, seen, station }));
    } catch (thrown) {
      failures.push(thrown.message);
    }
    plc.running = false;
    await within(ttl + 500, () => plc.open.size === 0);
    plc.end();
    if (station.child !== child) failures.push(`the station ended: ${station.tail()}`);
    await station.stop('SIGTERM');
    const stuck = failures.length;
    const verdicts = [...verdictsOf(station.dataDir).values()];
    const bySeq = new Map();
    for (const row of verdicts) bySeq.set(row.seq, (bySeq.get(row.seq) ?? 0) + 1);
    const doubled = [...bySeq.values()].filter((n) => n > 1).length;
    const unreleased = [...plc.accepted].filter(([resultId]) => verdicts.find((row) => row.result_id === resultId)?.released !== 1).length;
    failures.push(...done.flatMap(({ foreign }) => foreign), ...plc.misses);
    const { counts } = plc;
    return {
      units: done.length,
      count: {
        struck: done.reduce((sum, { struck }) => sum + struck, 0),
        unseen: done.reduce((sum, one) => sum + one.unseen, 0),
        moved: done.reduce((sum, one) => sum + one.moved, 0),
        foreign: done.reduce((sum, one) => sum + one.foreign.length, 0),
        stuck,
        unlogged: counts.acks - bySeq.size,
        ...{
          acks: counts.acks,
          unanswered: counts.unanswered,
          late: counts.late,
          ok: counts.ok,
          lateOk: counts.lateOk + counts.tooOld,
          doubled,
          unreleased,
        },
      },
      most: { recovered: Math.max(0, ...done.map(({ recovered }) => recovered)) },
      failures,
      scale: { heartbeat: 0.1, ttl: ttl / 1500 },
    };
  },

  figures({ units, count, most }) {
    const zero = (what, n) => ({ what, measured: String(n), goal: '0', ok: n === 0 });
    return [
      zero(`parts without an answer within their TTL, of ${count.acks} acknowledged under ${units} harms`, count.unanswered + count.late),
      zero(`answers with a code that is not the harm's, of ${count.struck} that were no verdict`, count.foreign),
      zero('harms without any effect on a part', count.unseen),
      zero('ok 1 that is late, or not released in the log', count.lateOk + count.unreleased),
      zero('parts with two verdicts in the log, or none', count.doubled + count.unlogged),
      zero('heartbeats that moved while a thread hung', count.moved),
      zero('harms that the line did not come back from by itself', count.stuck),
      {
        what: 'a part is judged after the harm',
        measured: `at most ${(most.recovered / 1000).toFixed(1)} s`,
        goal: '60 s',
        ok: most.recovered <= recovery,
      },
    ];
  },
};

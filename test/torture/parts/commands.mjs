// Whatever comes on the topics that others may write: nothing but a refusal follows, and the station judges the next part.
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { Attack, stateOf } from '../support/attack.mjs';
import { makeBundle } from '../support/bundle.mjs';
import { retained } from '../support/hostile.mjs';
import { sleep } from '../support/processes.mjs';

const growth = 32; // MiB, of the resident set, from a fifth of the run to its end; the longest messages are 10 MB
const few = 10; // rounds: fewer are over before a long message has been collected, which is there as packet, buffer and text
/** What the resident set may grow by, MiB. */
const mayGrow = (rounds) => (rounds < few ? growth + 3 * 10 : growth);

const rss = (pid) => Number(/VmRSS:\s+(\d+)/.exec(readFileSync(`/proc/${pid}/status`, 'utf8'))?.[1] ?? 0) / 1024;
const middle = (values) => [...values].sort((a, b) => a - b)[values.length >> 1] ?? 0;

/** A station that connects while all topics hold something valid and retained: it must take none of it, and clear what is its own. */
async function startAmongRetained(station, client, broker, attack, ctx) {
  for (const [topic, payload] of retained) await client.say(topic, payload, { retain: true });
  attack.tally.sent += retained.length;
  station.start();
  await station.ready();
  await sleep(300); // the rest of the introduction
  const late = await ctx.client({ url: broker.url, base: station.base, topics: ['ack', 'result', 'acquired'] });
  await sleep(200);
  for (const { topic, text: held } of late.heard) {
    if (held !== '') attack.changed(`retained on ${topic} after the station was ready: ${held}`);
  }
  await late.end();
  for (const [topic] of retained) await client.say(topic, '', { retain: true });
}

export const part = {
  name: 'commands',
  title:
    'hostile messages on trigger, cmd and plc/heartbeat: noise, nesting, 10 MB, wrong types and numbers, forged keys, retained, floods',
  promise: 'nothing but a refusal follows: no state changes, nothing crashes, memory is flat, the next part is judged',
  short: 300,
  long: 10_000,

  async run(ctx) {
    const broker = await ctx.broker({ kind: 'mosquitto' }).catch((thrown) => thrown);
    if (broker instanceof Error) return { skipped: broker.message };
    const station = ctx.station({ url: broker.url, set: { 'bundle.path': makeBundle(join(ctx.dir, 'bundle')), 'plc.ttl': 5000 } });
    const client = await ctx.client({ url: broker.url, base: station.base, topics: ['state', 'ack', 'cmd/rsp', 'result'], keep: false });
    const attack = new Attack(ctx, station, client);
    await startAmongRetained(station, client, broker, attack, ctx);
    const running = station.child;
    await client.next(({ topic }) => topic === 'state', 20_000);
    attack.listen();
    await attack.part();
    let before = await stateOf(station);
    const sizes = [];
    for (let n = 1; attack.tally.sent < ctx.units && ctx.left() > 0 && attack.failures.length === 0; n++) {
      await attack.round();
      if (n % 4 === 2) await attack.flood();
      await attack.part();
      before = await attack.compare(before, 1);
      sizes.push(rss(station.pid));
      if (station.child !== running) attack.fail(`the station ended: ${station.tail()}`);
    }
    const from = Math.floor(sizes.length / 5);
    const few = Math.max(1, Math.floor(sizes.length / 10));
    const grown = middle(sizes.slice(-few)) - middle(sizes.slice(from, from + few));
    attack.deafen(); // what the stop says is no answer
    const ended = await station.stop('SIGTERM');
    if (ended?.code !== 0) attack.fail(`the station ended with ${JSON.stringify(ended)}: ${station.tail()}`);
    const { tally, failures } = attack;
    return {
      units: tally.sent,
      count: { ...tally, rounds: sizes.length },
      most: { grown, rss: Math.max(0, ...sizes) },
      failures,
      scale: { heartbeat: 0.1 },
    };
  },

  figures({ units, count, most, failed }) {
    const zero = (what, n) => ({ what, measured: String(n), goal: '0', ok: n === 0 });
    return [
      zero(`state changes by ${units} hostile messages`, count.changes),
      zero('rounds in which a message was not answered as it was due, or a crash', failed - count.changes),
      {
        what: 'parts of our own judged between them',
        measured: `${count.good} of ${count.rounds + 1}; ${count.acks} triggers refused, ${count.refusals} commands refused, ${count.floodAnswers} answers in ${count.floods} floods`,
        goal: 'all',
        ok: count.good === count.rounds + 1,
      },
      {
        what: 'resident set, growth from a fifth of the run to its end',
        measured: `${most.grown.toFixed(1)} MiB, at most ${most.rss.toFixed(0)} MiB`,
        goal: `${mayGrow(count.rounds)} MiB`,
        ok: most.grown <= mayGrow(count.rounds),
      },
    ];
  },
};

// A station whose disk the bench can spoil, a line that feeds it, and a client that compares in the end.
import { join } from 'node:path';
import { Heart } from './heart.mjs';
import { compare, soundness } from './ledger.mjs';
import { Feeder } from './plc.mjs';
import { buildShim, Faults, shimmed } from './shim.mjs';

const topics = ['ack', 'result', 'journal', 'heartbeat', 'state', 'bench/echo'];

/**
 * Starts it, ready, with parts coming; {skipped} where there is no C compiler. `set`: of the configuration; `feed`: see Feeder;
 * `faults`: what the disk is like from the start on.
 */
export async function startSpoilt(ctx, { set = {}, feed = {}, faults: first = {} } = {}) {
  const shim = buildShim();
  if (shim.skipped !== undefined) return shim;
  const broker = await ctx.broker();
  const faults = new Faults(join(ctx.dir, 'control'));
  faults.set(first);
  const station = ctx.station({ url: broker.url, set });
  Object.assign(station.env, shimmed({ library: shim.library, dir: station.dataDir, control: faults.file }));
  const client = await ctx.client({ url: broker.url, base: station.base, topics });
  const child = station.start();
  await station.ready();
  const heart = new Heart(client);
  const feeder = new Feeder(client, feed);
  const feeding = feeder.run();

  /** No more parts, no more faults; waits for the last answers, stops the station and compares. */
  const finish = async () => {
    faults.none();
    await feeder.end();
    await feeding;
    const taken = new Set(client.of('ack').flatMap(({ json }) => (json.ack === 1 ? [json.seq] : [])));
    const unanswered = [...feeder.given].filter((seq) => taken.has(seq));
    const died = child.exitCode ?? child.signalCode;
    const failures = died === null ? [] : [`the station ended (${died}): ${station.tail(800)}`];
    await station.stop();
    const told = faults.read();
    faults.end();
    const found = compare(station.dataDir, { results: client.of('result'), journal: client.of('journal') });
    failures.push(...found.failures, ...(await soundness(station.dataDir)));
    const refused = feeder.answers.filter(({ code }) => code === 502).length;
    const count = { ...found.count, answers: feeder.answers.length, refused, unanswered: unanswered.length, died: died === null ? 0 : 1 };
    return { count, failures, told, unanswered };
  };
  return { station, child, client, heart, feeder, faults, finish };
}

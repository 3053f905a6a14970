#!/usr/bin/env node
// npm run torture -- [--short] [--minutes N] [--only NAME,NAME] [--resume] [--seed N] [--report FILE]
// Attacks the station until it breaks a promise: every part of test/torture/parts does one kind of harm, counts what came of it and
// compares that with what was promised. The last line is "N passed, N failed, N skipped", of figures (skipped: parts); exit code 1
// if one failed, 2 for wrong options. A part's tally is kept in out/torture: --resume goes on from there, also part by part.
import { mkdirSync, mkdtempSync, readdirSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { pathToFileURL } from 'node:url';
import { parseArgs } from 'node:util';
import { figuresOf, printPart, summary, writeReport } from './report.mjs';
import { startBroker } from './support/broker.mjs';
import { startClient } from './support/client.mjs';
import { randomOf, seedOf } from './support/random.mjs';
import { makeStation } from './support/station.mjs';
import { add, commitOf, empty, load, save } from './tally.mjs';

const graceMinutes = 2; // beyond its time that a part may take to come to an end
const shortMinute = 1; // that a part may take in --short; on two quiet cores all of them together take two
/** Cheap and fundamental first; parts not named here follow. */
const order = ['powercut', 'kill', 'stall', 'disk', 'ioerror', 'memory', 'worker', 'stale', 'brokers', 'clock', 'commands'];

function options() {
  const { values } = parseArgs({
    options: {
      short: { type: 'boolean', default: false },
      minutes: { type: 'string' },
      only: { type: 'string', multiple: true, default: [] },
      resume: { type: 'boolean', default: false },
      seed: { type: 'string' },
      report: { type: 'string' },
    },
  });
  const number = (name, otherwise) => {
    const given = values[name];
    if (given === undefined) return otherwise;
    if (!/^\d+(\.\d+)?$/.test(given)) throw new Error(`--${name} ${given}: expected a number of at least 0.`);
    return Number(given);
  };
  return {
    ...values,
    only: values.only.flatMap((names) => names.split(',')),
    minutes: number('minutes', Number.POSITIVE_INFINITY),
    seed: Math.floor(number('seed', Math.random() * 2 ** 31)),
  };
}

async function partsOf(only) {
  const folder = new URL('parts/', import.meta.url);
  const found = new Map();
  for (const name of readdirSync(folder).filter((one) => one.endsWith('.mjs'))) {
    const { part } = await import(pathToFileURL(join(folder.pathname, name)).href);
    found.set(part.name, part);
  }
  const unknown = only.filter((name) => !found.has(name));
  if (unknown.length > 0) throw new Error(`--only ${unknown.join(',')}: expected ${[...found.keys()].join(', ')}.`);
  const names = [...order.filter((name) => found.has(name)), ...[...found.keys()].filter((name) => !order.includes(name))];
  return names.filter((name) => only.length === 0 || only.includes(name)).map((name) => found.get(name));
}

/** Rejects where a part goes on long after its time: a bench that hangs shows nothing. Without a limit of time it never does. */
async function overdue(left) {
  while (left() > -graceMinutes * 60_000) await sleep(1000, undefined, { ref: false });
  throw new Error(`it did not come to an end within ${graceMinutes} min of its time`);
}

/** One slice of a part in a fresh folder, which stays where something failed. */
async function slice(part, { short, seed, units, left, at, done }) {
  const dir = mkdtempSync(join(tmpdir(), `verdictd-torture-${part.name}-`));
  const own = seedOf(seed, part.name, at);
  const opened = [];
  let folders = 0;
  const folder = (given) => {
    const path = join(dir, given ?? `station-${++folders}`);
    mkdirSync(path, { recursive: true });
    return path;
  };
  const keep = (thing) => {
    opened.push(thing);
    return thing;
  };
  const ctx = {
    ...{ dir, units, left, short, done, seed: own, random: randomOf(own) },
    say: (text) => console.log(`  ${part.name}: ${text}`),
    station: ({ name, ...rest }) => keep(makeStation({ dir: folder(name), ...rest })),
    broker: async (rest = {}) => keep(await startBroker({ dir, ...rest })),
    client: async (rest) => keep(await startClient(rest)),
  };
  let result;
  try {
    result = await Promise.race([part.run(ctx), overdue(left)]);
  } catch (thrown) {
    result = { units: 0, failures: [`the part itself failed: ${thrown.stack}`] };
  }
  for (const one of opened.reverse()) await (one.watcher !== undefined ? one.stop('SIGKILL') : one.end('SIGKILL')).catch(() => undefined);
  if ((result.failures ?? []).length === 0) rmSync(dir, { recursive: true, force: true });
  else console.log(`  ${part.name}: what it left is in ${dir}`);
  return result;
}

/** Slices until the units are done or the time is up; the tally is saved after each. */
async function runPart(part, { short, resume, seed, deadline, commit }) {
  const goal = short ? part.short : part.long;
  let tally = (resume ? load(part.name, short) : null) ?? empty();
  const left = () => (stopped ? 0 : deadline - performance.now());
  while (tally.units < goal && left() > 0) {
    const began = performance.now();
    const units = Math.min(goal - tally.units, part.slice ?? goal);
    const done = await slice(part, { short, seed, units, left, at: tally.slices, done: tally.units });
    if (done.skipped !== undefined) return { part, goal, skipped: done.skipped };
    tally = add(tally, done);
    tally.seconds += (performance.now() - began) / 1000;
    if (!tally.commits.includes(commit)) tally.commits.push(commit);
    tally.seeds = [...(tally.seeds ?? []), seed].filter((one, i, all) => all.indexOf(one) === i);
    tally.date = new Date().toISOString().slice(0, 10);
    save(part.name, short, tally);
    if (done.units === 0 || (done.failures ?? []).length > 0) break; // a failure is looked at before more are made
  }
  if (tally.slices === 0) return { part, goal, skipped: 'not run: no time was left for it' };
  return { part, goal, tally, figures: figuresOf(part, tally) };
}

let stopped = false;

async function main() {
  const { short, minutes, only, resume, seed, report } = options();
  const parts = await partsOf(only);
  process.on('SIGINT', () => {
    if (stopped) process.exit(130); // asked twice: 128 + 2
    stopped = true;
    console.log('stopping: the unit under way is finished; Ctrl-C once more ends at once');
  });
  process.on('SIGTERM', () => process.exit(143)); // 128 + 15, as a shell says it; a slice that was not finished is not counted
  console.log(`torture: seed ${seed}${short ? ', short' : ''}${Number.isFinite(minutes) ? `, at most ${minutes} min` : ''}`);
  const end = performance.now() + minutes * 60_000;
  const commit = commitOf();
  const results = [];
  for (const [i, part] of parts.entries()) {
    const now = performance.now();
    const share = Number.isFinite(end) ? (end - now) / (parts.length - i) : Number.POSITIVE_INFINITY;
    const deadline = now + (short ? Math.min(share, shortMinute * 60_000) : share);
    const result = await runPart(part, { short, resume, seed, deadline, commit });
    results.push(result);
    printPart(result);
  }
  if (report !== undefined) writeReport(report, results, { short });
  const { line, good } = summary(results);
  console.log(line);
  process.exit(good ? 0 : 1); // whatever a part has left open
}

process.exitCode = 1; // until the last line is out: a part that waits for what never comes lets Node.js end without a word
main().catch((thrown) => {
  console.error(`torture: ${thrown.message}`);
  process.exit(2); // wrong usage, or a bench that cannot begin
});

// Power cuts, simulated: what the real log does to its files is recorded by the shim; of the recording, states are made as a disk may
// hold them when the power goes at any moment, and each is judged.
import { existsSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { Answered, judgeRows, judgeStart } from '../powercut/judge.mjs';
import { Disk, operationsOf, styleNames } from '../powercut/replay.mjs';
import { launch } from '../support/processes.mjs';
import { seedOf } from '../support/random.mjs';
import { buildShim, shimmed } from '../support/shim.mjs';

const script = fileURLToPath(new URL('../powercut/record.cjs', import.meta.url));
const normal = fileURLToPath(new URL('../powercut/normal.cjs', import.meta.url));
/** Parts of each session of a recording, and how it ends. */
const long = [
  [450, 'stop'],
  [600, 'kill'],
  [450, 'stop'],
];
const short = [
  [150, 'kill'],
  [250, 'stop'],
];

/** Records some sessions of a log in `dir`; gives the recording's file. */
async function record(dir, { sessions, seed, shim, node = [] }) {
  mkdirSync(join(dir, 'data'), { recursive: true });
  const file = join(dir, 'recording');
  const env = { ...process.env, ...shimmed({ library: shim, dir: join(dir, 'data'), record: file }) };
  for (const [i, [parts, end]] of sessions.entries()) {
    const args = [...node, script, join(dir, 'data'), String(seed + i), String(parts), end];
    const { code, signal } = await launch(process.execPath, args, { env, log: join(dir, 'record.txt') }).ended;
    if (end === 'kill' ? signal !== 'SIGKILL' : code !== 0)
      throw new Error(`the recording ended with ${code ?? signal}: ${dir}/record.txt`);
  }
  return file;
}

/** Walks through the recording, cuts the power at `cuts` random moments and calls `state(dir, answered, style)` with each state. */
async function replay(file, { cuts, random, left, state }) {
  const operations = operationsOf(file);
  const moments = Array.from({ length: cuts }, () => Math.floor(random() * operations.length)).sort((a, b) => a - b);
  const disk = new Disk();
  const answered = new Answered();
  // Where the machine has memory for it: what is judged there needs no syncs of its own.
  const dir = mkdtempSync(join(existsSync('/dev/shm') ? '/dev/shm' : tmpdir(), 'verdictd-powercut-'));
  try {
    let next = 0;
    let made = 0;
    let syncs = 0;
    for (const [at, operation] of operations.entries()) {
      if (operation.name === 'acks') {
        if (operation.kind === 'W') answered.take(operation.data.toString());
      } else disk.step(operation);
      if (operation.kind === 'S') syncs++;
      for (; moments[next] === at; next++) {
        if (left() <= 0) return { made, operations: at, syncs, answered };
        const style = styleNames[made % styleNames.length];
        rmSync(dir, { recursive: true, force: true });
        mkdirSync(dir);
        for (const [name, bytes] of disk.crash(random, style)) {
          mkdirSync(join(dir, name, '..'), { recursive: true });
          writeFileSync(join(dir, name), bytes);
        }
        await state(dir, answered, style);
        made++;
      }
    }
    return { made, operations: operations.length, syncs, answered };
  } finally {
    rmSync(dir, { recursive: true, force: true });
  }
}

async function run(ctx) {
  const shim = buildShim();
  if (shim.skipped !== undefined) return shim;
  const sessions = ctx.short ? short : long;
  const count = { states: 0, corrupt: 0, faulty: 0, losing: 0, lost: 0, answered: 0, operations: 0, syncs: 0, recordings: 1 };
  const failures = [];
  const seed = seedOf(ctx.seed, 'recording', 0) % 2 ** 31;
  const began = performance.now();
  const file = await record(join(ctx.dir, 'full'), { sessions, seed, shim: shim.library });
  ctx.say(`recorded in ${((performance.now() - began) / 1000).toFixed(1)} s`);
  const made = await replay(file, {
    ...{ cuts: ctx.units, random: ctx.random, left: ctx.left },
    async state(dir, answered, style) {
      const { lost, faults } = judgeRows(dir, answered);
      if (lost === 0 && faults.length === 0) faults.push(...(await judgeStart(dir, answered)));
      faults.push(...answered.notices.splice(0).map((text) => `the recorded log said: ${text}`));
      count.states++;
      count[`states, ${style}`] = (count[`states, ${style}`] ?? 0) + 1;
      count.lost += lost;
      if (lost > 0) count.losing++;
      if (faults.some((fault) => /^(not sound|cannot be read|no start)/.test(fault))) count.corrupt++;
      if (faults.length > 0) count.faulty++;
      if (lost > 0 || faults.length > 0)
        failures.push(`seed ${ctx.seed}, state ${count.states} (${style}): ${lost} lost; ${faults.join('; ')}`);
    },
  });
  Object.assign(count, { operations: made.operations, syncs: made.syncs, answered: made.answered.verdicts.size });
  // The canary: the same with synchronous=NORMAL. If it loses nothing, this bench would not see it if the real log did.
  const canary = await record(join(ctx.dir, 'normal'), { sessions, seed, shim: shim.library, node: ['--require', normal] });
  const canaryCount = { 'canary states': 0, 'canary losing': 0, 'canary lost': 0 };
  await replay(canary, {
    ...{ cuts: Math.max(20, Math.round(ctx.units / 20)), random: ctx.random, left: () => Math.max(1, ctx.left()) },
    async state(dir, answered) {
      const { lost } = judgeRows(dir, answered);
      canaryCount['canary states']++;
      canaryCount['canary lost'] += lost;
      if (lost > 0) canaryCount['canary losing']++;
    },
  });
  return {
    ...{ units: made.made, failures, count: { ...count, ...canaryCount } },
    notes: [
      'recorded: SqliteLog with its worker, three parts at once, pictures, events, labels, audit, delivered mark, retention, checkpoints, clean stops and SIGKILLs; the start of the log, too, is cut',
      'states in equal shares: nothing of what no sync covers; all of it up to a moment; any of the calls; any 512-byte sector',
      'every state: integrity_check, rows answered compared by id, place and hash, log verify, a start of the log, a record written, log verify again',
      'canary: the same recording with synchronous=NORMAL, put in by a module that only the bench loads',
    ],
  };
}

export const part = {
  name: 'powercut',
  title: 'power cuts at random moments of a recorded log, 512-byte sectors torn',
  promise: 'A verdict that was answered as committed survives a power cut, unchanged, in a sound log',
  short: 200,
  long: 10_000,
  slice: 1000,
  run,
  figures({ units, count }) {
    const share = ((100 * count['canary losing']) / count['canary states']).toFixed(0);
    return [
      {
        what: 'power cuts',
        measured: `${units}, of ${count.recordings} recordings with ${count.operations} operations and ${count.syncs} syncs`,
        goal: '10,000 (short: 200)',
        ok: units > 0,
      },
      {
        what: 'verdicts answered and lost or changed',
        measured: `${count.lost} in ${count.losing} states`,
        goal: '0',
        ok: count.lost === 0,
      },
      { what: 'logs damaged', measured: String(count.corrupt), goal: '0', ok: count.corrupt === 0 },
      {
        what: 'logs that break another rule (chain, outbox, numbers, pending parts)',
        measured: String(count.faulty),
        goal: '0',
        ok: count.faulty === 0,
      },
      {
        what: 'canary with synchronous=NORMAL loses verdicts',
        measured: `in ${count['canary losing']} of ${count['canary states']} states (${share} %), ${count['canary lost']} verdicts`,
        goal: 'it does',
        ok: count['canary losing'] > 0,
      },
    ];
  },
};

/** `verdictd plc-sim`: stands in for the PLC at commissioning, over any broker, and says what a gate would have done. */
import { randomBytes } from 'node:crypto';
import { type Command, Option } from 'commander';
import { systemClock } from '../clock';
import { codes } from '../codes';
import { ExitCode, VerdictdError } from '../errors';
import { uniform } from '../evaluate/random';
import { type Decision, defaultRule, type Rejection, type Rule } from '../plc/acceptance';
import { readCredentials } from '../plc/credentials';
import { plcsOf, type ScenarioName, scenarios } from '../plc/scenarios';
import { type Decided, SimulatedPlc, type SimulatorCounts, type SimulatorOptions } from '../plc/simulator';
import type { Context } from './context';
import { integer } from './options';

interface Options {
  url?: string;
  base?: string;
  username?: string;
  passwordFile?: string;
  caFile?: string;
  certFile?: string;
  keyFile?: string;
  scenario: ScenarioName;
  parts?: number;
  period: number;
  recipe: number;
  form: 'json' | 'plain' | 'csv';
  csv?: boolean;
  lastSeq?: number;
  ackWithin: number;
  acceptSimulated?: boolean;
  heartbeat?: boolean;
  wait: number;
  seed: number;
}

const look = 50; // ms

const reasons: Record<Rejection, string> = {
  noAck: 'no ack within T_ack',
  ackRefused: 'trigger refused',
  noAcquired: 'no acquired while it stood at the camera',
  noResult: 'no result before T_result',
  notOk: 'ok 0',
  simulated: 'simulated',
  wrongRecipe: 'another recipe',
  wrongVersion: 'another version of the contract',
  heartbeat: 'the heartbeat did not move',
  superseded: 'triggered again',
  noEdge: 'no sensor edge',
  acquiredEarly: 'acquired before the sensor edge',
};

export function register(program: Command, context: Context): void {
  const names = Object.keys(scenarios) as ScenarioName[];
  const list = names.map((name) => `${name} (${scenarios[name].meaning})`).join('; ');
  program
    .command('plc-sim')
    .description(
      'Stand in for the PLC: trigger parts, check every answer by the accepting rule, say what the gate would do. For commissioning: take the real PLC off the topics first. Exit code 1 where the gate opened wrongly or no part was triggered.',
    )
    .option('--url <url>', 'broker; default: plc.url of the configuration')
    .option('--base <topic>', 'base topic; default: plc.baseTopic of the configuration')
    .option('--username <name>', "the PLC's user at the broker")
    .option('--password-file <file>', 'file with its password')
    .option('--ca-file <file>', 'certificate authorities (PEM) the broker must be signed by')
    .option('--cert-file <file>', 'certificate (PEM), where the broker asks for one')
    .option('--key-file <file>', 'its private key (PEM)')
    .addOption(new Option('--scenario <name>', `what goes wrong: ${list}`).choices(names).default('normal'))
    .option('--parts <n>', 'stop after so many parts; default: go on until a signal', integer(1, 1_000_000))
    .option('--period <ms>', 'from part to part', integer(20, 600_000), 1000)
    .option('--recipe <n>', 'recipe to expect; 0: any', integer(0, 65535), 0)
    .addOption(new Option('--form <form>', 'of the trigger; plain carries no partId').choices(['json', 'plain', 'csv']).default('json'))
    .option('--csv', 'read result/csv in place of result')
    .option('--last-seq <n>', 'last number used; default: as a PLC without memory, ask the heartbeat', integer(0, 2147483647))
    .option(
      '--ack-within <ms>',
      'T_ack; T_result and the heartbeat period are plc.ttl and plc.heartbeat',
      integer(10, 10_000),
      defaultRule.tAck,
    )
    .option('--accept-simulated', 'let simulated parts through; the station must have plc.acceptSimulated too')
    .option('--heartbeat', 'send plc/heartbeat; the station halts (703) when it stops')
    .option('--wait <s>', 'so long for the broker, then for a station that is ready', integer(1, 3600), 30)
    .option('--seed <n>', 'of what a scenario draws', integer(0, 4294967295), 1)
    .action(async (options: Options) => {
      await play(context, options);
    });
}

async function play(context: Context, options: Options): Promise<void> {
  const { io, signal } = context;
  const { plc } = context.config();
  const rule: Rule = {
    tAck: options.ackWithin,
    tResult: plc.ttl,
    heartbeat: plc.heartbeat,
    acceptSimulated: options.acceptSimulated ?? false,
  };
  const shared: SimulatorOptions = {
    url: options.url ?? plc.url,
    base: options.base ?? plc.baseTopic,
    period: options.period,
    rule,
    recipeId: options.recipe,
    form: options.form,
    csvResult: options.csv ?? false,
    heartbeat: options.heartbeat ?? false,
    credentials: readCredentials(options),
    claims: new Map(),
    ...(options.lastSeq === undefined ? {} : { lastSeq: options.lastSeq }),
    ...(options.parts === undefined ? {} : { parts: options.parts }),
  };
  const trouble = { why: '' };
  const run = randomBytes(2).toString('hex');
  const plcs = Array.from({ length: plcsOf(options.scenario) }, (_, n) => {
    const name = String.fromCharCode(65 + n); // A, B
    const { make } = scenarios[options.scenario];
    return new SimulatedPlc({ ...shared, prefix: `${name}${run}-`, scenario: make(rule, uniform(options.seed + n)) }, systemClock, {
      decided: (decision, about) => tellDecision(context, decision, about),
      gate: (part, open) => {
        if (io.json) io.outJson({ plc: name, gate: open ? 'open' : 'shut', part });
      },
      wrong: (why) => (io.json ? io.outJson({ plc: name, wrong: why }) : io.err(`WRONG: PLC ${name}: ${why}`)),
      trouble: (why) => {
        trouble.why = why;
      },
    });
  });
  if (!io.json) {
    io.err(`simulated PLC at ${shared.url}, ${shared.base}, scenario ${options.scenario}: ${scenarios[options.scenario].meaning}`);
    io.out(header);
  }
  try {
    for (const one of plcs) one.start();
    await until(signal, options.wait * 1000, () => plcs.every((one) => one.connected));
    if (!signal.aborted && plcs.some((one) => !one.connected)) {
      throw new VerdictdError(
        'BROKER_DOWN',
        `The broker at ${shared.url} cannot be reached (${trouble.why || 'no answer'}). Check --url, user and password, and that the broker runs.`,
      );
    }
    await until(signal, options.wait * 1000, () => plcs.some((one) => one.counts.parts > 0));
    const begun = plcs.some((one) => one.counts.parts > 0);
    if (begun)
      await until(signal, Number.POSITIVE_INFINITY, () => plcs.every(({ counts }) => counts.through + counts.diverted === options.parts));
    else if (!signal.aborted) io.err(`No part was triggered within ${options.wait} s: ${unready(plcs[0], shared.base)}`);
  } finally {
    await Promise.all(plcs.map((one) => one.stop()));
  }
  const totals = plcs.map((one) => one.counts);
  if (io.json) io.outJson({ summary: totals, scenario: options.scenario });
  else for (const line of totals.flatMap(summary)) io.out(line);
  if (totals.some((counts) => counts.wrong > 0) || totals.every((counts) => counts.triggers === 0)) context.exitCode = ExitCode.failed;
}

/** Resolves when `met`, when `limit` ms are over, or on a signal. */
async function until(signal: AbortSignal, limit: number, met: () => boolean): Promise<void> {
  const end = systemClock.now() + limit;
  while (!signal.aborted && !met() && systemClock.now() < end) await new Promise((resolve) => setTimeout(resolve, look));
}

function textOf(code: unknown): string {
  const row = Object.entries(codes).find(([number]) => Number(number) === code);
  return row === undefined ? '' : `${row[0]} ${row[1].text}`;
}

function unready(plc: SimulatedPlc | undefined, base: string): string {
  const beat = plc?.lastHeartbeat ?? null;
  if (beat === null)
    return `no heartbeat came on ${base}/heartbeat. Check --base, that the station runs, and that this user may read its topics.`;
  if (beat.ready === 1) return 'the heartbeat does not move, or has no lastSeq. See `verdictd doctor` at the station.';
  const fix = Object.entries(codes).find(([number]) => Number(number) === beat.code)?.[1].fix ?? '';
  return `the station is not ready (state ${String(beat.state)}, ${textOf(beat.code)}${fix === '' ? '' : `; ${fix}`}).`;
}

const widths = { part: 14, seq: 10, gate: 7, ms: 7 };
const header = [
  'part'.padEnd(widths.part),
  'seq'.padStart(widths.seq),
  'gate'.padEnd(widths.gate),
  'after'.padStart(widths.ms),
  'why',
].join(' ');
const words = { open: 'OPEN', reject: 'shut', revoked: 'REVOKED' } as const;

function tellDecision({ io }: Context, decision: Decision, { partId, waited }: Decided): void {
  const { gate, seq } = decision;
  const code = gate === 'open' ? 0 : decision.code;
  const ms = Math.round(waited);
  if (io.json) {
    io.outJson({ partId, seq, decision: gate, reason: gate === 'reject' ? decision.reason : '', code, ms });
    return;
  }
  const why = gate === 'reject' ? reasons[decision.reason] : gate === 'revoked' ? 'a no came after the yes' : '';
  const told = [why, code > 0 ? textOf(code) : ''].filter((text) => text !== '').join(': ');
  io.out(
    [
      partId.slice(-widths.part).padEnd(widths.part),
      String(seq).padStart(widths.seq),
      words[gate].padEnd(widths.gate),
      `${ms} ms`.padStart(widths.ms),
      told,
    ]
      .join(' ')
      .trimEnd(),
  );
}

function summary(counts: SimulatorCounts): string[] {
  const why = Object.entries(counts.rejected).filter(([, n]) => n > 0);
  const rejected = why.reduce((sum, [, n]) => sum + n, 0);
  return [
    `${counts.parts} parts, ${counts.triggers} triggers: ${counts.accepted} accepted, ${rejected} rejected${why.length === 0 ? '' : ` (${why.map(([name, n]) => `${name} ${n}`).join(', ')})`}, ${counts.revoked} revoked`,
    `at the gate: ${counts.through} let through, ${counts.diverted} diverted; wrong actions: ${counts.wrong}`,
  ];
}

/** `verdictd master`: parts known to be good and bad, and the check that the station still tells them apart. */
import { join } from 'node:path';
import { setTimeout as pause } from 'node:timers/promises';
import { type Command, Option } from 'commander';
import { systemClock } from '../clock';
import { ExitCode, VerdictdError } from '../errors';
import { lockDataDir } from '../lock';
import { addMaster, type Master, masterName, readMasters } from '../recipe/masters';
import type { MasterStatus, Outcome } from '../station/master';
import { listVerdicts } from '../store/read';
import type { Context } from './context';
import { slug } from './options';
import { actor } from './records';
import { askStation, stationRuns } from './running';

const lookEvery = 200; // ms

async function add(
  context: Context,
  partId: string,
  { recipe, expect, by }: { recipe: string; expect: 'good' | 'bad'; by?: string },
): Promise<void> {
  const { io } = context;
  if (!masterName.safeParse(partId).success) {
    throw new VerdictdError('USAGE', `"${partId}" cannot be a part's id: expected 1 to 32 of A-Z, a-z, 0-9, _ . : -.`);
  }
  let masters: readonly Master[];
  const args = { recipe, partId, expect, by: actor(by) };
  if (stationRuns(context)) masters = (await askStation(context, 'master.add', args)).value as readonly Master[];
  else {
    const dataDir = context.makeDataDir();
    const lock = lockDataDir(dataDir);
    const { utc } = systemClock.wall();
    masters = await addMaster(dataDir, recipe, { partId, expect, by: args.by, added: utc }).finally(() => lock.close());
  }
  if (io.json) io.outJson({ recipe, masters });
  else io.out(`recipe ${recipe}: ${masters.length} master parts, ${masters.filter((one) => one.expect === 'bad').length} of them bad`);
}

async function list(context: Context, { recipe }: { recipe: string }): Promise<void> {
  const { io } = context;
  const masters = await readMasters(context.dataDir(), recipe);
  if (io.json) io.outJson({ recipe, masters });
  else for (const { partId, expect, added, by } of masters) io.out(`${partId.padEnd(32)}  ${expect.padEnd(4)}  added ${added} by ${by}`);
  if (masters.length === 0 && !io.json) io.err(`no master parts. Add one: verdictd master add PART --recipe ${recipe} --expect good`);
}

async function status(context: Context): Promise<void> {
  const { io } = context;
  const now = (await askStation(context, 'master.status', {})).value as MasterStatus;
  if (now.due !== null) context.exitCode = ExitCode.failed;
  if (io.json) return io.outJson(now);
  const last = now.passed === null ? 'none has passed' : `the last passed ${now.passed.utc}`;
  io.out(
    `recipe ${now.recipe ?? '-'}: ${now.running ? 'a check is running' : now.due === null ? 'no check is due' : `due: ${now.due}`}; ${last}`,
  );
}

async function start(context: Context): Promise<void> {
  const { parts } = (await askStation(context, 'master.start', {})).value as MasterStatus;
  if (context.io.json) context.io.outJson({ parts });
  else context.io.out(`show, by their ids or in this order: ${parts.map(({ partId, expect }) => `${partId} (${expect})`).join(', ')}`);
}

async function end(context: Context): Promise<void> {
  const { io } = context;
  const outcome = (await askStation(context, 'master.end', {})).value as Outcome;
  const { ok, reasons, parts, recipe, doubtful } = outcome;
  const inDoubt = doubtful === null || recipe === null ? [] : suspects(context, recipe, doubtful);
  if (!ok) context.exitCode = ExitCode.failed;
  if (io.json) {
    io.outJson({ ...outcome, inDoubt });
    return;
  }
  for (const { partId, expect, found, score, words } of parts) {
    io.out(
      `${partId.padEnd(32)}  ${expect.padEnd(4)}  judged ${(found ?? 'not at all').padEnd(10)}  ${score?.toFixed(3) ?? '-'}  ${words}`,
    );
  }
  io.out(ok ? 'passed' : `FAILED: ${reasons.join('; ')}. Nothing passes (code 602) until a check has.`);
  if (doubtful !== null) io.out(`${inDoubt.length} parts since the last good check are in doubt${inDoubt.length === 0 ? '' : ':'}`);
  for (const { resultId, partId, utc, released } of inDoubt)
    io.out(`${resultId}  ${utc}  ${released === 1 ? 'released' : 'not released'}  ${partId}`);
}

interface Suspect {
  resultId: string;
  partId: string;
  utc: string;
  released: number;
}

/** Every part of the recipe after the last good check up to this one. */
function suspects(context: Context, recipe: string, { after, upTo }: NonNullable<Outcome['doubtful']>): Suspect[] {
  const all = listVerdicts(join(context.dataDir(), 'log.db'), {
    last: 1_000_000,
    verdict: null,
    recipe,
    lot: null,
    since: null,
    until: null,
  });
  const from = after === null ? -1 : all.findIndex(({ result_id }) => result_id === after.resultId);
  const to = all.findIndex(({ result_id }) => result_id === upTo);
  const doubtful = all.slice(from + 1, to < 0 ? all.length : to + 1);
  return doubtful.map(({ result_id: resultId, part_id: partId, time: utc, released }) => ({ resultId, partId, utc, released }));
}

/** From start to end: waits until every master part was judged. */
async function check(context: Context): Promise<void> {
  await start(context);
  for (;;) {
    const { parts, running } = (await askStation(context, 'master.status', {})).value as MasterStatus;
    if (!running || parts.every(({ found }) => found !== null)) break;
    await pause(lookEvery, undefined, { signal: context.signal });
  }
  await end(context);
}

export function register(program: Command, context: Context): void {
  const master = program.command('master').description('Parts known to be good and bad, and the check with them.');
  master
    .command('add')
    .description('Make a part a master part of a recipe, or change what is expected of it.')
    .argument('<part>', 'its partId')
    .requiredOption('--recipe <id>', 'recipe', slug)
    .addOption(new Option('--expect <kind>', 'how it must be judged').choices(['good', 'bad']).makeOptionMandatory())
    .option('--by <name>', 'who does it; default: the account')
    .action((partId: string, options: { recipe: string; expect: 'good' | 'bad'; by?: string }) => add(context, partId, options));
  master
    .command('list')
    .description('List the master parts of a recipe.')
    .requiredOption('--recipe <id>', 'recipe', slug)
    .action((options: { recipe: string }) => list(context, options));
  master
    .command('status')
    .description('Whether a check is due on the running station; exit code 1 where it is.')
    .action(() => status(context));
  master
    .command('start')
    .description('Begin a check on the running station: the next parts are master parts.')
    .action(() => start(context));
  master
    .command('end')
    .description('End the check and decide; a failed one lists every part since the last good one, exit code 1.')
    .action(() => end(context));
  master
    .command('check')
    .description('start, wait until every master part was judged, end.')
    .action(() => check(context));
}

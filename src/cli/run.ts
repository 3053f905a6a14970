/** `verdictd run`: the station, until a signal ends it. */
import type { Command } from 'commander';
import { monotonicMs } from '../clock';
import { codes } from '../codes';
import { VerdictdError } from '../errors';
import { Supervised } from '../health/supervised';
import type { Report } from '../line/line';
import type { StationState } from '../ports';
import { Station, type StationEvents } from '../station';
import { wordOf } from '../verdict_word';
import type { Context } from './context';
import { integer } from './options';
import { header, row, Summary } from './table';

/** What stopping may take: journal, log and camera in order. systemd's own limit (TimeoutStopSec) is longer. */
const stopTime = 8_000; // ms
const headerEvery = 20; // rows

export function register(program: Command, context: Context): void {
  program
    .command('run')
    .description('Run the station until SIGINT or SIGTERM.')
    .option('--table', 'show each verdict as a row, also where stdout is no terminal')
    .option('--parts <n>', 'end after so many parts', integer(1, 1_000_000_000))
    .action(async (options: { table?: boolean; parts?: number }) => run(context, options));
}

async function run(context: Context, options: { table?: boolean; parts?: number }): Promise<void> {
  const { io, signal } = context;
  io.outliveStdout();
  const show = options.table === true || io.tty;
  const summary = new Summary();
  let rows = 0;
  let finish: () => void = () => undefined;
  const finished = new Promise<void>((resolve) => {
    finish = resolve;
  });
  let failure: VerdictdError | null = null;

  const dataDir = context.makeDataDir();
  const supervised = new Supervised(dataDir, process.env, context.diagnostics());
  const setup = { config: context.config(), dataDir, supervisor: supervised.supervisor };
  const events: StationEvents = {
    report: (report) => {
      if (options.parts !== undefined && rows >= options.parts) return; // under way when the last one came: logged, not shown
      summary.add(report);
      if (io.json) io.outJson(jsonOf(report));
      else if (show) {
        if (rows % headerEvery === 0) io.out(header);
        io.out(row(report, io.tty, io.columns));
      }
      rows++;
      if (options.parts !== undefined && rows >= options.parts) finish();
    },
    state: (state) => {
      supervised.status(statusText(state));
      if (show && !io.json) io.err(stateLine(state));
    },
    progress: (text) => {
      if (!io.json) io.err(text);
    },
    ended: () => finish(),
    failed: (error) => {
      failure = error;
      finish();
    },
  };

  let station: Station;
  try {
    station = await supervised.start((safe) => new Station({ ...setup, safe }, context.diagnostics(), events), signal);
    supervised.ready(statusText(station.current));
  } catch (thrown) {
    // A daemon that is told to stop has done its work, however far its start had come: nothing failed.
    if (!(signal.aborted && thrown instanceof VerdictdError && thrown.code === 'ABORTED')) throw thrown;
    supervised.ended();
    if (!io.json) io.err('stopped while starting');
    return;
  }
  await Promise.race([finished, aborted(signal)]);
  supervised.stopping();
  await station.stop(monotonicMs() + stopTime);
  if (failure === null) supervised.ended();
  if (!io.json) for (const line of summary.lines()) io.out(line);
  if (failure !== null) throw failure;
}

function aborted(signal: AbortSignal): Promise<void> {
  return new Promise((resolve) => {
    if (signal.aborted) resolve();
    else signal.addEventListener('abort', () => resolve(), { once: true });
  });
}

function statusText({ state, ready, code, ep }: StationState): string {
  const why = code === 0 ? '' : ` (${code}: ${codes[code].text})`;
  return `${state}${why}, ready ${ready}${ep === '' ? '' : `, ${ep}`}`;
}

function stateLine(state: StationState): string {
  return `state ${statusText(state)}`;
}

/** One verdict as JSON: what the journal says of it, and what only this process knows. */
function jsonOf({ verdict, ok, age, truth, source, stages }: Report): object {
  const { part, evaluation, code, state, score, limit, mapMax, provider, late, detail } = verdict;
  return {
    resultId: part.resultId,
    seq: part.seq,
    partId: part.partId,
    recipe: part.recipe.id,
    verdict: wordOf(verdict),
    evaluation,
    code,
    state,
    ok,
    score,
    limit,
    mapMax,
    age,
    late,
    simulated: part.simulated,
    provider,
    detail,
    truth,
    source,
    stages,
  };
}

/** `verdictd log`: the decisions of this station, and the proof that nobody changed them. Labels are added, nothing is changed. */
import { join } from 'node:path';
import { type Command, InvalidArgumentError } from 'commander';
import { ExitCode } from '../errors';
import { fileName } from '../store/open';
import { type Listed, listVerdicts } from '../store/read';
import { verifyLog } from '../store/verify';
import type { Context } from './context';
import { registerExport } from './log_export';
import { type FilterOptions, filterOf, filterOptions } from './log_filter';
import { integer } from './options';
import { actor, record } from './records';

interface ListOptions extends FilterOptions {
  last: number;
}

function list(context: Context, options: ListOptions): void {
  const rows = listVerdicts(join(context.dataDir(), fileName), { last: options.last, ...filterOf(options) });
  if (context.io.json) {
    for (const row of rows) context.io.outJson(inWords(row));
    return;
  }
  if (rows.length === 0) {
    context.io.err('no verdict in the log is of that kind');
    return;
  }
  for (const line of table(rows)) context.io.out(line);
}

function inWords(row: Listed): object {
  return {
    journalSeq: row.journal_seq,
    time: row.time,
    resultId: row.result_id,
    seq: row.seq,
    partId: row.part_id,
    recipe: row.recipe,
    lot: row.lot,
    verdict: row.verdict,
    released: row.released,
    code: row.code,
    reason: row.reason,
    score: row.score,
    limit: row.reject_limit,
    isSimulated: row.simulated,
    late: row.late,
    ms: row.ms,
    detail: row.detail,
  };
}

function table(rows: readonly Listed[]): string[] {
  const number = (value: number | null): string => (value === null ? '-' : value.toFixed(3));
  const cells = [
    ['journal', 'time (UTC)', 'seq', 'part', 'recipe', 'verdict', 'score', 'limit', 'ms', 'why'],
    ...rows.map((row) => [
      String(row.journal_seq),
      row.time.replace('T', ' ').replace('Z', ''),
      String(row.seq),
      row.part_id || row.result_id,
      row.recipe || '-',
      row.simulated === 1 ? `${row.verdict} (simulated)` : row.verdict,
      number(row.score),
      number(row.reject_limit),
      row.ms.toFixed(1),
      row.code === 0 ? '' : `${row.code} ${row.detail || row.reason}`,
    ]),
  ];
  const right = new Set([0, 2, 6, 7, 8]);
  const widths = cells.reduce<number[]>((most, line) => line.map((cell, i) => Math.max(cell.length, most[i] ?? 0)), []);
  return cells.map((line) =>
    line
      .map((cell, i) => (right.has(i) ? cell.padStart(widths[i] ?? 0) : cell.padEnd(widths[i] ?? 0)))
      .join('  ')
      .trimEnd(),
  );
}

async function verify(context: Context): Promise<void> {
  const path = join(context.dataDir(), fileName);
  const found = await verifyLog(path, context.signal);
  if (!found.ok) context.exitCode = ExitCode.failed;
  if (context.io.json) {
    context.io.outJson(found);
    return;
  }
  const { rows, firstBad, begins, pictures, missingPictures } = found;
  if (begins !== null) context.io.out(`the log begins after record ${begins.after}: ${begins.reason}`);
  if (missingPictures > 0) context.io.out(`${missingPictures} of ${pictures} pictures are no longer on the disk`);
  if (firstBad === null)
    context.io.out(`${path}: ${rows} records, each follows the one before it; ${pictures - missingPictures} pictures as recorded`);
  else {
    context.io.err(`LOG_ALTERED ${path}: record ${firstBad.journalSeq}: ${firstBad.reason}.`);
    context.io.err(
      `The ${rows} records before it are as they were written. Keep a copy of the data directory, and compare with the journal.`,
    );
  }
}

async function label(
  context: Context,
  resultId: string,
  judgement: 'good' | 'bad',
  { description, by }: { description?: string; by?: string },
): Promise<void> {
  const args = { resultId, label: judgement, description: description ?? '', by: actor(by) };
  const { value } = await record(context, 'log.label', args);
  if (context.io.json) context.io.outJson({ ...args, ...value });
  else context.io.out(`${resultId} labelled ${judgement} by ${args.by}; its verdict stays as it was`);
}

/** A key of the log. */
function resultKey(text: string): string {
  if (!/^[A-Za-z0-9]{1,14}$/.test(text))
    throw new InvalidArgumentError('Expected a result id, up to 14 letters and digits: see log list --json.');
  return text;
}

function goodOrBad(text: string): 'good' | 'bad' {
  if (text !== 'good' && text !== 'bad') throw new InvalidArgumentError('Expected good or bad.');
  return text;
}

/** Up to `most` characters, at least one. */
function textUpTo(most: number): (text: string) => string {
  return (text) => {
    if (text.length === 0 || text.length > most) throw new InvalidArgumentError(`Expected 1 to ${most} characters.`);
    return text;
  };
}

export function register(program: Command, context: Context): void {
  const log = program.command('log').description('Read the decisions of this station and prove them unaltered.');
  const listing = log
    .command('list')
    .description('List verdicts, oldest first.')
    .option('--last <n>', 'the newest of them', integer(1, 10_000_000), 20);
  filterOptions(listing).action((options: ListOptions) => list(context, options));
  registerExport(log, context);
  log
    .command('label')
    .description('Record what a person found, beside the verdict; earlier judgements and the verdict itself stay.')
    .argument('<result>', 'result id, as log list --json gives it', resultKey)
    .argument('<judgement>', 'good or bad', goodOrBad)
    .option('--description <text>', 'kind of defect', textUpTo(200))
    .option('--by <name>', 'who judged; default: the account', textUpTo(64))
    .action((result: string, judgement: 'good' | 'bad', options: { description?: string; by?: string }) =>
      label(context, result, judgement, options),
    );
  log
    .command('verify')
    .description(
      'Recompute the hash chain over verdicts, pictures and events; exit code 1 names the first record altered, removed, inserted or out of order.',
    )
    .action(() => verify(context));
}

/** `verdictd log export`: verdicts as CSV for a spreadsheet. */
import { closeSync, existsSync, fsyncSync, openSync, renameSync, rmSync, writeSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { type Command, Option } from 'commander';
import { reason, VerdictdError } from '../errors';
import { byteOrderMark, type CsvForm } from '../store/csv';
import { exportLines } from '../store/export';
import { fileName } from '../store/open';
import type { Context } from './context';
import { type FilterOptions, filterOf, filterOptions } from './log_filter';

interface ExportOptions extends FilterOptions {
  separator?: 'comma' | 'semicolon' | 'tab';
  decimal: 'point' | 'comma';
  force?: boolean;
}

const separators = { comma: ',', semicolon: ';', tab: '\t' } as const;

function formOf({ separator, decimal }: ExportOptions): CsvForm {
  const comma = decimal === 'comma';
  if (comma && separator === 'comma') {
    throw new VerdictdError('USAGE', 'A decimal comma cannot stand in a file that commas separate. Use --separator semicolon or tab.');
  }
  return { separator: separators[separator ?? (comma ? 'semicolon' : 'comma')], decimal: comma ? ',' : '.' };
}

async function run(context: Context, file: string | undefined, options: ExportOptions): Promise<void> {
  const form = formOf(options);
  const lines = exportLines(join(context.dataDir(), fileName), filterOf(options), { form, shifts: context.config().line.shifts });
  if (file === undefined) {
    if (context.io.json) throw new VerdictdError('USAGE', '--json tells of a file: give one, or use log list --json.');
    let first = byteOrderMark;
    for (const line of lines) {
      context.signal.throwIfAborted();
      context.io.out(`${first}${line.slice(0, -1)}`); // its CR stays, out() adds the LF
      first = '';
    }
    return;
  }
  const path = resolve(file);
  if (existsSync(path) && options.force !== true) {
    throw new VerdictdError('USAGE', `${path} is there already. Choose another name, or add --force to replace it.`);
  }
  const rows = await write(path, lines, context);
  if (context.io.json) context.io.outJson({ file: path, rows });
  else context.io.out(`${path}: ${rows} verdicts`);
}

/** Under another name until it is whole. Gives the number of lines below the head. */
async function write(path: string, lines: Iterable<string>, context: Context): Promise<number> {
  const unfinished = `${path}.part`;
  const progress = context.io.progress('verdicts', null);
  let count = -1;
  try {
    const fd = openSync(unfinished, 'w', 0o640);
    try {
      let text = byteOrderMark;
      for (const line of lines) {
        text += line;
        count++;
        if (text.length < 65_536) continue;
        writeSync(fd, text);
        progress.step(count);
        text = '';
        await new Promise((turn) => setImmediate(turn)); // a signal comes through
        context.signal.throwIfAborted();
      }
      writeSync(fd, text);
      fsyncSync(fd);
    } finally {
      closeSync(fd);
    }
    renameSync(unfinished, path);
    return count;
  } catch (thrown) {
    rmSync(unfinished, { force: true });
    if (context.signal.aborted) throw new VerdictdError('ABORTED', 'Stopped; no file was made.');
    if (thrown instanceof VerdictdError) throw thrown;
    throw new VerdictdError('USAGE', `${path} cannot be written: ${reason(thrown)}. Choose another place.`, { cause: thrown });
  } finally {
    progress.done();
  }
}

export function registerExport(log: Command, context: Context): void {
  const command = log
    .command('export')
    .description('Write verdicts as CSV (UTF-8) for a spreadsheet, with lot, shift and what people judged.')
    .argument('[file]', 'file to make; without: stdout')
    .addOption(
      new Option('--separator <name>', 'between cells; default comma, with a decimal comma semicolon').choices(Object.keys(separators)),
    )
    .addOption(new Option('--decimal <name>', 'sign in numbers').choices(['point', 'comma']).default('point'))
    .option('--force', 'replace the file');
  filterOptions(command).action((file: string | undefined, options: ExportOptions) => run(context, file, options));
}

/** `verdictd lot`: which lot the parts from now on belong to. */
import { type Command, InvalidArgumentError } from 'commander';
import { VerdictdError } from '../errors';
import type { Context } from './context';
import { actor, record } from './records';
import { askStation, stationRuns } from './running';

interface Options {
  none?: boolean;
  configured?: boolean;
  by?: string;
}

async function lot(context: Context, name: string | undefined, options: Options): Promise<void> {
  const choices = [name !== undefined, options.none === true, options.configured === true].filter(Boolean).length;
  if (choices > 1) throw new VerdictdError('USAGE', 'Give a name, or --none, or --configured: one of them.');
  if (choices === 0) {
    if (!stationRuns(context))
      throw new VerdictdError('USAGE', 'No station runs that could say which lot is in force. Give a name to choose one.');
    const { value } = await askStation(context, 'lot.get', {});
    tell(context, (value as { lot: string }).lot);
    return;
  }
  const { value } = await record(context, 'lot.set', { lot: name ?? (options.none === true ? '' : null), by: actor(options.by) });
  tell(context, value.lot);
}

function tell(context: Context, lot: string | null): void {
  if (context.io.json) context.io.outJson({ lot });
  else context.io.out(lot === null ? 'the lot of the configuration' : lot === '' ? 'no lot' : `lot ${lot}`);
}

function lotName(text: string): string {
  if (!/^[A-Za-z0-9_.:-]{1,32}$/.test(text)) throw new InvalidArgumentError('Expected 1 to 32 of A-Z, a-z, 0-9, _ . : -');
  return text;
}

export function register(program: Command, context: Context): void {
  program
    .command('lot')
    .description('Say which lot the parts from now on belong to; without a name, tell which one is in force.')
    .argument('[name]', 'lot, as it stands in the log', lotName)
    .option('--none', 'no lot')
    .option('--configured', 'the one of the configuration (line.lot) again')
    .option('--by <name>', 'who says so; default: the account')
    .action((name: string | undefined, options: Options) => lot(context, name, options));
}

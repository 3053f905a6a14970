/** `verdictd trend`: how the line has been going, and what its control charts take for usual. */
import type { Command } from 'commander';
import type { WatchStatus } from '../watch/watch';
import type { Context } from './context';
import { actor } from './records';
import { askStation } from './running';
import { watchLines } from './status';

interface Options {
  relearn?: boolean;
  by?: string;
}

async function trend(context: Context, { relearn, by }: Options): Promise<void> {
  const { value } =
    relearn === true ? await askStation(context, 'watch.relearn', { by: actor(by) }) : await askStation(context, 'watch.status', {});
  if (context.io.json) context.io.outJson(value as WatchStatus);
  else for (const line of watchLines(value as WatchStatus)) context.io.out(line);
}

export function register(program: Command, context: Context): void {
  program
    .command('trend')
    .description('Ask the running station about rejects in a row and the drift of its good parts; see docs/watch.md.')
    .option('--relearn', 'learn what is usual again, from the next good parts: after a change that is to stay')
    .option('--by <name>', 'who says so; default: the account')
    .action((options: Options) => trend(context, options));
}

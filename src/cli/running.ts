/** The station that runs on the data directory, where there is one: a command asks it, and touches nothing beside it. */
import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { type Answered, ask } from '../control/client';
import { lockFile } from '../native';
import type { Context } from './context';

export function stationRuns(context: Context): boolean {
  const path = join(context.dataDir(), 'lock');
  if (!existsSync(path)) return false;
  const lock = lockFile(path);
  lock?.close();
  return lock === null;
}

/** Asks the station that runs on the data directory; see control/client.ts. `signal`: in place of the command's own. */
export function askStation(context: Context, call: string, args: Record<string, unknown>, signal = context.signal): Promise<Answered> {
  return ask(context.dataDir(), call, args, signal);
}

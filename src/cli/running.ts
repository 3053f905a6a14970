/** Whether a station runs on the data directory: a command must not touch its camera. */
import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { VerdictdError } from '../errors';
import { lockFile } from '../native';
import type { Context } from './context';

export function stationRuns(context: Context): boolean {
  const path = join(context.dataDir(), 'lock');
  if (!existsSync(path)) return false;
  const lock = lockFile(path);
  lock?.close();
  return lock === null;
}

/** Throws DATA_DIR_BUSY: looking for cameras from a second process stops the acquisition of the first. */
export function refuseRunning(context: Context): void {
  if (!stationRuns(context)) return;
  throw new VerdictdError(
    'DATA_DIR_BUSY',
    `A station runs on ${context.dataDir()} and has the camera; a second look at it would stop its stream. Stop it first (systemctl stop verdictd).`,
  );
}

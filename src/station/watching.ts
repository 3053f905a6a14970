/** The watch over the line, as the configuration wants it; see watch/. */
import { z } from 'zod';
import type { Config } from '../config/load';
import type { Calls } from '../control/calls';
import { Watch, type WatchDeps } from '../watch/watch';
import type { Records } from './records';

export function watchOf(config: Config, dataDir: string, deps: WatchDeps): Watch {
  const { shifts, workdays } = config.line;
  return new Watch({ ...config.watch, shifts, workdays, dataDir }, deps);
}

export const relearnArgs = z.strictObject({ by: z.string().min(1).max(64) });

/** What commands on this machine may ask of it. What is usual is a setting like any other: who changed it is on record. */
export function serveWatch(calls: Calls, watch: Watch, log: Records['log']): void {
  calls.add('watch.status', { args: z.strictObject({}), limit: 5_000, run: () => watch.status() });
  calls.add('watch.relearn', {
    args: relearnArgs,
    limit: 10_000,
    run: async ({ by }) => {
      await log.audit({ actor: by, action: 'trendRelearn', detail: '{}' });
      return await watch.relearn();
    },
  });
}

import type { Config } from '../config/load';
import type { Diagnostics } from '../diagnostics';
import type { Clock } from '../ports';
import { Ballast } from '../store/ballast';
import type { SqliteLog } from '../store/log';
import { Retention } from '../store/retention';
import { Disk } from './disk';

const MiB = 2 ** 20;

/** What keeps log and pictures within the disk, as the configuration wants it. */
export function keepingOf(
  config: Config,
  dir: string,
  { log, clock, diagnostics, dropped }: { log: SqliteLog; clock: Clock; diagnostics: Diagnostics; dropped: (records: number) => void },
): { disk: Disk; retention: Retention } {
  const { okDays, notOkDays, unreviewedDays, protectDays, oneIn, maxSize, minFree } = config.images;
  const { keepDays, keepRows, outbox, ballast } = config.log;
  const rules = { okDays, notOkDays, unreviewedDays, protectDays, oneIn, keepDays, keepRows, outbox };
  const retention = new Retention(
    { dir, rules: { ...rules, maxBytes: maxSize * MiB, minFreeBytes: minFree * MiB }, dropped },
    log,
    clock,
    diagnostics,
  );
  const disk = new Disk(
    { dir, minFree: config.log.minFree },
    {
      ballast: new Ballast(dir, ballast * MiB, minFree * MiB),
      sweep: () => void retention.sweep(),
      waiting: () => log.unwritten.waiting > 0,
      diagnostics,
    },
  );
  return { disk, retention };
}

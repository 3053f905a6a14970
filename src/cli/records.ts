/** Commands that add to the records: over the control socket where a station runs, else under its lock. */
import { userInfo } from 'node:os';
import { systemClock } from '../clock';
import { bootId } from '../line/ids';
import { lockDataDir } from '../lock';
import { chooseLot } from '../station/lot';
import { activate, addLabel, goBack, setLimit } from '../station/records';
import { SqliteLog } from '../store/log';
import type { Context } from './context';
import { askStation, stationRuns } from './running';

const doors = {
  'log.label': addLabel,
  'recipe.activate': activate,
  'recipe.rollback': goBack,
  'recipe.limit': setLimit,
  'lot.set': chooseLot,
} as const;
type Doors = typeof doors;
type Door = keyof Doors;

const stopWithin = 5_000; // ms

/** What the door answers. `station`: a running one did it. Throws what the door throws, CONTROL_FAILED, DATA_DIR_BUSY, LOG_UNAVAILABLE. */
export async function record<D extends Door>(
  context: Context,
  door: D,
  args: Parameters<Doors[D]>[1],
): Promise<{ value: Awaited<ReturnType<Doors[D]>>; station: boolean }> {
  type Value = Awaited<ReturnType<Doors[D]>>;
  if (stationRuns(context)) return { value: (await askStation(context, door, { ...args })).value as Value, station: true };
  const dataDir = context.makeDataDir();
  const lock = lockDataDir(dataDir);
  const log = new SqliteLog({ dir: dataDir, bootId, notice: (text) => context.diagnostics().warn(text) });
  try {
    await log.start(context.signal);
    const act = doors[door] as unknown as (records: { dataDir: string; log: SqliteLog }, args: Parameters<Doors[D]>[1]) => Promise<Value>;
    return { value: await act({ dataDir, log }, args), station: false };
  } finally {
    await log.stop(systemClock.now() + stopWithin);
    lock.close();
  }
}

/** Who works at this terminal: --by, else the account. */
export function actor(by: string | undefined): string {
  return by ?? userInfo().username.slice(0, 64);
}

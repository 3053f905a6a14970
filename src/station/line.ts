import type { Config } from '../config/load';
import { judgeBy, type Policy } from '../inspect/verdict';
import { Line, type LineDeps } from '../line/line';

/** The line as the configuration wants it. `lastSeq`: the last sequence number the log knows, 0 if none. */
export function lineOf(
  config: Config,
  deps: Omit<LineDeps, 'judge'>,
  lastSeq: number,
  policy: Pick<Policy, 'teaching' | 'masterDue'>,
  lot: () => string,
): Line {
  const { acceptSimulated, ttl, margin } = config.plc;
  const { acceptProvisional } = config.recipe;
  return new Line(
    {
      freeRun: config.trigger.source === 'freeRun',
      hardware: config.trigger.source === 'hardware' ? { leadMin: config.trigger.leadMin, leadMax: config.trigger.leadMax } : null,
      ttl,
      margin,
      maxOpen: config.line.maxOpen,
      get lot() {
        return lot(); // of the moment: it changes while the station runs
      },
      config: config.sha256,
    },
    { ...deps, judge: judgeBy({ acceptSimulated, acceptProvisional, ...policy }) },
    lastSeq,
  );
}

/** When, by the clock on the wall, a check falls due. Pure. */
import { type Rota, shiftOn } from '../shifts';

/** Of each shift. */
export type Moment = 'start' | 'middle' | 'end';

const minute = 60_000; // ms
const daysBack = 8; // a week with one working day, and its night shift

/** The last moment before or at `now` at which a check fell due, in local time; null where no shift or no moment is given. */
export function lastMoment(rota: Rota, at: readonly Moment[], now: Date): Date | null {
  let last: Date | null = null;
  for (const index of rota.shifts.keys())
    for (const moment of at)
      for (let back = 0; back <= daysBack; back++) {
        const shift = shiftOn(rota, index, now, back);
        if (shift === null) continue;
        const { begins, ends } = shift;
        const time = { start: begins, middle: new Date((begins.getTime() + ends.getTime()) / 2), end: ends }[moment];
        if (time <= now && (last === null || time > last)) last = time;
      }
  return last;
}

/** Whether a check that passed at `passed` (null: none ever did) leaves nothing due at `now`. `early` in minutes. */
export function isCovered(passed: Date | null, due: Date | null, early: number): boolean {
  if (due === null) return true;
  return passed !== null && passed.getTime() >= due.getTime() - early * minute;
}

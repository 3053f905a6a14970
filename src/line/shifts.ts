/** When, by the clock on the wall, a check falls due. Pure. */

/** Of each shift. */
export type Moment = 'start' | 'middle' | 'end';

const minute = 60_000; // ms
const day = 24 * 60; // min

/**
 * The last moment before or at `now` at which a check fell due, in local time; null where no shift or no moment is given. `shifts` as
 * HH:MM-HH:MM; one that ends before it begins, or when it begins, goes over midnight.
 */
export function lastMoment(shifts: readonly string[], at: readonly Moment[], now: Date): Date | null {
  let last: Date | null = null;
  for (const shift of shifts) {
    const [from = 0, to = 0] = shift.split('-').map(minutesOf);
    const length = to > from ? to - from : to - from + day;
    const offsets = { start: 0, middle: Math.floor(length / 2), end: length };
    for (const moment of at)
      for (const back of [2, 1, 0]) {
        const time = new Date(now.getFullYear(), now.getMonth(), now.getDate() - back, 0, from + offsets[moment]);
        if (time <= now && (last === null || time > last)) last = time;
      }
  }
  return last;
}

/** Whether a check that passed at `passed` (null: none ever did) leaves nothing due at `now`. `early` in minutes. */
export function isCovered(passed: Date | null, due: Date | null, early: number): boolean {
  if (due === null) return true;
  return passed !== null && passed.getTime() >= due.getTime() - early * minute;
}

function minutesOf(text: string): number {
  const [hours = 0, minutes = 0] = text.split(':').map(Number);
  return hours * 60 + minutes;
}

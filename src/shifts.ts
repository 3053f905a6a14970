/** Shifts as the configuration writes them, against the clock on the wall in local time. Pure; a leaf that every room may use. */

/** As Date.getDay counts them. */
export const weekdays = ['sun', 'mon', 'tue', 'wed', 'thu', 'fri', 'sat'] as const;
export type Weekday = (typeof weekdays)[number];

/** When work is done: `shifts` as HH:MM-HH:MM, on which days they begin. One that ends before it begins, or when, goes over midnight. */
export interface Rota {
  shifts: readonly string[];
  workdays: readonly Weekday[];
}

export interface Shift {
  /** 1 for the first of the configured ones. */
  number: number;
  begins: Date;
  ends: Date;
}

const day = 24 * 60; // min

function minutesOf(text: string): number {
  const [hours = 0, minutes = 0] = text.split(':').map(Number);
  return hours * 60 + minutes;
}

/** Begin and length of a shift in minutes, of its day and for its length. */
export function spanOf(shift: string): { from: number; length: number } {
  const [from = 0, to = 0] = shift.split('-').map(minutesOf);
  return { from, length: to > from ? to - from : to - from + day };
}

/** The shift that begins `back` days before the day of `now`; null where nobody works then. */
export function shiftOn({ shifts, workdays }: Rota, index: number, now: Date, back: number): Shift | null {
  const shift = shifts[index];
  if (shift === undefined) return null;
  const { from, length } = spanOf(shift);
  const at = (minutes: number): Date => new Date(now.getFullYear(), now.getMonth(), now.getDate() - back, 0, minutes);
  const weekday = weekdays[at(0).getDay()];
  if (weekday === undefined || !workdays.includes(weekday)) return null;
  return { number: index + 1, begins: at(from), ends: at(from + length) };
}

/** The shift that is on at `moment`; null between shifts, and on days on which nobody works. */
export function shiftAt(rota: Rota, moment: Date): Shift | null {
  for (const index of rota.shifts.keys())
    for (const back of [0, 1]) {
      const shift = shiftOn(rota, index, moment, back);
      if (shift !== null && shift.begins <= moment && moment < shift.ends) return shift;
    }
  return null;
}

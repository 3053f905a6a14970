/** Which shift a moment belongs to, by the hours of this machine's time zone. */
import { shiftAt, weekdays } from '../shifts';

export interface Shift {
  /** Local day on which the shift began, YYYY-MM-DD: a night shift belongs to the evening before. */
  date: string;
  /** 1 for the first of the configured ones. */
  number: number;
}

/** @param shifts 'HH:MM-HH:MM'; null where there are none, between them, or where the moment is none */
export function shiftOf(utc: string, shifts: readonly string[]): Shift | null {
  const moment = new Date(utc);
  if (Number.isNaN(moment.getTime())) return null;
  // Whoever works on a day off works a shift all the same.
  const found = shiftAt({ shifts, workdays: weekdays }, moment);
  return found === null ? null : { date: localDate(found.begins), number: found.number };
}

/** Local time as a spreadsheet reads it. */
export function localTime(utc: string): string {
  const moment = new Date(utc);
  if (Number.isNaN(moment.getTime())) return '';
  return `${localDate(moment)} ${two(moment.getHours())}:${two(moment.getMinutes())}:${two(moment.getSeconds())}`;
}

function localDate(moment: Date): string {
  return `${moment.getFullYear()}-${two(moment.getMonth() + 1)}-${two(moment.getDate())}`;
}

function two(value: number): string {
  return String(value).padStart(2, '0');
}

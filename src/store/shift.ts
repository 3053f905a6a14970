/** Which shift a moment belongs to, by the hours of this machine's time zone. */

export interface Shift {
  /** Local day on which the shift began, YYYY-MM-DD: a night shift belongs to the evening before. */
  date: string;
  /** 1 for the first of the configured starts. */
  number: number;
}

/** @param starts 'HH:MM', ascending; null where there are none, or the moment is not one */
export function shiftOf(utc: string, starts: readonly string[]): Shift | null {
  const moment = new Date(utc);
  if (starts.length === 0 || Number.isNaN(moment.getTime())) return null;
  const time = `${two(moment.getHours())}:${two(moment.getMinutes())}`;
  const begun = starts.findLastIndex((start) => start <= time);
  const day = new Date(moment.getFullYear(), moment.getMonth(), moment.getDate() - (begun < 0 ? 1 : 0));
  return { date: localDate(day), number: begun < 0 ? starts.length : begun + 1 };
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

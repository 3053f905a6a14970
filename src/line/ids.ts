const alphabet = '0123456789ABCDEFGHJKMNPQRSTVWXYZ'; // Crockford base 32: no letter that reads as a digit
const bootDigits = 5; // 32^5 = 33 million starts
const partDigits = 9; // 32^9 = 35 * 10^12 parts within one start

function base32(value: number, digits: number): string {
  let rest = value;
  let text = '';
  for (let i = 0; i < digits; i++) {
    text = alphabet.charAt(rest % 32) + text;
    rest = Math.floor(rest / 32);
  }
  if (rest !== 0) throw new RangeError(`${value} does not fit ${digits} base 32 digits`);
  return text;
}

/**
 * Mints result ids: 14 characters, unique by construction and in order. The durable part is the boot number, which the log
 * raises (and syncs) at each start; no clock is involved, so a clock that jumps back cannot repeat an id.
 */
export class ResultIds {
  private count = 0;
  constructor(private readonly bootNumber: number) {}
  next(): string {
    return base32(this.bootNumber, bootDigits) + base32(++this.count, partDigits);
  }
}

/** The number of the start that minted an id, or any name that begins with one; null where none does. */
export function bootNumberOf(name: string): number | null {
  if (!/^[0-9A-HJKMNP-TV-Z]{14}(?![0-9A-Za-z])/.test(name)) return null;
  return [...name.slice(0, bootDigits)].reduce((value, digit) => value * 32 + alphabet.indexOf(digit), 0);
}

/** The boot's own name on the wire: tells one run of the daemon from the next. */
export function bootId(bootNumber: number): string {
  return base32(bootNumber, bootDigits);
}

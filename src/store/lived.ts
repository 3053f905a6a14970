/**
 * How long the station has lived: the scale that retention measures ages on. The wall clock may stand in 1970 and jump to today; a
 * life only ever moves by what certainly went by, so that no jump makes a record old. In doubt nothing went by, and things are kept
 * longer than the configuration says.
 */
import { readFileSync } from 'node:fs';
import type { Clock } from '../ports';

/** The clocks at one moment. */
export interface Reading {
  wall: number; // ms since 1970
  trusted: boolean;
  mono: number; // ms since the kernel started
  kernelBoot: string; // tells one start of the kernel from the next
}

export interface Lived extends Reading {
  elapsed: number; // ms lived when the reading was taken
}

/** Longest time switched off that counts: a long weekend. More is more likely a clock that was set. */
const longestOff = 4 * 86_400_000; // ms
/** So many ms the wall clock may drift from the monotonic one between two readings. */
export const noStep = 60_000;

/**
 * Within one start of the kernel its monotonic clock counts, whatever the wall clock does. Over a restart the wall clock counts,
 * if both readings are trusted and the time between is neither negative nor longer than a long weekend; else nothing does.
 * @returns the life now, and by how many ms the wall clock was set in between (null: it was not, or nobody can tell)
 */
export function live(before: Lived | null, now: Reading): { lived: Lived; step: number | null } {
  if (before === null) return { lived: { ...now, elapsed: 0 }, step: null };
  const wall = now.wall - before.wall;
  if (before.kernelBoot === now.kernelBoot && now.mono >= before.mono) {
    const went = now.mono - before.mono;
    const step = wall - went;
    return { lived: { ...now, elapsed: before.elapsed + went }, step: Math.abs(step) > noStep ? step : null };
  }
  const counts = before.trusted && now.trusted && wall >= 0 && wall <= longestOff;
  return { lived: { ...now, elapsed: before.elapsed + (counts ? wall : 0) }, step: null };
}

/** `kernelBoot` by Linux; where it cannot be read every reading is of another kernel, and only the wall clock is left. */
export function readClocks(clock: Clock): Reading {
  const { utc, trusted } = clock.wall();
  return { wall: Date.parse(utc), trusted, mono: clock.now(), kernelBoot: kernelBoot() };
}

function kernelBoot(): string {
  try {
    return readFileSync('/proc/sys/kernel/random/boot_id', 'utf8').trim();
  } catch {
    return `unknown ${process.pid}`;
  }
}

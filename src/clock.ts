import type { Cancel, Clock, Ms } from './ports';

/**
 * CLOCK_MONOTONIC in milliseconds: the same scale in every thread of the process and in the addon (std::chrono::steady_clock),
 * unlike performance.now(), whose origin differs from thread to thread.
 */
export function monotonicMs(): Ms {
  return Number(process.hrtime.bigint()) / 1e6;
}

/** A wall clock before this moment cannot be right: it is when this line was written. */
const notBefore = Date.UTC(2026, 10, 1);

/** The clock of the running machine. Ages, deadlines and order come from `now`; `wall` is only ever a label. */
export const systemClock: Clock = {
  now: monotonicMs,
  wall: () => ({ utc: new Date().toISOString(), trusted: Date.now() >= notBefore }),
  at(t: Ms, f: () => void): Cancel {
    const timer = setTimeout(f, Math.max(0, t - monotonicMs()));
    return () => clearTimeout(timer);
  },
};

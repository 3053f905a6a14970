import type { Cancel, Clock, Ms } from './ports';

/**
 * CLOCK_MONOTONIC in milliseconds: the same scale in every thread of the process and in the addon (std::chrono::steady_clock),
 * unlike performance.now(), whose origin differs from thread to thread.
 */
export function monotonicMs(): Ms {
  return Number(process.hrtime.bigint()) / 1e6;
}

/** Node runs a longer timer at once. */
const longestTimer: Ms = 2 ** 31 - 1;

/** True when `work` was done within `ms`; what is late goes on alone. Rejects as `work` does in time. */
export async function within(work: Promise<unknown>, ms: Ms, clock: Pick<Clock, 'now' | 'at'> = systemClock): Promise<boolean> {
  let cancel: Cancel = () => undefined;
  const late = new Promise<boolean>((resolve) => {
    cancel = clock.at(clock.now() + Math.min(ms, longestTimer), () => resolve(false));
  });
  try {
    return await Promise.race([work.then(() => true), late]);
  } finally {
    cancel();
  }
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

/**
 * When the watchdog is fed: only while every stage has lately done real work. A timer that runs proves nothing but itself; what is
 * looked at are outcomes (a camera that answered, a picture judged, a row committed). Where no part comes, the canary works.
 */
import type { Diagnostics } from '../diagnostics';
import type { Clock, Ms } from '../ports';
import type { Supervisor } from './supervisor';

export interface Stage {
  name: 'camera' | 'inference' | 'log';
  last: Ms; // monotonic ms of its last work done
  limit: Ms; // longest that it may do none
}

/** The stage that has done nothing for too long, the one longest over its limit first; null where all work. Pure. */
export function stuck(stages: readonly Stage[], now: Ms): { name: Stage['name']; silent: Ms } | null {
  const over = (stage: Stage): Ms => now - stage.last - stage.limit;
  let worst: Stage | null = null;
  for (const stage of stages) if (over(stage) > 0 && (worst === null || over(stage) > over(worst))) worst = stage;
  return worst === null ? null : { name: worst.name, silent: now - worst.last };
}

/** systemd wants to hear twice in its time; a third of it leaves room for a slow moment. */
const share = 1 / 3;
/** Without systemd the stages are still looked at, for the diagnostics. */
const period: Ms = 5_000;

export class Watchdog {
  private timer: NodeJS.Timeout | null = null;
  private told: string | null = null;

  constructor(
    private readonly stages: () => readonly Stage[],
    private readonly supervisor: Supervisor,
    private readonly clock: Clock,
    private readonly diagnostics: Diagnostics,
  ) {}

  start(): void {
    this.look();
    this.timer = setInterval(() => this.look(), (this.supervisor.watchdogTime ?? period / share) * share);
    this.timer.unref();
  }

  stop(): void {
    if (this.timer !== null) clearInterval(this.timer);
    this.timer = null;
  }

  /** Looks now; feeds the watchdog or says why not. */
  look(): void {
    const found = stuck(this.stages(), this.clock.now());
    if (found === null) {
      if (this.told !== null) this.diagnostics.warn({ stage: this.told }, 'works again');
      this.told = null;
      this.supervisor.progressed();
      return;
    }
    if (this.told !== found.name) {
      const ends = this.supervisor.watchdogTime === null ? '' : '; the watchdog is not fed any more, and systemd restarts the station';
      this.diagnostics.fatal({ stage: found.name, silent: Math.round(found.silent) }, `no progress${ends}`);
    }
    this.told = found.name;
  }
}

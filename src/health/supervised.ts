/** A run under systemd, from its first word to its last: time to start, ready, safe mode after a crash loop, stopping. */
import { setTimeout as sleep } from 'node:timers/promises';
import { monotonicMs } from '../clock';
import type { Diagnostics } from '../diagnostics';
import type { Ms } from '../ports';
import { CrashLog, crashLimit, crashWindow, safeTime } from './crashes';
import { Supervisor } from './supervisor';

/** While a start goes on, it asks for so much time again and again; one whose main thread hangs stops asking, and is ended. */
const startStep: Ms = 30_000;
const extendEvery: Ms = 10_000;
/** Longest that a start may go on asking: an engine may be built (inference.engine.timeout), and a little. */
const longestStart: Ms = 90 * 60_000;
/** Leaving safe mode takes so long at the most. */
const stopTime: Ms = 8_000;

/** What is needed of a station; see station.ts. */
export interface Startable {
  start(signal: AbortSignal): Promise<void>;
  stop(by: Ms): Promise<void>;
}

export class Supervised {
  readonly supervisor: Supervisor;
  private readonly crashes: CrashLog | null;
  private proven: NodeJS.Timeout | null = null;

  /** Starts are counted only where somebody restarts this process: by hand nobody loops. */
  constructor(
    dataDir: string,
    env: Readonly<Record<string, string | undefined>>,
    private readonly diagnostics: Diagnostics,
    private readonly safeFor: Ms = safeTime,
  ) {
    this.supervisor = new Supervisor(env, diagnostics);
    this.crashes = this.supervisor.present ? new CrashLog(dataDir, diagnostics) : null;
  }

  /** The station, up in full; after a crash loop it first stays in safe mode for its time. Rejects as the station's start. */
  async start<S extends Startable>(make: (safe: boolean) => S, signal: AbortSignal): Promise<S> {
    if (this.crashes?.begin() === true) await this.beSafe(make(true), this.crashes, signal);
    const station = make(false);
    const asking = this.ask();
    try {
      await station.start(signal);
    } finally {
      clearInterval(asking);
    }
    this.proven = setTimeout(() => this.crashes?.clear(), crashWindow);
    this.proven.unref();
    return station;
  }

  ready(status: string): void {
    this.supervisor.ready(status);
  }

  status(status: string): void {
    this.supervisor.status(status);
  }

  stopping(): void {
    this.supervisor.stopping();
  }

  /** The run ends in order. */
  ended(): void {
    if (this.proven !== null) clearTimeout(this.proven);
    this.crashes?.clear();
  }

  private async beSafe(station: Startable, crashes: CrashLog, signal: AbortSignal): Promise<void> {
    this.diagnostics.fatal(
      `${crashLimit} starts within ${crashWindow / 60_000} minutes did not end in order: safe mode, without camera and model; a full start follows in ${Math.round(this.safeFor / 1000)} s`,
    );
    try {
      await station.start(signal);
      this.supervisor.ready('safe mode after a crash loop: state and alarms only');
      await sleep(this.safeFor, undefined, { signal }).catch(() => undefined);
    } finally {
      await station.stop(monotonicMs() + stopTime);
    }
    if (!signal.aborted) crashes.retry();
  }

  private ask(): NodeJS.Timeout {
    const until = monotonicMs() + longestStart;
    this.supervisor.extend(startStep);
    const timer = setInterval(() => {
      if (monotonicMs() < until) this.supervisor.extend(startStep);
      // Coming out of safe mode systemd has heard READY already, and its watchdog runs.
      this.supervisor.progressed();
    }, extendEvery / 4);
    timer.unref();
    return timer;
  }
}

import type { Cancel, Clock, Ms } from '../../src/ports';

/** A clock that moves only when told to. Timers fire in order of their time, never twice. */
export class FakeClock implements Clock {
  private time: Ms = 1_000;
  private timers: { t: Ms; f: () => void }[] = [];
  trusted = true;

  now(): Ms {
    return this.time;
  }
  wall(): { utc: string; trusted: boolean } {
    return { utc: new Date(Date.UTC(2026, 10, 21) + this.time).toISOString(), trusted: this.trusted };
  }
  at(t: Ms, f: () => void): Cancel {
    const timer = { t, f };
    this.timers.push(timer);
    return () => {
      this.timers = this.timers.filter((one) => one !== timer);
    };
  }
  /** Moves time on by `ms`, firing what falls due, and lets promises settle in between. */
  async advance(ms: Ms): Promise<void> {
    await settle();
    const end = this.time + ms;
    for (;;) {
      const due = this.timers.filter((one) => one.t <= end).sort((a, b) => a.t - b.t)[0];
      if (due === undefined) break;
      this.timers = this.timers.filter((one) => one !== due);
      this.time = Math.max(this.time, due.t);
      due.f();
      await settle();
    }
    this.time = end;
    await settle();
  }
}

/** Lets everything that is ready to run, run. */
export async function settle(): Promise<void> {
  for (let i = 0; i < 5; i++) await new Promise((done) => setImmediate(done));
}

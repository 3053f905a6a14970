/**
 * A line that stands still on Sunday must look different from one whose model hangs. Where no part has been inspected for a while,
 * the canary sends the golden picture through model and bank, and commits a row that means nothing: real work, of which nobody
 * outside hears. It uses the same workers as parts do; what it finds broken, the next part would have met.
 */
import type { Clock, Ms } from '../ports';

/** So long without a part, and the canary runs; a part that comes just then waits for one inference. */
export const canaryAfter: Ms = 20_000;
/** A canary that takes longer has failed. */
const limit: Ms = 30_000;

export interface CanaryDeps {
  clock: Clock;
  /** Golden picture through the model in force; null where there is none. Throws when its score is not what it was. */
  inspect: ((by: Ms) => Promise<void>) | null;
  /** One commit and fsync in the log. */
  write: () => Promise<void>;
  /** Told each time; null: it worked, else what was thrown. */
  done: (stage: 'inference' | 'log', failure: unknown) => void;
}

/** Keeps when inference and log last did real work, for parts and canary alike. */
export class Canary {
  private readonly last: Record<'inference' | 'log', Ms>;
  private readonly busy = new Set<'inference' | 'log'>();

  constructor(private readonly deps: () => CanaryDeps) {
    const now = deps().clock.now();
    this.last = { inference: now, log: now };
  }

  /** A part did it. */
  worked(stage: 'inference' | 'log'): void {
    this.last[stage] = this.deps().clock.now();
  }

  lastWork(stage: 'inference' | 'log'): Ms {
    return this.last[stage];
  }

  /** To be called often; starts what is due and returns at once. */
  look(): void {
    const { inspect, write, clock } = this.deps();
    if (inspect !== null) this.run('inference', () => inspect(clock.now() + limit));
    else this.worked('inference'); // nothing is loaded that could work
    this.run('log', write);
  }

  private run(stage: 'inference' | 'log', work: () => Promise<void>): void {
    const { clock, done } = this.deps();
    if (this.busy.has(stage) || clock.now() - this.last[stage] < canaryAfter) return;
    this.busy.add(stage);
    const answered = (failure: unknown): void => {
      this.busy.delete(stage);
      done(stage, failure);
    };
    work().then(
      () => {
        this.worked(stage);
        answered(null);
      },
      (thrown: unknown) => answered(thrown ?? new Error('the canary failed without a reason')),
    );
  }
}

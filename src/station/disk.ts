/** Free space of the data directory: steps that warn before it ends, and what is given up so that verdicts can still be written. */
import { statfs } from 'node:fs/promises';
import { monotonicMs } from '../clock';
import type { Diagnostics } from '../diagnostics';
import { reason } from '../errors';
import type { Ms } from '../ports';
import type { Ballast } from '../store/ballast';

const MiB = 2 ** 20;

/** Steps in % of the disk; on a large one so many MiB, for a terabyte has room for years in its last tenth. */
const steps = [
  { percent: 2, most: 4096 },
  { percent: 5, most: 8192 },
  { percent: 10, most: 16384 },
] as const;
/** From here on pictures are not written, and deleted for space. */
const scarce = 5;
/** A sweep looks at every picture: not more often than this, however often the log refuses. */
const sweepEvery: Ms = 5_000;

/** The step that free space has come down to, in %: 2, 5 or 10; 100 while there is enough. Both in bytes. */
export function stepOf(free: number, total: number): number {
  const reached = steps.find(({ percent, most }) => free < Math.min((total * percent) / 100, most * MiB));
  return reached?.percent ?? 100;
}

export interface DiskDeps {
  ballast: Pick<Ballast, 'fill' | 'drop'>;
  /** Deletes pictures that the rules let go, and those for space. */
  sweep: () => void;
  /** Verdicts wait in memory: the log refuses them. */
  waiting: () => boolean;
  diagnostics: Diagnostics;
}

export class Disk {
  /** Less than log.minFree is left: the station is not ready. What cannot be read counts as full. */
  low = false;
  private step = 100;
  private busy = false;
  private swept: Ms = Number.NEGATIVE_INFINITY;

  constructor(
    private readonly options: { dir: string; minFree: number }, // MiB
    private readonly deps: DiskDeps,
  ) {}

  /** Alarm 501 stands. */
  get alarm(): boolean {
    return this.low || this.step < 100;
  }

  /** There is room for what is not a verdict. */
  get roomForPictures(): boolean {
    return !this.low && this.step > scarce && !this.deps.waiting();
  }

  /** To be called every few seconds, and at once when the log refuses. Never rejects. */
  async look(): Promise<void> {
    if (this.busy) return;
    this.busy = true;
    try {
      const { bavail, blocks, bsize } = await statfs(this.options.dir);
      this.low = (bavail * bsize) / MiB < this.options.minFree;
      this.told(stepOf(bavail * bsize, blocks * bsize));
      await this.act();
    } catch (thrown) {
      this.deps.diagnostics.error({ err: reason(thrown) }, 'the free space of the data directory cannot be read');
      this.low = true;
    } finally {
      this.busy = false;
    }
  }

  private told(step: number): void {
    const { diagnostics } = this.deps;
    const { dir } = this.options;
    if (step < this.step) diagnostics.warn({ dir }, `less than ${step} % of the disk is free (alarm 501); see docs/log.md`);
    else if (step === 100 && this.step < 100) diagnostics.info({ dir }, 'there is enough free space again');
    this.step = step;
  }

  private async act(): Promise<void> {
    const { ballast, waiting, diagnostics } = this.deps;
    if (waiting()) {
      if (await ballast.drop()) diagnostics.error('the log cannot be written: its ballast is given up to make room');
      this.sweep();
    } else if (this.low || this.step <= scarce) this.sweep();
    else if (this.step === 100) {
      await ballast.fill().catch((thrown: unknown) => diagnostics.warn({ err: reason(thrown) }, 'log.ballast cannot be written'));
    }
  }

  private sweep(): void {
    if (monotonicMs() - this.swept < sweepEvery) return;
    this.swept = monotonicMs();
    this.deps.sweep();
  }
}

import type { Ms } from '../ports';

/** Token bucket: at most `perSecond` a second, in bursts of as many. Pure: the caller brings the time. */
export class RateLimit {
  private tokens: number;
  private filled: Ms = Number.NaN;

  constructor(private readonly perSecond: number) {
    this.tokens = perSecond;
  }

  /** True if one more may pass at monotonic time `now`. */
  take(now: Ms): boolean {
    if (!Number.isNaN(this.filled)) this.tokens = Math.min(this.perSecond, this.tokens + ((now - this.filled) / 1000) * this.perSecond);
    this.filled = now;
    if (this.tokens < 1) return false;
    this.tokens -= 1;
    return true;
  }
}

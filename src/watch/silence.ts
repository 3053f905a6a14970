/** No trigger where some are due. Pure: the caller brings time and circumstances. */
import type { Ms } from '../ports';

export interface Circumstances {
  now: Ms; // monotonic
  /** A shift is on by a clock that is trusted: without one nobody knows whether parts are due. */
  shift: boolean;
  operational: boolean;
  /** Triggers so far, refused ones too; in free run, parts. */
  triggers: number;
}

export class Silence {
  private since: Ms | null = null;
  private triggers = -1;
  private last: Ms = 0;

  /** `after`: ms; 0: never. */
  constructor(private readonly after: Ms) {}

  /** True while it lasts. Ends with a trigger, with the shift, and where the station cannot take one: its state says so then. */
  look({ now, shift, operational, triggers }: Circumstances): boolean {
    this.last = now;
    if (!shift || !operational) this.since = null;
    else if (this.since === null || triggers !== this.triggers) this.since = now;
    this.triggers = triggers;
    return this.after > 0 && this.since !== null && now - this.since >= this.after;
  }

  /** A person has seen it: counted anew. */
  acknowledge(): void {
    if (this.since !== null) this.since = this.last;
  }
}

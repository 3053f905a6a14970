import type { Clock, Ms } from '../ports';

/**
 * Whether another rig lives under this station's name (contract, 702): a live message on `state` that this rig did not send. Own
 * messages come back as echoes; two rigs may even have the same bootId, so echoes are counted against what was sent.
 */
export class ForeignRig {
  /** Triggers that were not answered. */
  ignored = 0;
  private unheard = 0; // own messages of this connection that have not come back
  private seen: Ms | null = null;

  /** `patience`: a rig that was not heard for so long has gone. */
  constructor(
    private readonly patience: Ms,
    private readonly clock: Clock,
  ) {}

  /** A new connection: what an older one sent does not come back. */
  connected(): void {
    this.unheard = 0;
  }

  sent(): void {
    this.unheard++;
  }

  /** A message on `state`, not retained. True where it is a foreign rig's, and news. Unreadable ones are nobody's rig. */
  heard(payload: Buffer, ownBootId: string): boolean {
    const bootId = /"bootId":"([^"\\]{1,64})"/.exec(payload.toString('latin1', 0, 1024))?.[1];
    if (bootId === undefined) return false;
    if (bootId === ownBootId && this.unheard > 0) {
      this.unheard--;
      return false;
    }
    const news = !this.lives;
    this.seen = this.clock.now();
    return news;
  }

  get lives(): boolean {
    return this.seen !== null && this.clock.now() - this.seen <= this.patience;
  }
}

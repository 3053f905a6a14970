/**
 * The hardware trigger at work: announcements in, exposures paired with them, and the passes that a mismatch takes back. The rule is
 * in announcements.ts; here are its timer and its memory of young passes.
 */
import type { Cancel, Clock, Frame, FrameFault, Ms, Part } from '../ports';
import { Announcements, type Lead } from './announcements';

export class HardwareTrigger {
  private readonly pairing: Announcements;
  private young: Part[] = []; // passes that are with the PLC and may still be acted on, oldest first
  private told = false; // `failed` was called since the last reset
  private edgesMissed = 0;
  private cancel: Cancel = () => undefined;

  /** `failed` is called once for each mismatch, whatever finds it: nothing is paired from then until `reset`. */
  constructor(
    lead: Lead,
    private readonly ttl: Ms,
    private readonly clock: Clock,
    private readonly failed: (detail: string) => void,
  ) {
    this.pairing = new Announcements(lead);
  }

  get blocked(): boolean {
    return this.pairing.blocked !== null;
  }

  /** True where the announcement is taken; it has its exposure in time, or `failed` is called. */
  announce(received: Ms): boolean {
    const taken = this.pairing.announce(received) === 'accepted';
    this.follow();
    return taken;
  }

  /** An announcement that was refused for a reason of its own; its part passes the sensor all the same. */
  refused(received: Ms): void {
    this.pairing.refused(received);
    this.follow();
  }

  /** The open announcement's part is given up. */
  withdraw(): void {
    this.pairing.withdraw();
    this.follow();
  }

  /** True where this is the exposure of the part that was announced. */
  matches(shot: Frame | FrameFault): boolean {
    const pair = shot.kind === 'frame' ? this.pairing.frame(shot.frameId, shot.exposed) : this.pairing.fault(shot.at);
    this.follow();
    return pair.kind === 'match';
  }

  /** A pass has left. It may be taken back while it is younger than the TTL. */
  passed(part: Part): void {
    this.forget();
    this.young.push(part);
  }

  /** Passes that may still be acted on; asked once, as they are taken back. */
  revocable(): Part[] {
    this.forget();
    return this.young.splice(0);
  }

  /** Edges of the sensor that the camera could not expose for, counted since its stream began. */
  missed(count: number): void {
    if (count > this.edgesMissed)
      this.pairing.mismatch(`the sensor triggered ${count - this.edgesMissed} times more than the camera exposed`);
    this.edgesMissed = count;
    this.follow();
  }

  /**
   * A connection is gone. That is a mismatch where anything may have been under way: an announcement, an open part (`busy`), a young
   * pass. Where nothing was there is nothing to match, and the station recovers alone.
   */
  disconnected(busy: boolean, detail: string): void {
    this.forget();
    if (busy || this.pairing.open || this.young.length > 0) this.pairing.mismatch(detail);
    this.follow();
  }

  /** The camera numbers its frames anew. */
  streamBegins(): void {
    this.pairing.streamBegins();
  }

  /** The approach is empty. */
  reset(): void {
    this.pairing.reset();
    this.told = false;
    this.follow();
  }

  private follow(): void {
    this.cancel();
    this.cancel = () => undefined;
    const { blocked, due } = this.pairing;
    if (blocked !== null) {
      if (this.told) return;
      this.told = true;
      this.failed(blocked);
    } else if (due !== null) {
      this.cancel = this.clock.at(due, () => {
        this.pairing.expire(this.clock.now());
        this.follow();
      });
    }
  }

  private forget(): void {
    const since = this.clock.now() - this.ttl;
    this.young = this.young.filter(({ opened }) => opened >= since);
  }
}

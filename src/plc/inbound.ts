import { Code } from '../codes';
import type { Clock, TriggerRequest } from '../ports';
import { type BadTrigger, parseTrigger, payloadBytes } from './parse';
import { RateLimit } from './rate';

export interface InboundCounters {
  triggers: number; // readable ones, handed on
  bad: number; // 205
  oversized: number; // of the bad ones
  retained: number; // ignored: a stored trigger is nobody's part
  flooded: number; // ignored: more than the station could ever inspect
  /** Hex of the first 256 bytes of the latest unreadable trigger, for the diagnostics. */
  badSample: string;
}

/** What stands between the broker and the line: bounds, counts and reads triggers. */
export class Inbound {
  readonly counters: InboundCounters = { triggers: 0, bad: 0, oversized: 0, retained: 0, flooded: 0, badSample: '' };
  private readonly rate: RateLimit;

  constructor(
    perSecond: number,
    private readonly clock: Clock,
  ) {
    this.rate = new RateLimit(perSecond);
  }

  /** What to hand to the line; null: nothing. */
  trigger(payload: Buffer, retained: boolean): TriggerRequest | BadTrigger | null {
    const received = this.clock.now();
    if (retained) {
      this.counters.retained++;
      return null;
    }
    if (!this.rate.take(received)) {
      this.counters.flooded++;
      return null;
    }
    const oversized = payload.length > payloadBytes;
    const parsed = oversized ? { bad: Code.badPayload, seq: 0 } : parseTrigger(payload);
    if ('bad' in parsed) {
      this.counters.bad++;
      if (oversized) this.counters.oversized++;
      this.counters.badSample = payload.toString('hex', 0, 256);
      return parsed;
    }
    this.counters.triggers++;
    return { ...parsed, received };
  }
}

/**
 * Pairs announcements with the exposures of a hardware trigger (contract, "Handshake and fail-safe" 7). Pure: the caller brings
 * every time, in ms on the monotonic clock.
 *
 * An accepted announcement owns the one exposure that its sensor starts leadMin..leadMax after its receipt. A refused part passes
 * the sensor too: its exposure is let go, and only because it lies in the window of that one announcement and of no other.
 * Whatever does not fit is a mismatch, after which nothing is paired until `reset`: a verdict can be missing, never be the next
 * part's.
 */
import type { Ms } from '../ports';

export interface Lead {
  leadMin: Ms; // from the receipt of an announcement to its exposure, at the least
  leadMax: Ms; // ... and at the most
  arrival: Ms; // from an exposure to its frame, at the most
}

export type Pair =
  | { kind: 'match' } // the exposure of the announcement that is open
  | { kind: 'passed' } // of a part that was refused
  | { kind: 'stray' } // came after a mismatch, before the reset
  | { kind: 'mismatch'; detail: string };

interface Announced {
  received: Ms;
  accepted: boolean;
}

/** Refused announcements that still wait for their exposure; more than this in one window is no line. */
const mostRefused = 64;

export class Announcements {
  private waiting: Announced[] = []; // oldest first; at most one is accepted
  private why: string | null = null;
  private lastFrame: number | null = null;
  private faults = 0; // since the last frame: exposures whose number nobody has seen

  constructor(private readonly lead: Lead) {}

  /** What did not match; null while pairs are made. */
  get blocked(): string | null {
    return this.why;
  }

  /** An accepted announcement waits for its exposure. */
  get open(): boolean {
    return this.waiting.some(({ accepted }) => accepted);
  }

  /** An announcement that nothing else speaks against. */
  announce(received: Ms): 'accepted' | 'mismatch' | 'blocked' {
    if (this.why !== null) return 'blocked';
    if (this.open) {
      this.mismatch(secondAnnouncement);
      return 'mismatch';
    }
    this.waiting.push({ received, accepted: true });
    return 'accepted';
  }

  /** An announcement that was refused for another reason: the part passes the sensor all the same. Returns the mismatch it is, or null. */
  refused(received: Ms): string | null {
    if (this.why !== null) return null;
    if (this.open) return this.mismatch(secondAnnouncement);
    this.waiting.push({ received, accepted: false });
    if (this.waiting.length > mostRefused) this.waiting.shift();
    return null;
  }

  /** The open announcement was answered with a no: its part passes the sensor as a refused one does. */
  withdraw(): void {
    for (const announced of this.waiting) announced.accepted = false;
  }

  /** A frame: `at` is its exposure by the camera's time, `frameId` the camera's count. */
  frame(frameId: number, at: Ms): Pair {
    const before = this.lastFrame;
    const missing = before === null ? 0 : frameId - before - 1;
    const unseen = this.faults;
    this.lastFrame = frameId;
    this.faults = 0;
    if (this.why !== null) return { kind: 'stray' };
    if (missing < 0) return this.no(`frame ${frameId} came after ${before}: the camera began anew`);
    if (missing > unseen) return this.no(`a gap: ${missing} frames were lost between ${before} and ${frameId}`);
    return this.pair(at, this.lead.leadMax);
  }

  /** An exposure that gave no picture; `at` is when that was found, up to `arrival` after it. */
  fault(at: Ms): Pair {
    this.faults++;
    if (this.why !== null) return { kind: 'stray' };
    return this.pair(at, this.lead.leadMax + this.lead.arrival);
  }

  /** The moment by which the open announcement must have its frame; null where none is open. */
  get due(): Ms | null {
    const open = this.waiting.find(({ accepted }) => accepted);
    return open === undefined ? null : open.received + this.lead.leadMax + this.lead.arrival;
  }

  /** The mismatch it is when no frame came by `due`; null while there is time. */
  expire(now: Ms): string | null {
    const { due } = this;
    if (due === null || now < due || this.why !== null) return null;
    return this.mismatch('no exposure came for the announced part: check the sensor and its wiring');
  }

  /** What others found: a missed trigger, a lost connection. Returns its own argument, or the first reason where there is one. */
  mismatch(detail: string): string {
    this.why ??= detail;
    this.waiting = [];
    return this.why;
  }

  /** The camera's stream begins anew, and its count with it. */
  streamBegins(): void {
    this.lastFrame = null;
    this.faults = 0;
  }

  /** The approach is empty (command 7). Frames lost until now are no gap any more; what is lost from here on is missed by its announcement. */
  reset(): void {
    this.why = null;
    this.waiting = [];
    this.streamBegins();
  }

  private pair(at: Ms, latest: Ms): Pair {
    const { leadMin } = this.lead;
    const candidates = this.waiting.filter(({ received }) => at - received >= leadMin && at - received <= latest);
    const [one] = candidates;
    if (candidates.length > 1)
      return this.no('two announcements lie before one exposure, and one of them was refused: it may be of either');
    if (one === undefined) {
      const last = this.waiting.at(-1);
      if (last === undefined) return this.no('an exposure that nobody announced');
      return this.no(
        `an exposure ${(at - last.received).toFixed(1)} ms after its announcement; expected ${leadMin} to ${this.lead.leadMax} ms`,
      );
    }
    // What was announced before it has passed without an exposure: nothing can come for it any more.
    this.waiting = this.waiting.filter(({ received }) => received > one.received);
    return { kind: one.accepted ? 'match' : 'passed' };
  }

  private no(detail: string): Pair {
    return { kind: 'mismatch', detail: this.mismatch(detail) };
  }
}

const secondAnnouncement = 'a second announcement came before the exposure of the first';

import type { Diagnostics } from '../diagnostics';
import { reason } from '../errors';
import type { Clock, Ms } from '../ports';

/** Ends one room by a moment on the monotonic clock. */
export type Stop = (by: Ms) => Promise<void>;

/** The least that any room gets to end in, however little is left. */
const leastShare: Ms = 200;

/** Rooms in the order they came up; they go down in reverse, each with its share of the time that is left. */
export class Rooms {
  private readonly up: { name: string; stop: Stop }[] = [];

  constructor(
    private readonly clock: Clock,
    private readonly diagnostics: Diagnostics,
  ) {}

  /** `stop` is called once, by `stopAll`. */
  add(name: string, stop: Stop): void {
    this.up.push({ name, stop });
  }

  /** Takes down what is up, last first; a room that fails to stop is named and passed over. Safe more than once. */
  async stopAll(by: Ms): Promise<void> {
    for (let room = this.up.pop(); room !== undefined; room = this.up.pop()) {
      // Each room gets what is left, but never so much that the ones below it get nothing.
      const share = Math.max(leastShare, (by - this.clock.now()) / (this.up.length + 1));
      try {
        await room.stop(this.clock.now() + share);
      } catch (thrown) {
        this.diagnostics.error({ room: room.name, err: reason(thrown) }, 'did not stop as it should');
      }
    }
  }
}

// A TCP relay between a station and its broker, for faults of the line itself: cut (connections broken and refused), or frozen both
// ways with every connection left standing, as a cable that is out.
import { connect, createServer } from 'node:net';

export class Relay {
  pairs = new Set();
  frozen = false;
  cut = false;

  /** Listens on `host`:`port` (0: any) and forwards to 127.0.0.1:`to`. */
  async start({ port = 0, to, host = '127.0.0.1' }) {
    this.server = createServer((near) => {
      if (this.cut) {
        near.destroy();
        return;
      }
      const far = connect(to, '127.0.0.1');
      const pair = [near, far];
      this.pairs.add(pair);
      for (const [one, other] of [pair, [far, near]]) {
        one.on('error', () => undefined);
        one.on('close', () => {
          other.destroy();
          this.pairs.delete(pair);
        });
        one.pipe(other, { end: true });
        if (this.frozen) one.unpipe(other).pause();
      }
    });
    await new Promise((resolve, reject) => {
      this.server.once('error', reject);
      this.server.listen(port, host, resolve);
    });
    this.port = this.server.address().port;
    return this;
  }

  /** Nothing passes, nothing is closed; what is sent meanwhile comes when it thaws. */
  freeze(on) {
    this.frozen = on;
    for (const [near, far] of this.pairs) {
      for (const [one, other] of [
        [near, far],
        [far, near],
      ]) {
        if (on) one.unpipe(other).pause();
        else one.pipe(other);
      }
    }
  }

  /** Every connection breaks, new ones are refused, until it is lifted. */
  sever(on) {
    this.cut = on;
    if (on) for (const pair of this.pairs) for (const socket of pair) socket.destroy();
  }

  async end() {
    this.sever(true);
    await new Promise((resolve) => this.server.close(resolve));
  }
}

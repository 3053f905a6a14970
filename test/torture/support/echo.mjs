// How long the way through the broker takes just now: the bench asks itself. What an answer took beyond that is the station's.

export class Echo {
  trips = []; // {at: sent, ms}

  constructor(client, { every = 50 } = {}) {
    this.off = client.on(({ topic, text, at }) => {
      if (topic === 'bench/echo') this.trips.push({ at: Number(text), ms: at - Number(text) });
    });
    this.timer = setInterval(() => client.sayNow('bench/echo', String(performance.now())), every);
  }

  /** The slowest way, ms, of what was sent or came between two moments; 0 where there was none. */
  slowest(from, to) {
    return this.trips.reduce((most, { at, ms }) => (at + ms >= from && at <= to ? Math.max(most, ms) : most), 0);
  }

  end() {
    clearInterval(this.timer);
    this.off();
  }
}

// Watches a station's heartbeat as a PLC does: the counter hb has to change.

export class Heart {
  beats = 0;
  longest = 0; // ms between two changes of hb, while watched
  last = null;
  moved = null;

  constructor(client) {
    this.off = client.on(({ topic, json, at }) => {
      if (topic !== 'heartbeat') return;
      this.last = json;
      if (json.hb === this.hb) return;
      this.hb = json.hb;
      this.beats++;
      if (this.moved !== null) this.longest = Math.max(this.longest, at - this.moved);
      this.moved = at;
    });
  }

  /** What lies between now and the next beat does not count: the station is down on purpose. */
  pause() {
    this.moved = null;
  }

  get ready() {
    return this.last?.ready === 1;
  }
}

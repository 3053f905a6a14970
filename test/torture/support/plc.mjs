// A line that never waits: triggers one part after another, as long as a station takes them. It keeps no rule of a gate: parts that ask
// for a gate's decisions use plc/simulator.ts.
import { sleep, within } from './processes.mjs';

export class Feeder {
  seq;
  sent = 0;
  refused = 0;
  open = new Map(); // seq -> ms sent
  given = new Set(); // seq given up without an answer
  answers = []; // {seq, sent, after ms, ok, code}

  /** `most` parts open at once; a trigger each `every` ms at the most often; a part without an answer is given up after `patience` ms. */
  constructor(client, { seq = 0, most = 3, every = 10, patience = 2500 } = {}) {
    Object.assign(this, { client, seq, most, every, patience });
    this.off = client.on(({ topic, json, at }) => {
      if (topic === 'ack' && json?.ack === 0) {
        this.refused++;
        this.open.delete(json.seq);
      }
      if (topic === 'result' && this.open.has(json?.seq)) {
        const sent = this.open.get(json.seq);
        this.answers.push({ seq: json.seq, sent, after: at - sent, ok: json.ok, code: json.resultEvaluationCode });
        this.open.delete(json.seq);
      }
    });
  }

  /** Feeds until `done()` holds, or until stop(). */
  async run(done = () => false) {
    this.stopped = false;
    while (!this.stopped && !done()) {
      const now = performance.now();
      this.giveUp(now - this.patience);
      if (this.open.size < this.most) {
        const seq = ++this.seq;
        if (this.client.sayNow('trigger', `{"seq":${seq},"partId":"P${seq}"}`)) {
          this.open.set(seq, now);
          this.sent++;
        }
      }
      await sleep(this.every);
    }
  }

  stop() {
    this.stopped = true;
  }

  /** Another run of the station: what is open gets no answer. */
  forget() {
    this.open.clear();
  }

  /** Nothing more; waits for what is open. */
  async end() {
    this.stop();
    await within(this.patience, () => this.open.size === 0);
    this.giveUp(Number.POSITIVE_INFINITY);
    this.off();
  }

  giveUp(before) {
    for (const [seq, at] of this.open) {
      if (at >= before) continue;
      this.open.delete(seq);
      this.given.add(seq);
    }
  }
}

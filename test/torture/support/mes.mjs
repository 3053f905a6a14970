// A MES as docs/mqtt.md asks for one: reads `journal`, tells records by journalSeq, sees gaps and has them sent again (command 50).
import { sleep } from './processes.mjs';

const patience = 300; // ms: what is out of order may close a gap by itself
const answerWithin = 3000; // ms
const most = 10_000; // records of one replay
const historical = /,"isHistorical":[01]/;

/** A record without the one field that may differ when it is sent again. */
const plain = (text) => text.replace(historical, '');

export class Mes {
  records = new Map(); // journalSeq -> text without isHistorical
  counts = { received: 0, duplicates: 0, flagged: 0, contradictory: 0, outOfOrder: 0, replays: 0, refused: 0, unreadable: 0 };
  highest = 0;
  contiguous = 0; // all up to here are there
  stopped = false;
  answers = new Map();
  id = 0;

  /** `client`: a Recorder that hears `journal` and `cmd/rsp`. */
  constructor(client) {
    this.client = client;
    client.on((message) => this.receive(message));
  }

  receive({ topic, text, json, dup, retain }) {
    if (topic === 'cmd/rsp') this.answers.get(json?.id)?.(json);
    if (topic !== 'journal') return;
    const seq = json?.journalSeq;
    if (!Number.isInteger(seq) || seq < 1 || retain) {
      this.counts.unreadable++;
      return;
    }
    this.counts.received++;
    const now = plain(text);
    const before = this.records.get(seq);
    if (before !== undefined) {
      this.counts.duplicates++;
      if (dup) this.counts.flagged++;
      if (before !== now) this.counts.contradictory++;
      return;
    }
    if (seq < this.highest) this.counts.outOfOrder++;
    this.records.set(seq, now);
    this.highest = Math.max(this.highest, seq);
    while (this.records.has(this.contiguous + 1)) this.contiguous++;
  }

  /** The first stretch that is missing, [from, to], or null. */
  gap() {
    if (this.contiguous >= this.highest) return null;
    const from = this.contiguous + 1;
    let to = from;
    while (to < this.highest && !this.records.has(to + 1)) to++;
    return [from, Math.min(to, from + most - 1)];
  }

  /** Watches for gaps until `stop`. */
  async run() {
    while (!this.stopped) {
      const before = this.gap();
      await sleep(patience);
      const now = this.gap();
      if (before === null || now === null || now[0] !== before[0]) continue;
      await this.replay(...now);
    }
  }

  stop() {
    this.stopped = true;
  }

  /** Asks for a stretch; true once the station says it was sent. Each asking is a new command: an old id would get an old answer. */
  async replay(from, to) {
    const id = ++this.id + 1000 * Math.floor(Math.random() * 2_000_000);
    const answer = new Promise((resolve) => this.answers.set(id, resolve));
    const asked = this.client.sayNow('cmd', JSON.stringify({ id, cmd: 50, arg: `${from}-${to}` }), 0);
    const found = asked ? await Promise.race([answer, sleep(answerWithin, null)]) : null;
    this.answers.delete(id);
    if (found?.ok === 1) this.counts.replays++;
    else this.counts.refused++;
    return found?.ok === 1;
  }

  /** At the end of the day: gaps are closed, and what may have been lost behind the last one is asked for. */
  async settle(limit = 60_000) {
    const end = performance.now() + limit;
    while (performance.now() < end) {
      const { highest } = this;
      const gap = this.gap();
      const done = await this.replay(...(gap ?? [highest + 1, highest + most]));
      await sleep(200);
      if (done && gap === null && this.highest === highest) return true;
    }
    return false;
  }
}

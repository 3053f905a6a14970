// A PLC that only triggers, as fast as the station answers, and notes what comes: how old, how often, for whom.
// It says triggers with QoS 0, so that nothing of it is ever said again after a reconnect.
const forget = 5000; // triggers remembered
const beatLimit = 1500; // ms without a heartbeat: nobody is there

export class Driver {
  counts = { triggers: 0, acks: 0, refused: 0, results: 0, ok: 0, lateOk: 0, tooOld: 0, retained: 0, foreign: 0, unanswered: 0, late: 0 };
  open = new Map(); // seq -> moment
  sent = new Map(); // seq -> {at, partId}
  accepted = new Map(); // resultId -> {seq, partId} of every ok 1
  heartbeat = { ready: 0, at: -Infinity };
  misses = []; // in words: answers that came late or not at all
  seq = 0;
  running = false;
  slowest = 0; // ms from trigger to ok 1
  credit = 1;
  filled = performance.now();

  /** `client`: a Recorder that hears ack, result, heartbeat. `perSecond`: below the 100 that the station takes. */
  constructor(client, { ttl, inFlight = 4, perSecond = 90, prefix = 'P' }) {
    Object.assign(this, { client, ttl, inFlight, perSecond, prefix });
    client.on((message) => this.receive(message));
    this.timer = setInterval(() => this.turn(), 2);
  }

  end() {
    clearInterval(this.timer);
  }

  receive({ topic, json, retain, at }) {
    if (json === undefined) return; // empty: a retained leftover is cleared
    if (topic === 'heartbeat') {
      this.heartbeat = { ready: json.ready, at };
      this.seq = Math.max(this.seq, json.lastSeq);
    }
    if (topic !== 'ack' && topic !== 'result') return;
    if (retain) this.counts.retained++;
    const sent = this.sent.get(json.seq);
    if (topic === 'ack') {
      if (json.ack === 1) this.counts.acks++;
      else {
        this.counts.refused++;
        this.open.delete(json.seq);
      }
      return;
    }
    this.counts.results++;
    this.open.delete(json.seq);
    const waited = sent === undefined ? Infinity : at - sent.at;
    if (waited > this.ttl) {
      this.counts.late++;
      this.misses.push(
        `part ${json.seq}: answered (ok ${json.ok}, ${json.resultEvaluationCode}, age ${json.age}) ${Math.round(waited)} ms after its trigger`,
      );
    }
    if (json.ok !== 1) return;
    this.counts.ok++;
    if (json.age > this.ttl) this.counts.tooOld++;
    if (waited > this.ttl) this.counts.lateOk++;
    else this.slowest = Math.max(this.slowest, waited);
    if (sent === undefined || sent.partId !== json.partId) this.counts.foreign++;
    this.accepted.set(json.resultId, { seq: json.seq, partId: json.partId });
  }

  turn() {
    const now = performance.now();
    for (const [seq, at] of this.open) {
      if (now - at < this.ttl + 200) break;
      this.open.delete(seq);
      this.counts.unanswered++;
      this.misses.push(`part ${seq}: no answer`);
    }
    this.credit = Math.min(this.inFlight, this.credit + ((now - this.filled) * this.perSecond) / 1000);
    this.filled = now;
    while (this.running && this.credit >= 1 && this.open.size < this.inFlight && this.ready(now) && this.trigger(now)) this.credit--;
  }

  ready(now = performance.now()) {
    return this.heartbeat.ready === 1 && now - this.heartbeat.at < beatLimit;
  }

  trigger(now) {
    const seq = this.seq + 1;
    const partId = `${this.prefix}${seq}`;
    if (!this.client.sayNow('trigger', `${seq};${partId};0`, 0)) return false;
    this.seq = seq;
    this.counts.triggers++;
    this.open.set(seq, now);
    this.sent.set(seq, { at: now, partId });
    if (this.sent.size > forget) this.sent.delete(this.sent.keys().next().value);
    return true;
  }
}

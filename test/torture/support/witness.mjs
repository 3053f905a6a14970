// Hears the PLC's reports and, on a connection of its own, what was on the wire; says which acceptances were wrong. It knows nothing of
// how the PLC decides.
import { createReadStream, existsSync } from 'node:fs';
import { createInterface } from 'node:readline';
import { verdictsOf } from './log.mjs';

export class Witness {
  opens = []; // {seq, partId, waited, at}
  wrong = []; // why
  state = { name: null, at: 0 };
  counts = null; // of the PLC, at its end
  results = new Map(); // seq -> [{ok, partId, resultId}], as heard
  unheard = 0;

  /** `plc`: the process; `client`: a Recorder that hears `ack` and `result`. */
  constructor(plc, client, { ttl }) {
    this.ttl = ttl;
    this.ended = new Promise((resolve) => {
      createInterface({ input: plc.stdout })
        .on('line', (line) => this.report(JSON.parse(line)))
        .on('close', resolve);
    });
    client.on(({ topic, json }) => {
      if ((topic !== 'result' && topic !== 'ack') || json === undefined) return;
      const known = this.results.get(json.seq) ?? [];
      known.push(topic === 'ack' ? { no: json.ack !== 1 } : { no: json.ok !== 1, ...json });
      this.results.set(json.seq, known);
    });
  }

  report(one) {
    if (one.counts !== undefined) this.counts = one.counts;
    if (one.wrong !== undefined) this.wrong.push(`referee: ${one.wrong}`);
    if (one.state !== undefined) this.state = { name: one.state, at: one.at };
    if (one.decision !== 'open') return;
    this.opens.push(one);
    if (one.waited > this.ttl)
      this.wrong.push(`seq ${one.seq} was accepted ${one.waited.toFixed(1)} ms after its trigger (T_result ${this.ttl} ms)`);
  }

  /** Against the log, and against the camera's own log of exposures: the picture was taken for this part, in its time, unspoilt. */
  async judge(dataDir, framesLog) {
    const verdicts = verdictsOf(dataDir);
    const frames = await framesOf(framesLog);
    const used = new Map(); // resultId, or moment of a frame -> seq
    for (const open of this.opens) {
      const of = `seq ${open.seq} (${open.partId})`;
      const heard = this.results.get(open.seq) ?? [];
      const yes = heard.find(({ no, resultId }) => !no && resultId !== undefined);
      if (yes === undefined) {
        this.unheard++; // the bench was not connected just then; the log is asked all the same
      } else if (yes.partId !== open.partId) this.wrong.push(`${of} was accepted by the verdict of ${yes.partId}`);
      const rows = [...verdicts.values()].filter((row) => row.seq === open.seq && row.part_id === open.partId);
      const row = rows.find(({ released }) => released === 1);
      if (rows.length !== 1 || row === undefined) {
        this.wrong.push(`${of} was accepted; the log has ${rows.length} verdicts of it, ${row === undefined ? 'none' : 'one'} released`);
        continue;
      }
      const sent = open.at - open.waited;
      const frame = (frames.get(row.frame_id) ?? []).find(({ ms }) => ms >= sent && ms <= open.at);
      if (frame === undefined)
        this.wrong.push(`${of} was accepted by a picture (frame ${row.frame_id}) that was not taken after its trigger`);
      else if (frame.fault !== '') this.wrong.push(`${of} was accepted by a spoilt picture (frame ${row.frame_id}: ${frame.fault})`);
      for (const key of [row.result_id, frame?.ms]) {
        if (key === undefined) continue;
        if (used.has(key)) this.wrong.push(`${of} was accepted by what let seq ${used.get(key)} through`);
        used.set(key, open.seq);
      }
    }
  }
}

/** frame number -> [{ms, fault}] of the camera's log; numbers begin again with each stream. */
async function framesOf(file) {
  const frames = new Map();
  if (!existsSync(file)) return frames;
  for await (const line of createInterface({ input: createReadStream(file) })) {
    if (!line.includes('"frame":')) continue;
    let one;
    try {
      one = JSON.parse(line);
    } catch {
      continue; // cut by a SIGKILL
    }
    if (one.frame === undefined || one.ms === undefined) continue;
    frames.set(one.frame, [...(frames.get(one.frame) ?? []), { ms: one.ms, fault: one.fault ?? '' }]);
  }
  return frames;
}

/**
 * Looks on while a simulated PLC works, and says when the gate opened where it must not have. It hears the wire before a scenario
 * spoils it and knows which part stood where, which the PLC does not; it keeps no rule of its own about how to accept.
 */
import type { Ms } from '../ports';
import type { Rule } from './acceptance';
import { readMessage, readPartId, readResultId } from './plc_reading';
import type { PlainTopic } from './topics';

interface Seen {
  part: number;
  partId: string; // '' where the trigger carried none
  at: Ms;
  no: boolean; // ack 0 or ok 0 came
  yes: boolean; // ok 1 came, with no no before it
  foreign: string | null; // partId of an ok 1 that was another part's
  exposed: number | null; // part at the camera when `acquired` came
  resultId: string; // of the ok 1
  accepted: boolean;
}

const remembered = 256;

export class Referee {
  private readonly seen = new Map<number, Seen>(); // by seq, oldest first
  private atCamera = 0;

  /** `claims`: resultId -> whose part it let through; shared by the referees of several PLCs, as one verdict is good for one part. */
  constructor(
    private readonly rule: Pick<Rule, 'tResult'>,
    private readonly claims: Map<string, string> = new Map(),
  ) {}

  /** A part comes to the camera. */
  standing(part: number): void {
    this.atCamera = part;
  }

  triggered(seq: number, part: number, partId: string, now: Ms): void {
    this.seen.delete(seq);
    this.seen.set(seq, { part, partId, at: now, no: false, yes: false, foreign: null, exposed: null, resultId: '', accepted: false });
    for (const oldest of this.seen.keys()) {
      if (this.seen.size <= remembered) break;
      this.seen.delete(oldest);
    }
  }

  /** A message as it came from the broker. */
  heard(name: PlainTopic, text: string): void {
    const input = readMessage(name, text);
    if (input === null || !('seq' in input)) return;
    const seen = this.seen.get(input.seq);
    if (seen === undefined) return;
    if (input.kind === 'acquired') seen.exposed ??= this.atCamera;
    else if (input.kind === 'ack') seen.no ||= input.ack !== 1;
    else if (input.kind === 'result') {
      seen.no ||= input.ok !== 1;
      if (input.ok !== 1) return;
      const partId = readPartId(name, text);
      if (seen.partId !== '' && partId !== seen.partId) seen.foreign = partId;
      else if (!seen.no) {
        seen.yes = true;
        seen.resultId = readResultId(text);
      }
    }
  }

  /** The PLC accepted `seq`: null if it might, else why not. */
  accepted(seq: number, now: Ms): string | null {
    const seen = this.seen.get(seq);
    if (seen === undefined) return `seq ${seq} was accepted without a trigger`;
    const { part, at, yes, foreign, exposed, accepted } = seen;
    const of = `part ${part} (seq ${seq})`;
    seen.accepted = true;
    if (accepted) return `${of} was accepted twice`;
    if (!yes) return foreign === null ? `${of} was accepted without a clean ok 1` : `${of} was accepted by the verdict of ${foreign}`;
    if (exposed !== part) return `${of} was accepted by a picture taken while part ${exposed ?? '?'} stood at the camera`;
    const other = this.claims.get(seen.resultId);
    if (other !== undefined) return `${of} was accepted by the verdict that let ${other} through`;
    if (seen.resultId !== '') this.claims.set(seen.resultId, of);
    for (const oldest of this.claims.keys()) {
      if (this.claims.size <= remembered) break;
      this.claims.delete(oldest);
    }
    const late = now - at - this.rule.tResult;
    return late > 0 ? `${of} was accepted ${Math.ceil(late)} ms after T_result` : null;
  }
}

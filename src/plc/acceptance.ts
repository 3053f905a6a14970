/**
 * What a PLC does with the station's messages: rule 3 of the contract's handshake, as a state machine without clock or wire.
 * A part opens the gate, once, only if, all with its seq: `ack` 1 came within T_ack; `acquired` came while it stood at the camera;
 * `result` came before T_result with v = 1, ok = 1, isSimulated = 0 and the expected recipeId; no `ack` 0 or ok 0 came for it; and
 * the heartbeat moved within 3 periods. Everything else is a reject. The same rule in PLC languages is tested against this one.
 */
import type { Ms } from '../ports';

export interface Rule {
  tAck: Ms;
  tResult: Ms; // = the station's TTL
  heartbeat: Ms; // period
  acceptSimulated: boolean; // commissioning only; a running line says false
  /** Hardware trigger: from the announcement to the part's sensor edge at the most; T_result then counts from the edge. */
  tEdge?: Ms;
}

export const defaultRule: Rule = { tAck: 100, tResult: 1500, heartbeat: 1000, acceptSimulated: false };

/** A message of the station or an event of the machine; numbers as read from the payload, -1 where unreadable. */
export type Input =
  | { kind: 'trigger'; seq: number; recipeId: number } // sent by this PLC; recipeId 0: any
  | { kind: 'ack'; seq: number; ack: number; code: number }
  | { kind: 'acquired'; seq: number }
  | { kind: 'result'; v: number; seq: number; ok: number; isSimulated: number; recipeId: number; code: number }
  | { kind: 'heartbeat'; hb: number }
  | { kind: 'edge'; seq: number } // hardware trigger: the part is at the sensor
  | { kind: 'left'; seq: number } // the part has left the camera
  | { kind: 'tick' };

/** In the order of the blocks' `Reason` (docs/plc), which leaves 4 out. */
export const rejections = [
  'noAck',
  'ackRefused',
  'noAcquired',
  'noResult',
  'notOk',
  'simulated',
  'wrongRecipe',
  'wrongVersion',
  'heartbeat',
  'superseded',
  'noEdge',
  'acquiredEarly',
] as const;
export type Rejection = (typeof rejections)[number];

export type Decision =
  | { seq: number; gate: 'open' }
  | { seq: number; gate: 'reject'; reason: Rejection; code: number } // code of the rig where it gave one, else 0
  | { seq: number; gate: 'revoked'; code: number }; // a no after the gate was opened: stop the part if it is still there

interface OpenPart {
  recipeId: number;
  sent: Ms;
  edge: Ms | null;
  acked: boolean;
  acquired: boolean;
  passed: boolean; // a result with ok 1 and nothing wrong is there; ack or acquired may still be on their way
}

const opened = 64; // accepted parts that may still be revoked

export class Acceptance {
  private readonly parts = new Map<number, OpenPart>();
  private readonly accepted = new Set<number>();
  private hb: { value: number; moved: Ms | null } | null = null;

  constructor(private readonly rule: Rule) {}

  get open(): number {
    return this.parts.size;
  }

  /** True while the heartbeat has moved within 3 periods. A first message alone shows no movement. */
  alive(now: Ms): boolean {
    const moved = this.hb?.moved ?? null;
    return moved !== null && now - moved <= 3 * this.rule.heartbeat;
  }

  /** One input at monotonic time `now` (never going back); the decisions it leads to, oldest part first. */
  input(input: Input, now: Ms): Decision[] {
    const decisions = this.expire(now);
    switch (input.kind) {
      case 'trigger':
        if (input.seq > 0) {
          if (this.parts.has(input.seq)) decisions.push(this.reject(input.seq, 'superseded', 0));
          this.accepted.delete(input.seq);
          this.parts.set(input.seq, {
            recipeId: input.recipeId,
            sent: now,
            edge: null,
            acked: false,
            acquired: false,
            passed: false,
          });
        }
        break;
      case 'heartbeat':
        this.hb = { value: input.hb, moved: this.hb !== null && this.hb.value !== input.hb ? now : (this.hb?.moved ?? null) };
        break;
      case 'tick':
        break;
      default:
        decisions.push(...this.message(input, now));
    }
    return decisions;
  }

  private message(input: Exclude<Input, { kind: 'trigger' | 'heartbeat' | 'tick' }>, now: Ms): Decision[] {
    const part = this.parts.get(input.seq);
    if (part === undefined) return this.revoke(input);
    switch (input.kind) {
      case 'ack':
        if (input.ack !== 1) return [this.reject(input.seq, 'ackRefused', input.code)];
        part.acked = true; // in time: a late one meets a part already rejected
        break;
      case 'edge':
        part.edge ??= now;
        break;
      case 'acquired':
        // Only this part's own edge can have caused an exposure of it.
        if (this.rule.tEdge !== undefined && part.edge === null) return [this.reject(input.seq, 'acquiredEarly', 0)];
        part.acquired = true;
        break;
      case 'left':
        // Rejected at once, so that an `acquired` that comes late meets no open part.
        if (!part.acquired) return [this.reject(input.seq, 'noAcquired', 0)];
        break;
      case 'result': {
        const wrong = this.wrong(input, part);
        if (wrong !== null) return [this.reject(input.seq, wrong, input.code)];
        part.passed = true;
        break;
      }
    }
    if (!part.acked || !part.acquired || !part.passed) return [];
    if (!this.alive(now)) return [this.reject(input.seq, 'heartbeat', 0)];
    this.parts.delete(input.seq);
    this.accepted.add(input.seq);
    for (const oldest of this.accepted) {
      if (this.accepted.size <= opened) break;
      this.accepted.delete(oldest);
    }
    return [{ seq: input.seq, gate: 'open' }];
  }

  private wrong(result: Extract<Input, { kind: 'result' }>, part: OpenPart): Rejection | null {
    if (result.v !== 1) return 'wrongVersion';
    if (result.ok !== 1) return 'notOk';
    if (result.isSimulated !== 0 && !this.rule.acceptSimulated) return 'simulated';
    if (part.recipeId !== 0 && result.recipeId !== part.recipeId) return 'wrongRecipe';
    return null;
  }

  private revoke(input: Exclude<Input, { kind: 'trigger' | 'heartbeat' | 'tick' }>): Decision[] {
    const no = (input.kind === 'result' && input.ok !== 1) || (input.kind === 'ack' && input.ack !== 1);
    if (!no || !this.accepted.delete(input.seq)) return [];
    return [{ seq: input.seq, gate: 'revoked', code: 'code' in input ? input.code : 0 }];
  }

  private expire(now: Ms): Decision[] {
    const decisions: Decision[] = [];
    for (const [seq, part] of this.parts) {
      const { tEdge } = this.rule;
      const waited = now - part.sent;
      const since = tEdge === undefined ? part.sent : part.edge;
      if (!part.acked && waited > this.rule.tAck) decisions.push(this.reject(seq, 'noAck', 0));
      else if (since === null) {
        if (tEdge !== undefined && waited > tEdge) decisions.push(this.reject(seq, 'noEdge', 0));
      } else if (now - since >= this.rule.tResult) decisions.push(this.reject(seq, part.acquired ? 'noResult' : 'noAcquired', 0));
    }
    return decisions;
  }

  private reject(seq: number, reason: Rejection, code: number): Decision {
    this.parts.delete(seq);
    return { seq, gate: 'reject', reason, code };
  }
}

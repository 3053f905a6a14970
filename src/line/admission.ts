import { Code } from '../codes';
import type { Committed, Ms, Part, TriggerRequest } from '../ports';
import { isAhead } from '../seq';

/** What a trigger was answered with, so that its repetition gets the same. */
export type Answer =
  | { kind: 'refusedTrigger'; code: Code } // ack 0
  | { kind: 'open' } // ack 1, no result yet
  | { kind: 'refusal'; code: Code; part: Part } // ack 1, then a no ahead of the commit
  | { kind: 'result'; committed: Committed }; // ack 1, then the verdict

interface Used {
  request: TriggerRequest;
  answer: Answer;
}

export type Admission = { kind: 'new' } | { kind: 'refuse'; code: Code } | { kind: 'repeat'; answer: Answer } | { kind: 'ask' };

export interface Conditions {
  /** 0 when triggers are accepted; else why not. */
  notReady: Code;
  openParts: number;
  maxOpen: number;
  recipe: number; // number of the recipe in force
  ttl: Ms;
}

/**
 * Decides about triggers by the contract's handshake, step 2: a number is used once; its honest repetition (same seq, partId and
 * recipeId, younger than the TTL) is answered as before; a part is never inspected into two different verdicts. Pure state, no I/O.
 */
export class Admissions {
  private readonly used = new Map<number, Used>();
  private last: number;

  /**
   * `lastSeq`: the last number that the log has seen, 0 if none. `started`: when this run began; within one TTL of it a used number
   * may be an earlier run's, and the log is to be asked. -Infinity: it never is.
   */
  constructor(
    lastSeq: number,
    private readonly started: Ms = Number.NEGATIVE_INFINITY,
  ) {
    this.last = lastSeq;
  }

  get lastSeq(): number {
    return this.last;
  }

  admit(request: TriggerRequest, now: Ms, conditions: Conditions): Admission {
    this.forget(now - conditions.ttl);
    const before = this.used.get(request.seq);
    if (before !== undefined) {
      const same = before.request.partId === request.partId && before.request.recipeId === request.recipeId;
      return same ? { kind: 'repeat', answer: before.answer } : { kind: 'refuse', code: Code.usedSeq };
    }
    if (!isAhead(request.seq, this.last)) {
      return now - this.started < conditions.ttl ? { kind: 'ask' } : { kind: 'refuse', code: Code.usedSeq };
    }
    const code = this.obstacle(request, conditions);
    if (code !== Code.ok) {
      this.used.set(request.seq, { request, answer: { kind: 'refusedTrigger', code } });
      return { kind: 'refuse', code };
    }
    this.last = request.seq;
    this.used.set(request.seq, { request, answer: { kind: 'open' } });
    return { kind: 'new' };
  }

  /** Notes what an admitted number was answered with. */
  answered(seq: number, answer: Answer): void {
    const used = this.used.get(seq);
    if (used !== undefined) used.answer = answer;
  }

  private obstacle(request: TriggerRequest, conditions: Conditions): Code {
    if (conditions.notReady !== Code.ok) return conditions.notReady;
    if (request.recipeId !== 0 && request.recipeId !== conditions.recipe) return Code.wrongRecipe;
    if (conditions.openParts >= conditions.maxOpen) return Code.busy;
    return Code.ok;
  }

  /** Numbers older than the TTL need no stored answer; an open one is kept until it is answered. Oldest come first in a Map. */
  private forget(before: Ms): void {
    for (const [seq, used] of this.used) {
      if (used.request.received >= before) break;
      if (used.answer.kind !== 'open') this.used.delete(seq);
    }
  }
}

/** Answers a number again that was answered before (contract, handshake 2): the stored ack, and the stored result. */
import { Code } from '../codes';
import { reason } from '../errors';
import type { Clock, Ms, TriggerRequest, Verdict } from '../ports';
import type { Answer } from './admission';
import type { LineDeps } from './part';

/** How far the clock on the wall may have moved against the monotonic one before an age across a restart is not believed. */
const clockSlack: Ms = 1_000;

export class Repetitions {
  constructor(
    private readonly deps: Pick<LineDeps, 'clock' | 'log' | 'publisher' | 'diagnostics'>,
    private readonly ttl: Ms,
  ) {}

  /** The publisher works age and ok out anew; after a no it never says yes. */
  answer(seq: number, answer: Answer): void {
    const { publisher } = this.deps;
    switch (answer.kind) {
      case 'refusedTrigger':
        publisher.ack(seq, answer.code);
        return;
      case 'open':
        publisher.ack(seq, Code.ok);
        return;
      case 'refusal':
        publisher.ack(seq, Code.ok);
        publisher.refuse(answer.part, answer.code);
        return;
      case 'result':
        publisher.ack(seq, Code.ok);
        publisher.result(answer.committed);
        return;
    }
  }

  /** A number that an earlier run used, in the first TTL of this one: the log knows what became of it. Any doubt is 203. */
  ask(request: TriggerRequest): void {
    const { log, publisher, diagnostics, clock } = this.deps;
    log
      .find(request.seq)
      .catch((thrown: unknown) => {
        diagnostics.error({ seq: request.seq, err: reason(thrown) }, 'the log could not be asked about a used number: refused');
        return null;
      })
      .then((committed) => {
        if (committed !== null && isRepetition(request, committed.verdict, clock, this.ttl)) {
          this.answer(request.seq, { kind: 'result', committed });
        } else publisher.ack(request.seq, Code.usedSeq);
      })
      .catch((thrown: unknown) => diagnostics.error({ seq: request.seq, err: thrown }, 'a used number could not be answered'));
  }
}

/**
 * The same trigger again, younger than the TTL. Monotonic time begins anew with the machine, so an age across a restart counts only
 * where the wall clock tells the same.
 */
export function isRepetition(request: TriggerRequest, { part }: Verdict, clock: Clock, ttl: Ms): boolean {
  if (request.seq !== part.seq || request.partId !== part.partId) return false;
  if (request.recipeId !== 0 && request.recipeId !== part.recipe.number) return false;
  const age = clock.now() - part.opened;
  const wallAge = Date.parse(clock.wall().utc) - Date.parse(part.openedUtc);
  return age >= 0 && age <= ttl && Math.abs(wallAge - age) <= clockSlack;
}

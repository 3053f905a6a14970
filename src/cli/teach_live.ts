/** `verdictd teach --live`: the next parts of the running station become shots; a person sees each and may throw it out. */
import { createInterface, type Interface } from 'node:readline/promises';
import { setTimeout as pause } from 'node:timers/promises';
import { reason, VerdictdError } from '../errors';
import type { TeachReport } from '../recipe/teach';
import type { Shot, TeachStatus } from '../station/teaching';
import type { Context } from './context';
import { actor } from './records';
import { askStation } from './running';
import { sayDoubts } from './teach_doubts';

export const liveShots = 8;
const lookEvery = 200; // ms

interface Wanted {
  recipe: string;
  shots: number;
  heldOut: number;
  keepAll?: true;
  by?: string;
}

/** Begins, watches, commits; whatever ends it before the commit aborts the lesson. Throws what the station says. */
export async function teachLive(context: Context, { recipe, shots, heldOut, keepAll, by }: Wanted): Promise<void> {
  const { io, signal } = context;
  const call = async <T>(name: string, args: Record<string, unknown> = {}): Promise<T> =>
    (await askStation(context, name, args)).value as T;
  const { number } = await call<TeachStatus>('teach.start', { recipe, shots, heldOut });
  const questions =
    process.stdin.isTTY && !io.json && keepAll !== true ? createInterface({ input: process.stdin, output: process.stderr }) : null;
  let over = false;
  try {
    io.err(`teaching recipe ${recipe} (number ${number}): show ${shots + heldOut} good parts; nothing passes meanwhile`);
    const told = new Set<number>();
    for (;;) {
      const status = await call<TeachStatus>('teach.status');
      for (const shot of status.seen) {
        if (told.has(shot.n)) continue;
        told.add(shot.n);
        if (io.json) io.outJson(shot);
        else io.err(wordsOf(shot, status));
        if (!shot.kept || questions === null) continue;
        const answer = await asked(questions, `shot ${shot.n}: keep or discard? (q gives the lesson up) [K/d/q] `, signal);
        if (/^q/i.test(answer)) throw givenUp();
        if (/^d/i.test(answer)) await call('teach.discard', { n: shot.n });
      }
      const now = await call<TeachStatus>('teach.status');
      if (now.state === 'complete' && now.seen.every(({ n }) => told.has(n))) break;
      await pause(lookEvery, undefined, { signal });
    }
    const report = await call<TeachReport>('teach.commit', { by: actor(by) });
    over = true;
    sayDoubts(context, report);
    const { limit, provisional } = report;
    if (io.json) io.outJson(report);
    else io.out(`recipe ${recipe} (number ${number}) taught and in force: limit ${limit.toFixed(3)}${provisional ? ', provisional' : ''}`);
  } finally {
    questions?.close();
    // Not by the context's own signal, which may be what ended it.
    if (!over) {
      await askStation(context, 'teach.abort', {}, AbortSignal.timeout(5_000)).catch((thrown: unknown) =>
        io.err(`the lesson may still be open (${reason(thrown)}): nothing passes until it is committed or aborted; restart the station`),
      );
    }
  }
}

/** What was typed. Throws ABORTED where the terminal is closed instead: Ctrl-C and Ctrl-D at the question, or it went away. */
async function asked(questions: Interface, question: string, signal: AbortSignal): Promise<string> {
  let shut = (): void => undefined;
  const closed = new Promise<never>((_, reject) => {
    shut = () => reject(givenUp());
    questions.once('close', shut);
  });
  try {
    return (await Promise.race([questions.question(question, { signal }), closed])).trim();
  } finally {
    questions.off('close', shut);
  }
}

function givenUp(): VerdictdError {
  return new VerdictdError('ABORTED', 'The lesson was given up: nothing of it is kept, and what was in force is again.');
}

function wordsOf({ n, kept, words }: Shot, { taken, shots, heldOut }: TeachStatus): string {
  return `part ${n}: ${kept ? `kept (${taken} of ${shots + heldOut})` : 'not kept'}${words.length === 0 ? '' : `; ${words.join('; ')}`}`;
}

/**
 * Worker: teaches a whole recipe off the main thread: whitening, coreset, building and running of the bank, files. What only the main
 * thread has, the next part and the model's tokens, it asks for by a note, and is answered by a call.
 */
import { systemClock } from '../clock';
import { reason, VerdictdError } from '../errors';
import { note, serve } from '../threads';
import { Banks } from './banks';
import type { GoodPart, Sample } from './shots';
import { type TeachOptions, teach } from './teach';

type Parts = 'parts' | 'bad' | 'limitSamples';
/** The options without what can be called. */
export type Lesson = Omit<TeachOptions, Parts> & { names: readonly string[]; threads: number };

/** What the worker says unasked. */
export type Question = { id: number; part: number } | { id: number; tensor: Float32Array };
export type Outcome =
  | { taught: Awaited<ReturnType<typeof teach>> }
  | { failed: { message: string; code: string | null; details: readonly string[] } };
export type Answer = { id: number; value: unknown } | { id: number; failed: { message: string; code: string | null } };

const asked = new Map<number, { resolve: (value: unknown) => void; reject: (error: Error) => void }>();
let last = 0;
const abort = new AbortController();

function ask<T>(question: { part: number } | { tensor: Float32Array }): Promise<T> {
  const id = ++last;
  return new Promise<T>((resolve, reject) => {
    asked.set(id, { resolve: (value) => resolve(value as T), reject });
    note('ask', { id, ...question });
  });
}

async function run({ names, threads, ...options }: Lesson): Promise<void> {
  const parts = names.map((name, part): GoodPart => ({ name, read: () => ask<Sample>({ part }) }));
  try {
    const taught = await teach(
      { ...options, parts },
      {
        embed: (tensor) => ask<Float32Array[]>({ tensor }),
        bank: new Banks(threads),
        utc: () => systemClock.wall().utc,
        signal: abort.signal,
        progress: () => note('progress', null),
      },
    );
    note('ended', { taught } satisfies Outcome);
  } catch (thrown) {
    const known = thrown instanceof VerdictdError;
    const failed = { message: reason(thrown), code: known ? thrown.code : null, details: known ? thrown.details : [] };
    note('ended', { failed } satisfies Outcome);
  }
}

const methods = {
  /** Begins; its end is a note. */
  begin(lesson: Lesson): null {
    void run(lesson);
    return null;
  },
  answer(answer: Answer): null {
    const waiting = asked.get(answer.id);
    asked.delete(answer.id);
    if ('failed' in answer) {
      const { message, code } = answer.failed;
      waiting?.reject(code === null ? new Error(message) : new VerdictdError(code as VerdictdError['code'], message));
    } else waiting?.resolve(answer.value);
    return null;
  },
  abort(_: null): null {
    abort.abort();
    for (const { reject } of asked.values()) reject(new VerdictdError('ABORTED', 'teaching was stopped'));
    asked.clear();
    return null;
  },
};

export type TeachMethods = typeof methods;
serve(methods);

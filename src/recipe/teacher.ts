/** Teaches in a worker: the main thread gives it parts and tokens, and is never held up by coreset and bank. */
import { setTimeout as pause } from 'node:timers/promises';
import { reason, VerdictdError } from '../errors';
import type { Ms } from '../ports';
import { WorkerClient, workerFile } from '../threads';
import type { TeachDeps, TeachOptions, teach } from './teach';
import type { Answer, Outcome, Question, TeachMethods } from './teach_worker';

/** What a lesson that is given up may take to notice. */
const mostWait: Ms = 10_000;

type Taught = Awaited<ReturnType<typeof teach>>;

/** One lesson at a time. Owner of the worker; `end` is the only close path. */
export class Teacher {
  private readonly client = new WorkerClient<TeachMethods>(workerFile('recipe/teach_worker'), 'teach');
  private lesson: { options: TeachOptions; deps: Deps; over: (outcome: Outcome) => void; lost: (error: Error) => void } | null = null;

  private over: Promise<unknown> = Promise.resolve();

  /** `threads`: of onnxruntime's CPU provider. */
  constructor(private readonly threads = 2) {}

  start(): void {
    this.client.start({
      onNote: (name, value) => this.noted(name, value),
      onDied: (error) =>
        this.lesson?.lost(new VerdictdError('TEACH_REFUSED', `The worker that teaches died (${error.message}). Teach again.`)),
    });
  }

  /** As `teach`, without known-bad parts and limit samples, which come from files; rejects as it does. */
  async teach(options: Omit<TeachOptions, 'bad' | 'limitSamples'>, deps: Deps): Promise<Taught> {
    if (this.lesson !== null) throw new VerdictdError('TEACH_REFUSED', 'A recipe is being taught already. Wait until it is done.');
    const { parts, ...rest } = options;
    const stop = (): void => void this.client.call('abort', null).catch(() => undefined);
    try {
      const ended = new Promise<Outcome>((over, lost) => {
        this.lesson = { options, deps, over, lost };
        deps.signal?.addEventListener('abort', stop, { once: true });
        const lesson = { ...rest, names: parts.map(({ name }) => name), threads: this.threads };
        this.client.call('begin', lesson).catch(lost);
        if (deps.signal?.aborted === true) stop();
      });
      this.over = ended.catch(() => undefined);
      const outcome = await ended;
      if ('taught' in outcome) return outcome.taught;
      const { message, code, details } = outcome.failed;
      throw code === null ? new Error(message) : new VerdictdError(code as VerdictdError['code'], message, { details });
    } finally {
      deps.signal?.removeEventListener('abort', stop);
      this.lesson = null;
    }
  }

  /** After a lesson, or in one: it is given up then. */
  async end(): Promise<void> {
    if (this.lesson !== null) {
      // A thread must not be ended while onnxruntime works in it: the process would abort (see inspect/engine.ts).
      await Promise.race([this.client.call('abort', null).then(() => this.over), pause(mostWait)]).catch(() => undefined);
    }
    await this.client.end();
  }

  private noted(name: string, value: unknown): void {
    const { lesson } = this;
    if (lesson === null) return;
    if (name === 'ended') lesson.over(value as Outcome);
    else if (name === 'progress') lesson.deps.progress?.();
    else if (name === 'ask') {
      const question = value as Question;
      this.answer(question, lesson).then(
        (answer) => this.client.call('answer', answer).catch(() => undefined), // the worker is gone: `onDied` has told
        () => undefined,
      );
    }
  }

  private async answer(question: Question, { options, deps }: NonNullable<Teacher['lesson']>): Promise<Answer> {
    const { id } = question;
    try {
      if ('tensor' in question) return { id, value: [...(await deps.embed(question.tensor))] };
      const part = options.parts[question.part];
      if (part === undefined) throw new Error(`there is no part ${question.part}`);
      return { id, value: await part.read() };
    } catch (thrown) {
      return { id, failed: { message: reason(thrown), code: thrown instanceof VerdictdError ? thrown.code : null } };
    }
  }
}

/** What stays on this side. */
type Deps = Pick<TeachDeps, 'embed' | 'progress' | 'signal'>;

/**
 * Typed calls between the main thread and a worker thread. A worker serves named methods, one at a time and in order; the
 * client gets a promise per call. When the worker dies, every waiting call rejects: nobody waits for the dead.
 */
import { join } from 'node:path';
import { parentPort, type Transferable, Worker } from 'node:worker_threads';
import { reason } from './errors';
import { packageRoot } from './package';

interface Call {
  id: number;
  method: string;
  args: unknown;
}
interface Answer {
  id: number;
  value?: unknown;
  error?: { message: string; code?: string; stack?: string };
}
interface Note {
  note: string;
  value: unknown;
}

/** What a method of a worker returns when buffers shall move, not be copied. */
export class Moved<T> {
  constructor(
    readonly value: T,
    readonly transfer: readonly Transferable[],
  ) {}
}

type Methods = { [method: string]: (args: never) => unknown };
type Args<F> = F extends (args: infer A) => unknown ? A : never;
type Value<F> = F extends (args: never) => infer R ? (Awaited<R> extends Moved<infer T> ? T : Awaited<R>) : never;

/** Compiled worker file: workers always run what `npm run build` made, in tests too. `room` as in 'store/worker'. */
export function workerFile(room: string): string {
  return join(packageRoot, 'dist', `${room}.js`);
}

/** In the worker: answers calls, in order, one after another. Call once. */
export function serve(methods: Methods): void {
  const port = parentPort;
  if (port === null) throw new Error('serve() runs in a worker thread only');
  let turn: Promise<void> = Promise.resolve();
  port.on('message', (call: Call) => {
    turn = turn.then(async () => {
      try {
        const method = methods[call.method];
        if (method === undefined) throw new Error(`no method ${call.method} in this worker`);
        const result = await method(call.args as never);
        if (result instanceof Moved) port.postMessage({ id: call.id, value: result.value } satisfies Answer, [...result.transfer]);
        else port.postMessage({ id: call.id, value: result } satisfies Answer);
      } catch (thrown) {
        const code = (thrown as { code?: unknown }).code;
        const error: NonNullable<Answer['error']> = { message: reason(thrown) };
        if (typeof code === 'string') error.code = code;
        if (thrown instanceof Error && thrown.stack !== undefined) error.stack = thrown.stack;
        port.postMessage({ id: call.id, error } satisfies Answer);
      }
    });
  });
}

/** In the worker: tells the client something unasked. */
export function note(name: string, value: unknown): void {
  parentPort?.postMessage({ note: name, value } satisfies Note);
}

/** The error of a worker's method, with the code it had there (a VerdictdError's, SQLite's ...). */
export class WorkerError extends Error {
  override readonly name = 'WorkerError';
  constructor(
    message: string,
    readonly code: string | undefined,
    readonly workerStack: string | undefined,
  ) {
    super(message);
  }
}

interface Waiting {
  resolve: (value: never) => void;
  reject: (error: Error) => void;
}

/**
 * The main thread's end of one worker. One owner; `end` is the only close path (terminate, reject what waits).
 * `M` is the type of the method table that the worker serves.
 */
export class WorkerClient<M extends Methods> {
  private readonly waiting = new Map<number, Waiting>();
  private worker: Worker | null = null;
  private lastId = 0;
  private notes: (name: string, value: unknown) => void = () => undefined;
  private died: (error: Error) => void = () => undefined;

  constructor(
    private readonly file: string,
    private readonly name: string,
  ) {}

  /** `onDied` is called once if the worker ends without being asked to. */
  start(options: { workerData?: unknown; onNote?: (name: string, value: unknown) => void; onDied?: (error: Error) => void } = {}): void {
    if (this.worker !== null) throw new Error(`the ${this.name} worker runs already`);
    this.notes = options.onNote ?? this.notes;
    this.died = options.onDied ?? this.died;
    const worker = new Worker(this.file, { workerData: options.workerData, name: `verdictd ${this.name}` });
    this.worker = worker;
    worker.on('message', (message: Answer | Note) => this.receive(message));
    worker.on('error', (error) => this.lost(worker, error));
    worker.on('exit', (code) => this.lost(worker, new Error(`the ${this.name} worker ended (exit code ${code})`)));
  }

  call<K extends keyof M & string>(method: K, args: Args<M[K]>, transfer: readonly Transferable[] = []): Promise<Value<M[K]>> {
    const worker = this.worker;
    if (worker === null) return Promise.reject(new Error(`the ${this.name} worker is not running`));
    const id = ++this.lastId;
    return new Promise<Value<M[K]>>((resolve, reject) => {
      this.waiting.set(id, { resolve, reject });
      try {
        worker.postMessage({ id, method, args } satisfies Call, [...transfer]);
      } catch (thrown) {
        this.waiting.delete(id);
        reject(thrown instanceof Error ? thrown : new Error(String(thrown)));
      }
    });
  }

  get running(): boolean {
    return this.worker !== null;
  }

  /** Ends the worker at once; calls still waiting reject. */
  async end(): Promise<void> {
    const worker = this.worker;
    if (worker === null) return;
    this.worker = null;
    this.rejectAll(new Error(`the ${this.name} worker was ended`));
    await worker.terminate();
  }

  private receive(message: Answer | Note): void {
    if ('note' in message) {
      this.notes(message.note, message.value);
      return;
    }
    const waiting = this.waiting.get(message.id);
    if (waiting === undefined) return;
    this.waiting.delete(message.id);
    if (message.error === undefined) waiting.resolve(message.value as never);
    else waiting.reject(new WorkerError(message.error.message, message.error.code, message.error.stack));
  }

  /** `error` is followed by `exit`: the first of the two counts. */
  private lost(worker: Worker, error: Error): void {
    if (this.worker !== worker) return;
    this.worker = null;
    this.rejectAll(error);
    this.died(error);
  }

  private rejectAll(error: Error): void {
    const waiting = [...this.waiting.values()];
    this.waiting.clear();
    for (const one of waiting) one.reject(error);
  }
}

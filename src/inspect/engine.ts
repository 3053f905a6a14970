/**
 * The main thread's end of the inference worker: calls in order, a deadline each, and a worker that comes back.
 *
 * What could go wrong if ... a call is not answered in time? Its promise rejects (402); the worker's late answer is thrown away. ... the
 * worker dies? The call it worked on rejects (403); calls not yet begun wait, by their deadlines, for the next worker, which loads the
 * same job and proves itself on the golden image. ... it hangs? Beyond `hang` it is abandoned and another takes its place. ... the
 * reload fails? Calls reject at once (401) with the reason, and it is tried again, less and less often. A part is never run twice.
 *
 * Owner of the worker. It ends by its own hand, when told to `quit`: Worker.terminate() while onnxruntime works in it aborts the
 * whole process as soon as the native call returns (its binding cannot make the answer in an environment that is going down).
 */
import { basename } from 'node:path';
import type { Bundle } from '../bundle/manifest';
import { within } from '../clock';
import { Code } from '../codes';
import type { Diagnostics } from '../diagnostics';
import { InspectionError, reason, VerdictdError } from '../errors';
import type { Cancel, Clock, InputSpec, Ms } from '../ports';
import type { Recipe } from '../recipe/recipe';
import { WorkerClient, WorkerError, workerFile } from '../threads';
import { type Engines, tryEngine } from './engine_rung';
import { stopped, tooLate, translated } from './fault';
import { rungsFor } from './ladder';
import { type Beside, type BesideArgs, buffers, type Embedding, type LoadArgs, type Loaded, type RunResult, type Source } from './protocol';
import { tellLoaded } from './told';
import type { InferenceMethods } from './worker';

export interface EngineOptions {
  providers: readonly string[]; // the ladder, from the top
  threads: number; // of the cpu provider
  /** A run or a sign of life that takes longer counts as hung: well above the slowest inference. */
  hang?: Ms;
  /** As `hang`, for a load: TensorRT may build an engine for minutes. */
  loadLimit?: Ms;
  /** Period of the signs of life while idle. */
  ping?: Ms;
}

export interface EngineDeps {
  clock: Clock;
  diagnostics: Diagnostics;
  /** A picture file as the model's tensor [3,height,width]: for the golden image. */
  tensor(path: string, input: InputSpec): Promise<Float32Array>;
  /** Where the ladder begins with tensorrt: engines built ahead of time. Without it, tensorrt builds one at each load. */
  engines?: Engines | undefined;
}

type Client = WorkerClient<InferenceMethods>;

/** A call on its way: settled once, by its answer, its deadline, or the worker's end. */
interface Call {
  limit: Ms; // of the work itself
  send(client: Client): Promise<void>; // resolves the caller
  fail(error: Error): void;
  settled: boolean;
  cancel: Cancel; // of the deadline
}

const longestPause: Ms = 30_000;
/** Each abandoned thread holds a model in memory; with more of them than this, only a new process helps. */
const mostEnding = 2;

export class Engine {
  private readonly providers: readonly string[];
  private readonly threads: number;
  private readonly hang: Ms;
  private readonly loadLimit: Ms;
  private readonly period: Ms;
  private client: Client | null = null;
  private readonly queue: Call[] = [];
  private current: Call | null = null;
  private cancelHang: Cancel = () => undefined;
  private cancelRevival: Cancel = () => undefined;
  private pings: NodeJS.Timeout | null = null;
  private state: 'new' | 'up' | 'reviving' | 'stopped' = 'new';
  /** Why calls cannot be served, while a reload keeps failing. */
  private down: string | null = null;
  private failures = 0; // workers lost since one last answered
  private job: { args: LoadArgs; loaded: Loaded; name: string } | null = null;
  /** Banks beside that of the job: a new worker gets them again. */
  private readonly banks = new Map<number, BesideArgs>();
  private lastJob = 0;
  private lastSign: Ms = 0;
  /** Workers started again since `start`. */
  restarts = 0;
  /** Workers told to quit that have not ended yet. */
  private readonly endings = new Set<Promise<void>>();
  /** Engines being fetched or built: none is left behind by `stop`. */
  private readonly builds = new Set<Promise<void>>();
  private readonly stopping = new AbortController();

  constructor(
    options: EngineOptions,
    private readonly deps: EngineDeps,
  ) {
    this.providers = options.providers;
    this.threads = options.threads;
    this.hang = options.hang ?? 30_000;
    this.loadLimit = options.loadLimit ?? 15 * 60_000;
    this.period = options.ping ?? 500;
  }

  start(): void {
    if (this.state !== 'new') throw new Error('an engine starts once');
    // Must be in the process's own environment: a worker's process.env is a copy that native code never sees.
    process.env.ORT_DISABLE_TELEMETRY = '1';
    // Held by this thread for good: once its last worker has ended, the binding could not be loaded again in this process ("Module did
    // not self-register": it registers in a static constructor, which a library that stays mapped never runs twice).
    require('./onnxruntime');
    this.spawn();
    this.lastSign = this.deps.clock.now(); // of this thread's will only; from here on only an answer counts, a new worker does not
    this.state = 'up';
    this.pings = setInterval(() => this.ping(), this.period);
    this.pings.unref();
  }

  /**
   * Loads bundle and recipe and proves them on the golden image. A load that fails leaves what ran before.
   * Throws PROVIDER_UNAVAILABLE (every rung with its reason), BUNDLE_REFUSED, RECIPE_REFUSED, IMAGE_UNREADABLE (golden image), ABORTED.
   */
  async load(bundle: Bundle, recipe: Recipe | null, signal?: AbortSignal): Promise<Loaded & { job: number }> {
    const { input, outputs, taps, golden } = bundle.manifest;
    const { offered, refused } = rungsFor(bundle, this.providers);
    const args: LoadArgs = {
      job: ++this.lastJob,
      model: {
        file: { path: bundle.modelPath, sha256: bundle.manifest.files[basename(bundle.modelPath)]?.sha256 ?? '' },
        sha256: bundle.sha256,
        input: { name: input.name, width: input.width, height: input.height },
        outputs,
        taps,
        golden: { score: golden.score, tolerance: golden.tolerance },
      },
      bank: recipe === null ? null : { path: recipe.bankPath, sha256: recipe.file.bank.sha256 },
      regions: recipe?.file.regions ?? null,
      golden: await this.deps.tensor(bundle.goldenPath, input),
      providers: offered,
      threads: this.threads,
      engine: null,
      refused,
    };
    const took = (answer: Loaded, by: LoadArgs) => {
      this.job = { args: by, loaded: answer, name: bundle.manifest.name };
      this.banks.clear();
      this.tell();
    };
    const terms = { limit: this.loadLimit, by: Number.POSITIVE_INFINITY, signal };
    const tried = await this.tryEngine(bundle, args, terms, took);
    if ('loaded' in tried) return { ...tried.loaded, job: args.job };
    const { rest } = tried;
    const loaded = await this.ask<Loaded>(
      terms,
      (client) => client.call('load', rest),
      (answer) => took(answer, rest),
    );
    return { ...loaded, job: args.job };
  }

  /**
   * Loads a recipe's bank beside those there are, behind the model that `load` gave; calls then name it by its number. Throws
   * RECIPE_REFUSED, INFERENCE_FAILED.
   */
  async beside(recipe: Recipe): Promise<Beside & { job: number }> {
    if (this.job === null) throw new VerdictdError('INFERENCE_FAILED', 'no model is loaded to put a bank behind');
    const { golden, threads } = this.job.args;
    const { bank, regions = null } = recipe.file;
    const args: BesideArgs = { job: ++this.lastJob, bank: { path: recipe.bankPath, sha256: bank.sha256 }, regions, golden, threads };
    const terms = { limit: this.loadLimit, by: Number.POSITIVE_INFINITY };
    const kept = () => void this.banks.set(args.job, args);
    return { ...(await this.ask<Beside>(terms, (client) => client.call('beside', args), kept)), job: args.job };
  }

  /** Gives up the bank that `beside` loaded. */
  async drop(job: number): Promise<void> {
    this.banks.delete(job);
    await this.ask<null>({ limit: this.hang, by: Number.POSITIVE_INFINITY }, (client) => client.call('drop', job));
  }

  /** The rung above the worker's own ladder, where there is one. While an engine is built, the worker idles and shows signs of life. */
  private async tryEngine(
    bundle: Bundle,
    args: LoadArgs,
    terms: { limit: Ms; by: Ms; signal?: AbortSignal | undefined },
    took: (answer: Loaded, by: LoadArgs) => void,
  ): Promise<Awaited<ReturnType<typeof tryEngine>>> {
    const { engines } = this.deps;
    if (engines === undefined || args.providers[0] !== 'tensorrt') return { rest: args };
    const signal = terms.signal === undefined ? this.stopping.signal : AbortSignal.any([terms.signal, this.stopping.signal]);
    const worker = {
      probe: () => this.ask<string | null>(terms, (client) => client.call('probe', 'tensorrt')),
      loadEngine: (by: LoadArgs) =>
        this.ask<Loaded | { refused: string }>(
          terms,
          (client) => client.call('loadEngine', by),
          (answer) => {
            if (!('refused' in answer)) took(answer, by);
          },
        ),
    };
    const trial = tryEngine(worker, args, engines, bundle, signal);
    const ended = trial.then(
      () => undefined,
      () => undefined,
    );
    this.builds.add(ended);
    ended.then(() => this.builds.delete(ended)).catch(() => undefined);
    return await trial;
  }

  /** Judges one tensor under load `job`; rejects with InspectionError. A given `data` is moved away. */
  async run(job: number, source: Source, by: Ms, map: 'none' | 'full', near: readonly number[] = []): Promise<RunResult> {
    const asked = this.deps.clock.now();
    return await this.ask<RunResult>({ limit: this.hang, by }, (client) =>
      client.call('run', { job, source, asked, map, near }, buffers(source)),
    );
  }

  /** What the model alone gives for one tensor: tokens for teaching. A given `data` is moved away. */
  async embed(job: number, source: Source, by: Ms = Number.POSITIVE_INFINITY): Promise<Embedding> {
    return await this.ask<Embedding>({ limit: this.hang, by }, (client) => client.call('embed', { job, source }, buffers(source)));
  }

  /**
   * Threads told to quit that still work. While there are any, process.exit() waits for their native call and then aborts the process
   * (see above): only a signal, or _exit, ends it.
   */
  get ending(): number {
    return this.endings.size;
  }

  /** A worker that was lost is being replaced, which may take as long as a load. */
  get reviving(): boolean {
    return this.state === 'reviving';
  }

  /** The golden picture's tensor, the model's own score for it, and how far a score may be off; null before the first load. */
  get golden(): { data: Float32Array; score: number; tolerance: number } | null {
    return this.job === null ? null : { data: this.job.args.golden, ...this.job.args.model.golden };
  }

  get started(): boolean {
    return this.state !== 'new';
  }

  /** What is loaded; null before the first load. After a restart: as the new worker proved it. */
  get loaded(): Loaded | null {
    return this.job?.loaded ?? null;
  }

  /** Monotonic ms of the worker's last answer. Old while it works, at most by one inference; older: it hangs or is gone. */
  alive(): Ms {
    return this.lastSign;
  }

  /**
   * Ends the worker: at once where it is idle, after the call in progress else. Resolves by `by` at the latest; `ending` then tells
   * whether a thread is left. Calls that wait reject.
   */
  async stop(by: Ms): Promise<void> {
    if (this.state !== 'stopped') {
      this.state = 'stopped';
      this.stopping.abort();
      if (this.pings !== null) clearInterval(this.pings);
      this.cancelRevival();
      for (const call of this.queue.splice(0)) call.fail(stopped());
      if (this.client !== null) this.dismiss(this.client);
      this.client = null;
    }
    await within(Promise.all([...this.endings, ...this.builds]), by - this.deps.clock.now(), this.deps.clock);
    this.cancelHang();
    this.current?.fail(stopped());
  }

  private spawn(): void {
    const client: Client = new WorkerClient(workerFile('inspect/worker'), 'inference');
    client.start({ onDied: (error) => this.lost(client, `the inference worker died (${error.message})`) });
    this.client = client;
  }

  private ask<T>(
    terms: { limit: Ms; by: Ms; signal?: AbortSignal | undefined },
    send: (client: Client) => Promise<T>,
    took: (answer: T) => void = () => undefined,
  ): Promise<T> {
    const { clock } = this.deps;
    return new Promise<T>((resolve, reject) => {
      const settle = (act: () => void) => {
        if (call.settled) return;
        call.settled = true;
        call.cancel();
        terms.signal?.removeEventListener('abort', aborted);
        act();
      };
      const call: Call = {
        limit: terms.limit,
        settled: false,
        cancel: () => undefined,
        fail: (error) => settle(() => reject(error)),
        send: async (client) => {
          const answer = await send(client);
          took(answer); // even if nobody waits any more: the worker has done it
          settle(() => resolve(answer));
        },
      };
      const aborted = () => call.fail(new VerdictdError('ABORTED', 'stopped before the model was loaded'));
      if (this.state === 'stopped' || this.state === 'new') call.fail(stopped());
      else if (terms.signal?.aborted === true) aborted();
      else if (this.down !== null) call.fail(new InspectionError(Code.providerLost, this.down));
      else {
        terms.signal?.addEventListener('abort', aborted, { once: true });
        if (Number.isFinite(terms.by)) call.cancel = clock.at(terms.by, () => call.fail(tooLate()));
        this.queue.push(call);
        this.pump();
      }
    });
  }

  /** Sends the next call, if the worker is free. A call that is settled already (its deadline has passed) is not begun. */
  private pump(): void {
    const client = this.client;
    if (this.current !== null || this.state !== 'up' || client === null) return;
    let call = this.queue.shift();
    while (call?.settled === true) call = this.queue.shift();
    if (call === undefined) return;
    this.dispatch(client, call).catch((thrown: unknown) => this.deps.diagnostics.error({ err: thrown }, 'inference call'));
  }

  private async dispatch(client: Client, call: Call): Promise<void> {
    const { clock } = this.deps;
    this.current = call;
    const limit = `the inference worker gave no sign of life for ${call.limit / 1000} s`;
    this.cancelHang = clock.at(clock.now() + call.limit, () => this.hung(client, limit));
    try {
      await call.send(client);
      this.lastSign = clock.now();
      this.failures = 0;
    } catch (thrown) {
      if (thrown instanceof WorkerError) this.lastSign = clock.now();
      call.fail(translated(thrown));
    } finally {
      if (this.current === call) {
        this.current = null;
        this.cancelHang();
        this.pump();
      }
    }
  }

  private ping(): void {
    if (this.current !== null || this.queue.length > 0 || this.state !== 'up') return;
    // Its own failure is told by `lost` or `hung`; here is nobody to tell.
    this.ask({ limit: this.hang, by: Number.POSITIVE_INFINITY }, (client) => client.call('ping', null)).catch(() => undefined);
  }

  /** Its native call may return yet, or never: the thread is told to quit when it does, and nobody waits for it. */
  private hung(client: Client, why: string): void {
    this.dismiss(client);
    this.lost(client, why);
  }

  /** Tells the worker to quit, after the call in progress; there is no answer but its end. */
  private dismiss(client: Client): void {
    const ended = client.call('quit', null).then(
      () => undefined,
      () => undefined,
    );
    this.endings.add(ended);
    ended.then(() => this.endings.delete(ended)).catch(() => undefined);
  }

  /** The worker is gone, and its call with it; the next worker starts at once, or after a pause if none lives. */
  private lost(client: Client, why: string): void {
    if (this.client !== client) return;
    this.client = null;
    if (this.state === 'reviving') return; // `reload` rejects, and tells
    this.cancelHang();
    this.current?.fail(new InspectionError(Code.notANumber, `${why}; it is being restarted.`));
    this.current = null;
    this.deps.diagnostics.error({ restarts: this.restarts }, `${why}; starting another`);
    this.state = 'reviving';
    this.reviveLater();
  }

  private reviveLater(): void {
    const { clock } = this.deps;
    const pause = this.failures === 0 ? 0 : Math.min(longestPause, 500 * 2 ** this.failures);
    this.failures++;
    this.cancelRevival = clock.at(clock.now() + pause, () => this.revive());
  }

  private revive(): void {
    if (this.endings.size > mostEnding) {
      this.notRevived(new Error(`${this.endings.size} inference threads hang in the execution provider; restart verdictd`));
      return;
    }
    this.restarts++;
    this.reload().then(
      () => {
        if (this.state !== 'reviving') return;
        this.down = null;
        this.state = 'up';
        this.pump();
      },
      (thrown: unknown) => this.notRevived(thrown),
    );
  }

  private async reload(): Promise<void> {
    this.spawn();
    const { client, job } = this;
    if (client === null || job === null) return;
    let cancel: Cancel = () => undefined;
    const limit = new Promise<never>((_, reject) => {
      const at = this.deps.clock.now() + this.loadLimit;
      cancel = this.deps.clock.at(at, () => reject(new Error(`loading took longer than ${this.loadLimit / 1000} s`)));
    });
    try {
      const loaded = await Promise.race([client.call('load', job.args), limit]);
      for (const args of this.banks.values()) await Promise.race([client.call('beside', args), limit]);
      this.job = { ...job, loaded };
      this.tell();
      this.lastSign = this.deps.clock.now();
    } finally {
      cancel();
    }
  }

  private notRevived(thrown: unknown): void {
    if (this.state !== 'reviving') return;
    const { diagnostics } = this.deps;
    if (this.client !== null) this.dismiss(this.client);
    this.client = null;
    this.down = `the inference worker could not be restarted: ${reason(thrown)}`;
    diagnostics.error({ restarts: this.restarts }, this.down);
    for (const call of this.queue.splice(0)) call.fail(new InspectionError(Code.providerLost, this.down));
    this.reviveLater();
  }

  private tell(): void {
    if (this.job !== null) tellLoaded(this.deps.diagnostics, this.job);
  }
}

/**
 * TensorRT engines, built here and kept: <dir>/tensorrt/<key>/ holds `model.engine`, the wrapper `model.onnx` that onnxruntime loads, and
 * `entry.json` with the hashes of both. The key is the hash of the model, of everything the engine is bound to (machine.ts) and of the
 * flags it was built with, so an entry is either right or not there.
 *
 * What could go wrong if ... the process dies while it builds? The folder gets its name last; leftovers go at the next build. ... bytes
 * rot, or a file is cut? Hashes are checked before each load; the entry goes and is built again. ... two processes want the same?
 * One builds under a lock (flock, gone with its process), the other waits and takes the result. ... somebody else can write here?
 * Nothing is taken: an engine is a program. A bundle's own engine is never looked at.
 */
import { randomBytes } from 'node:crypto';
import { existsSync, mkdirSync, readFileSync } from 'node:fs';
import { lstat, mkdir, open, readdir, rename, rm, stat, statfs, utimes } from 'node:fs/promises';
import { basename, join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { z } from 'zod';
import type { Bundle } from '../bundle/manifest';
import type { Diagnostics } from '../diagnostics';
import { reason, VerdictdError } from '../errors';
import { makeFolder } from '../folder';
import { hashFile, sha256 } from '../hash';
import { type Lock, lockFile } from '../native';
import type { Port } from '../onnx/check';
import { epContextModel } from '../onnx/ep_context';
import { bordersOf, type Declared } from '../onnx/wrap';
import type { Ms } from '../ports';
import { describeMachine } from './machine';
import { buildFlags, findTrtexec, type Precision, runTrtexec } from './trtexec';
import { distrust } from './trusted';

export interface EngineCacheOptions {
  /** As `cacheDir` gives it: made if missing, 0700. */
  dir: string;
  trtexec: string | null; // absolute path; null: the usual places
  precision: 'bundle' | Precision; // bundle: as the bundle was built
  workspace: number; // MiB that TensorRT may use while it builds, and for scratch in the engine
  timeout: Ms; // of a build
  /** Stands for / where the machine is described; for tests. */
  root?: string;
}

export interface EngineCacheDeps {
  diagnostics: Diagnostics;
  /** What goes on, for people: a build takes minutes. */
  progress(text: string): void;
  /** Free bytes of the file system at a path; for tests. */
  free?(path: string): Promise<number>;
}

export interface Entry {
  key: string;
  dir: string;
  wrapper: string; // path of the ONNX model to load
  /** Built just now: building again would give the same. */
  fresh: boolean;
}

const engineFile = 'model.engine';
const wrapperFile = 'model.onnx';
const entryFile = 'entry.json';
/** Engines of other bundles and settings that stay, by last use: going back to them takes no build. */
const others = 2;
const tell: Ms = 10_000;
const poll: Ms = 500;
const mebibyte = 2 ** 20;

const digest = z.strictObject({ sha256: z.string().regex(/^[0-9a-f]{64}$/), bytes: z.number().int().positive() });
const entrySchema = z.strictObject({
  format: z.literal(1),
  key: z.string(),
  bundle: z.string(),
  model: z.string(),
  facts: z.record(z.string(), z.string()),
  flags: z.array(z.string()),
  engine: digest,
  wrapper: digest,
  built: z.string(), // UTC
  seconds: z.number(),
});
type EntryFile = z.infer<typeof entrySchema>;

/** Where engines are kept: systemd's cache directory (the first, of several), else one in the data directory. */
export function cacheDir(dataDir: string, env: Readonly<Record<string, string | undefined>>): string {
  return env.CACHE_DIRECTORY?.split(':')[0] || join(dataDir, 'cache');
}

/** The cache as configuration section `inference.engine` has it; undefined where engines are not to be kept. */
export function enginesOf(
  settings: Omit<EngineCacheOptions, 'dir' | 'root'> & { build: boolean }, // timeout in s
  dataDir: string,
  deps: EngineCacheDeps,
): EngineCache | undefined {
  const { build, timeout, ...how } = settings;
  return build ? new EngineCache({ ...how, timeout: timeout * 1000, dir: cacheDir(dataDir, process.env) }, deps) : undefined;
}

async function freeBytes(path: string): Promise<number> {
  const { bavail, bsize } = await statfs(path);
  return bavail * bsize;
}

/** Ports of a model, for the wrapper. Throws an Error where one is not float32 of static shape. */
function portsOf(declared: readonly Declared[]): Port[] {
  return declared.map(({ name, type, shape }) => {
    const sides = (shape ?? []).map((side) => side ?? 0);
    if (type !== 1 || shape === null || sides.includes(0)) throw new Error(`${name} of the model is not float32 of static shape`);
    return { name, type: 'float32', shape: sides };
  });
}

async function writeSynced(path: string, bytes: string | Uint8Array): Promise<void> {
  const file = await open(path, 'wx', 0o600);
  try {
    await file.writeFile(bytes);
    await file.sync();
  } finally {
    await file.close();
  }
}

/** Of a file or a folder: its bytes, or its names, are on the disk. */
async function sync(path: string): Promise<void> {
  const file = await open(path, 'r');
  try {
    await file.sync();
  } finally {
    await file.close();
  }
}

export class EngineCache {
  /** Builds by key that failed in this process, and why: tried again by the next process only, for each costs minutes. */
  private readonly failed = new Map<string, string>();

  constructor(
    private readonly options: EngineCacheOptions,
    private readonly deps: EngineCacheDeps,
  ) {}

  /**
   * The engine for a bundle's model on this machine: from the cache, else built, which takes minutes and is told to `progress`.
   * Throws an Error with a sentence where there can be none; ABORTED by the signal.
   */
  async entry(bundle: Bundle, signal?: AbortSignal): Promise<Entry> {
    const program = findTrtexec(this.options.trtexec);
    const { facts, architecture } = await describeMachine(program, this.options.root);
    const model = (await hashFile(bundle.modelPath)).sha256;
    if (model !== bundle.manifest.files[basename(bundle.modelPath)]?.sha256)
      throw new Error(`${bundle.modelPath} was altered since the bundle was checked; no engine is made of it`);
    const flags = buildFlags({ precision: this.precision(bundle), workspace: this.options.workspace });
    const key = sha256(Buffer.from(JSON.stringify([model, facts, flags])));
    const before = this.failed.get(key);
    if (before !== undefined) throw new Error(before);
    const home = this.home();
    const known = await this.read(home, key);
    if (known !== null) return known;
    const lock = await this.locked(home, signal);
    try {
      const meanwhile = await this.read(home, key); // another process has built it
      if (meanwhile !== null) return meanwhile;
      const described = { key, bundle: bundle.sha256, model, facts, flags };
      return await this.build(home, program, bundle.modelPath, architecture, described, signal);
    } finally {
      lock.close();
    }
  }

  /** The entry was refused where it was loaded: it goes. One that was fresh is not built again by this process. */
  async discard({ key, dir, fresh }: Entry, why: string): Promise<void> {
    this.deps.diagnostics.warn({ entry: key.slice(0, 12), fresh, reason: why }, 'TensorRT engine refused; removed from the cache');
    if (fresh) this.failed.set(key, why);
    await rm(dir, { recursive: true, force: true });
  }

  private precision({ manifest }: Bundle): Precision {
    if (this.options.precision !== 'bundle') return this.options.precision;
    return manifest.settings.precision === 'fp16' ? 'fp16' : 'fp32';
  }

  /** The folder of all entries: ours, and nobody else's to write. */
  private home(): string {
    const { dir } = this.options;
    try {
      makeFolder(dir, 0o700);
      const home = join(dir, 'tensorrt');
      if (!existsSync(home)) mkdirSync(home, { mode: 0o700 });
      const why = distrust(home, 'folder');
      if (why !== null) throw new Error(why);
      return home;
    } catch (thrown) {
      throw new Error(`the cache cannot be used: ${reason(thrown)}`, { cause: thrown });
    }
  }

  /** null where there is none, or none that is whole; that one is removed. */
  private async read(home: string, key: string): Promise<Entry | null> {
    const dir = join(home, key);
    if (!existsSync(dir)) return null;
    try {
      const why = distrust(dir, 'folder');
      if (why !== null) throw new Error(why);
      const found = entrySchema.parse(JSON.parse(readFileSync(join(dir, entryFile), 'utf8')));
      if (found.key !== key) throw new Error('it is of another key');
      for (const [name, expected] of [[engineFile, found.engine] as const, [wrapperFile, found.wrapper] as const]) {
        const distrusted = distrust(join(dir, name), 'file');
        if (distrusted !== null) throw new Error(distrusted);
        const { sha256: hash, bytes } = await hashFile(join(dir, name));
        if (hash !== expected.sha256) throw new Error(`${name} is altered (${bytes} bytes; expected ${expected.bytes})`);
      }
      const now = new Date();
      await utimes(dir, now, now); // last use
      return { key, dir, wrapper: join(dir, wrapperFile), fresh: false };
    } catch (thrown) {
      const said = thrown instanceof z.ZodError ? `${entryFile} is altered` : reason(thrown);
      this.deps.diagnostics.warn({ dir, reason: said }, 'TensorRT engine in the cache refused; it is built again');
      await rm(dir, { recursive: true, force: true });
      return null;
    }
  }

  /** The right to build: one build at a time, for they take all the memory there is. */
  private async locked(home: string, signal: AbortSignal | undefined): Promise<Lock> {
    const until = performance.now() + this.options.timeout;
    for (let told = false; ; told = true) {
      const lock = lockFile(join(home, 'lock'));
      if (lock !== null) return lock;
      if (!told) this.deps.progress('another verdictd builds a TensorRT engine; waiting for it');
      if (performance.now() > until) throw new Error(`another verdictd holds ${join(home, 'lock')} since ${this.options.timeout / 1000} s`);
      await sleep(poll, undefined, signal === undefined ? {} : { signal }).catch(() => {
        throw new VerdictdError('ABORTED', 'stopped while another process built a TensorRT engine');
      });
    }
  }

  private async build(
    home: string,
    program: string,
    model: string,
    architecture: string | null,
    described: Pick<EntryFile, 'key' | 'bundle' | 'model' | 'facts' | 'flags'>,
    signal: AbortSignal | undefined,
  ): Promise<Entry> {
    const { key, flags, facts } = described;
    await this.makeRoom(home, key, (await stat(model)).size);
    const borders = bordersOf(model);
    const part = join(home, `${key}.${randomBytes(4).toString('hex')}.part`);
    await mkdir(part, { mode: 0o700 });
    try {
      const engine = join(part, engineFile);
      const seconds = await this.run({ program, model, engine, home, flags, facts }, signal);
      const found = await lstat(engine).catch(() => null);
      if (found === null || !found.isFile() || found.size === 0) throw new Error('trtexec said it was done, but wrote no engine');
      await sync(engine);
      const { inputs, outputs } = borders;
      const wrapper = epContextModel({ file: engineFile, inputs: portsOf(inputs), outputs: portsOf(outputs), architecture });
      await writeSynced(join(part, wrapperFile), wrapper);
      const entry: EntryFile = {
        format: 1,
        ...described,
        engine: await hashFile(engine),
        wrapper: { sha256: sha256(wrapper), bytes: wrapper.length },
        built: new Date().toISOString(),
        seconds,
      };
      await writeSynced(join(part, entryFile), `${JSON.stringify(entry, null, 2)}\n`);
      await sync(part);
      const dir = join(home, key);
      await rename(part, dir);
      await sync(home);
      this.deps.diagnostics.info({ entry: key.slice(0, 12), bytes: entry.engine.bytes, seconds, flags }, 'TensorRT engine built');
      return { key, dir, wrapper: join(dir, wrapperFile), fresh: true };
    } catch (thrown) {
      if (thrown instanceof VerdictdError && thrown.code === 'ABORTED') throw thrown;
      const full = (thrown as NodeJS.ErrnoException).code === 'ENOSPC' || /no space left/i.test(reason(thrown));
      if (!full) this.failed.set(key, reason(thrown));
      throw full ? new Error(`the disk of ${home} is full (${reason(thrown)}); free some space`, { cause: thrown }) : thrown;
    } finally {
      await rm(part, { recursive: true, force: true });
    }
  }

  /** Seconds it took. */
  private async run(
    {
      program,
      model,
      engine,
      home,
      flags,
      facts,
    }: { program: string; model: string; engine: string; home: string; flags: string[]; facts: EntryFile['facts'] },
    signal: AbortSignal | undefined,
  ): Promise<number> {
    const began = performance.now();
    const elapsed = () => Math.round((performance.now() - began) / 1000);
    const { timeout } = this.options;
    let last = '';
    const say = () =>
      this.deps.progress(`building the TensorRT engine: ${elapsed()} s of at most ${timeout / 1000} s${last === '' ? '' : `; ${last}`}`);
    const ticks = setInterval(say, tell);
    // A timing cache is bound to the machine as an engine is.
    const timingCache = join(home, `timing-${sha256(Buffer.from(JSON.stringify(facts))).slice(0, 16)}.cache`);
    say();
    try {
      const job = { program, model, engine, timingCache, flags, timeout };
      await runTrtexec(job, signal, (line) => {
        last = line;
        this.deps.diagnostics.debug({ trtexec: line }, 'building a TensorRT engine');
      });
      return elapsed();
    } catch (thrown) {
      await rm(timingCache, { force: true }); // it may be what was wrong
      throw thrown;
    } finally {
      clearInterval(ticks);
    }
  }

  /**
   * Leftovers and engines not used for long go. An engine is about as large as its model; twice that, and room to write, must be free,
   * or else every other entry goes too.
   */
  private async makeRoom(home: string, key: string, model: number): Promise<void> {
    const free = this.deps.free ?? freeBytes;
    const needed = 2 * model + 64 * mebibyte;
    const names = await readdir(home);
    for (const name of names) if (name.endsWith('.part')) await rm(join(home, name), { recursive: true, force: true });
    const entries = await Promise.all(
      names
        .filter((name) => /^[0-9a-f]{64}$/.test(name) && name !== key)
        .map(async (name) => ({ dir: join(home, name), used: (await stat(join(home, name))).mtimeMs })),
    );
    entries.sort((a, b) => b.used - a.used);
    for (const { dir } of entries.splice(others)) await rm(dir, { recursive: true, force: true });
    for (const { dir } of entries.reverse()) {
      if ((await free(home)) >= needed) return;
      await rm(dir, { recursive: true, force: true });
    }
    const left = await free(home);
    if (left >= needed) return;
    const [has, wants] = [left, needed].map((bytes) => Math.round(bytes / mebibyte));
    throw new Error(`the disk of ${home} has ${has} MiB free; an engine of this model needs ${wants} MiB`);
  }
}

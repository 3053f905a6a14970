/**
 * trtexec, TensorRT's own program: builds an engine from an ONNX model, in a process of its own. It takes minutes and much memory on a
 * Jetson, and it may crash; nothing of that reaches the daemon.
 */
import { spawn } from 'node:child_process';
import { accessSync, constants } from 'node:fs';
import { setPriority } from 'node:os';
import { delimiter, isAbsolute, join } from 'node:path';
import { reason, VerdictdError } from '../errors';
import type { Ms } from '../ports';
import { distrust } from './trusted';

export type Precision = 'fp32' | 'tf32' | 'fp16';

/** Where NVIDIA's packages put it (libnvinfer-bin), which is on no PATH. */
const usualDirs = ['/usr/src/tensorrt/bin', '/usr/local/tensorrt/bin'];

/** Absolute path. Throws an Error with a sentence where there is none, or one that others could have changed. */
export function findTrtexec(given: string | null, searched: string = process.env.PATH ?? '', usual: readonly string[] = usualDirs): string {
  const dirs = [...searched.split(delimiter).filter((dir) => isAbsolute(dir)), ...usual];
  const found = given ?? dirs.map((dir) => join(dir, 'trtexec')).find(runnable);
  if (found === undefined) {
    throw new Error(`trtexec is not in ${usual.join(', ')} or on the PATH; install libnvinfer-bin, or set inference.engine.trtexec`);
  }
  const why = distrust(found, 'file');
  if (why !== null) throw new Error(why);
  if (!runnable(found)) throw new Error(`${found} is not a program that this user may run`);
  return found;
}

function runnable(path: string): boolean {
  try {
    accessSync(path, constants.X_OK);
    return true;
  } catch {
    return false;
  }
}

export interface BuildFlags {
  precision: Precision;
  workspace: number; // MiB
}

/** What decides the engine, beside model and machine: part of the cache's key. */
export function buildFlags({ precision, workspace }: BuildFlags): string[] {
  // TensorRT takes TF32 (10 bits of mantissa) for fp32 unless it is told not to.
  const kind = { fp32: ['--noTF32'], tf32: [], fp16: ['--fp16'] }[precision];
  return [...kind, `--memPoolSize=workspace:${workspace}`, '--skipInference'];
}

export interface Job {
  program: string;
  model: string; // path
  engine: string; // path to write
  timingCache: string; // path; makes the next build of a like model shorter
  flags: readonly string[];
  timeout: Ms;
}

const kept = 12; // lines of output that go into a reason
const longestLine = 500;

/** The child sees no secret: what TensorRT and CUDA need of the environment, and no more. */
function environment(): NodeJS.ProcessEnv {
  const names = ['PATH', 'LD_LIBRARY_PATH', 'HOME', 'LANG', 'TMPDIR', 'CUDA_VISIBLE_DEVICES', 'CUDA_CACHE_PATH'];
  return Object.fromEntries(names.flatMap((name) => (process.env[name] === undefined ? [] : [[name, process.env[name]]])));
}

/** Whole lines of a stream, each and all together bounded. */
class Lines {
  private rest = '';

  constructor(private readonly took: (line: string) => void) {}

  push(text: string): void {
    const lines = (this.rest + text).split(/\r?\n/);
    this.rest = (lines.pop() ?? '').slice(0, longestLine);
    for (const line of lines) this.took(line.slice(0, longestLine));
  }

  end(): void {
    if (this.rest !== '') this.took(this.rest);
    this.rest = '';
  }
}

/**
 * Runs to its end. Rejects with a sentence that ends in what trtexec said last where it cannot be started, fails, is killed or takes
 * longer than `timeout` (then it is killed, with all its children); with ABORTED by the signal, once it is gone.
 */
export async function runTrtexec(job: Job, signal: AbortSignal | undefined, line: (text: string) => void): Promise<void> {
  const args = [`--onnx=${job.model}`, `--saveEngine=${job.engine}`, `--timingCacheFile=${job.timingCache}`, ...job.flags];
  const tail: string[] = [];
  const errors: string[] = [];
  const lines = new Lines((text) => {
    const said = text.trim();
    if (said === '') return;
    tail.push(said);
    if (tail.length > kept) tail.shift();
    if (said.includes('[E]') && errors.length < kept) errors.push(said);
    line(said);
  });
  const told = () => (errors.length > 0 ? errors.slice(-3) : tail.slice(-3)).join(' | ') || 'it said nothing';
  if (signal?.aborted === true) throw aborted();
  await new Promise<void>((resolve, reject) => {
    // A process group of its own, so that whatever it starts ends with it.
    const child = spawn(job.program, args, { env: environment(), stdio: ['ignore', 'pipe', 'pipe'], detached: true });
    let why: Error | null = null;
    const kill = (error: Error) => {
      why ??= error;
      if (child.pid === undefined) return;
      try {
        process.kill(-child.pid, 'SIGKILL'); // it has nothing to save
      } catch {
        // gone already
      }
    };
    const stop = () => kill(aborted());
    const timer = setTimeout(
      () => kill(new Error(`trtexec took longer than ${job.timeout / 1000} s and was ended; it last said: ${told()}`)),
      job.timeout,
    );
    signal?.addEventListener('abort', stop, { once: true });
    for (const stream of [child.stdout, child.stderr]) stream.setEncoding('utf8').on('data', (text: string) => lines.push(text));
    const settle = (error: Error | null) => {
      clearTimeout(timer);
      signal?.removeEventListener('abort', stop);
      lines.end();
      if (error === null) resolve();
      else reject(error);
    };
    child.on('error', (error) => settle(new Error(`trtexec could not be started (${reason(error)})`, { cause: error })));
    child.on('exit', () => {
      // What it started may hold its pipes open for ever; the group goes, and 'close' comes.
      if (child.pid === undefined) return;
      try {
        process.kill(-child.pid, 'SIGKILL');
      } catch {
        // nobody left
      }
      // One that left the group is not waited for.
      setTimeout(() => {
        for (const stream of [child.stdout, child.stderr]) stream.destroy();
      }, 2000).unref();
    });
    child.on('close', (code, by) => {
      if (why !== null) settle(why);
      else if (code === 0) settle(null);
      else settle(new Error(`trtexec ${by === null ? `failed (exit code ${code})` : `was killed (${by})`}: ${told()}`));
    });
    try {
      // Parts may be inspected on another provider meanwhile.
      if (child.pid !== undefined) setPriority(child.pid, 10);
    } catch {
      // not allowed, or over already
    }
  });
}

function aborted(): VerdictdError {
  return new VerdictdError('ABORTED', 'stopped while a TensorRT engine was built');
}

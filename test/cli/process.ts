/** Runs the command line as a process of its own, as users do. */
import { type ChildProcess, spawn } from 'node:child_process';
import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { packageRoot } from '../../src/package';

export const launcher = join(packageRoot, 'src/cli/verdictd');
/** The program with the commands of commands.cjs. */
export const frame = join(__dirname, 'commands.cjs');

export interface Ended {
  code: number | null;
  signal: NodeJS.Signals | null;
  stdout: string;
  stderr: string;
}

export interface Running {
  child: ChildProcess;
  ended: Promise<Ended>;
  /** Resolves once stderr has shown `text`. */
  said(text: string): Promise<void>;
}

/** No VERDICTD_ variable and no STATE_DIRECTORY of the machine comes in. */
function cleanEnvironment(env: Record<string, string>): NodeJS.ProcessEnv {
  const own = Object.entries(process.env).filter(([name]) => !name.startsWith('VERDICTD_') && name !== 'STATE_DIRECTORY');
  return { ...Object.fromEntries(own), ...env };
}

export function start(script: string, args: readonly string[], options: { env?: Record<string, string>; cwd?: string } = {}): Running {
  if (!existsSync(join(packageRoot, 'dist/cli/main.js'))) throw new Error('dist/cli/main.js is missing: run `npm run build` first');
  const child = spawn(process.execPath, [script, ...args], {
    cwd: options.cwd ?? packageRoot,
    env: cleanEnvironment(options.env ?? {}),
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  let stdout = '';
  let stderr = '';
  const waiting: { text: string; resolve: () => void }[] = [];
  child.stdout.setEncoding('utf8').on('data', (text: string) => {
    stdout += text;
  });
  child.stderr.setEncoding('utf8').on('data', (text: string) => {
    stderr += text;
    for (const one of waiting) if (stderr.includes(one.text)) one.resolve();
  });
  const ended = new Promise<Ended>((resolve, reject) => {
    child.on('error', reject);
    child.on('close', (code, signal) => resolve({ code, signal, stdout, stderr }));
  });
  const said = (text: string) =>
    new Promise<void>((resolve, reject) => {
      if (stderr.includes(text)) return resolve();
      waiting.push({ text, resolve });
      ended.then(() => reject(new Error(`ended without saying "${text}": ${stderr}`)), reject);
    });
  return { child, ended, said };
}

export function run(script: string, args: readonly string[], options: { env?: Record<string, string>; cwd?: string } = {}): Promise<Ended> {
  return start(script, args, options).ended;
}

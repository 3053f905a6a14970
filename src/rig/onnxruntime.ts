/** `npm run rig:onnxruntime -- ...`: onnxruntime's Node binding for this machine's GPU. See docs/rig.md. */
import { spawn } from 'node:child_process';
import { mkdtempSync, rmSync } from 'node:fs';
import { cpus, tmpdir } from 'node:os';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { reason } from '../errors';
import { installedVersion } from '../inspect/ort_dir';
import { packageRoot } from '../package';
import { buildBinding, buildCommands, type Run } from './build';
import { place } from './place';
import { executionProviders, type Found, lookFor, type Provider } from './requirements';

const help = `npm run rig:onnxruntime -- --source DIR --libs DIR [options]

Builds the Node binding of onnxruntime against libraries made for this machine, proves it by an inference, and places both
outside node_modules. The libraries must be of the version that npm installed (${installedVersion()}).

  --source DIR        onnxruntime's source tree, at the tag of that version
  --libs DIR          folder with libonnxruntime.so.1 and libonnxruntime_providers_{shared,cuda,tensorrt}.so
  --to DIR            where to place them (default /opt/verdictd/onnxruntime), in a folder named after the version
  --provider NAME     tensorrt, cuda or cpu: what the binding shall have, and is proven on (default tensorrt)
  --node-headers DIR  folder with node_api.h
  --jobs N            compilers at once (default 2, or fewer)
  --dry-run           only look for what is needed, and show the commands
`;

export interface Options {
  source: string | null;
  libs: string | null;
  to: string;
  provider: Provider;
  nodeHeaders: string | null;
  jobs: number;
  dryRun: boolean;
}

export class UsageError extends Error {}

/** null: help was asked for. Throws UsageError. */
export function readOptions(args: readonly string[]): Options | null {
  const text = { type: 'string' } as const;
  const flag = { type: 'boolean', default: false } as const;
  let values: Record<string, string | boolean | undefined>;
  try {
    ({ values } = parseArgs({
      args: [...args],
      options: { source: text, libs: text, to: text, provider: text, 'node-headers': text, jobs: text, 'dry-run': flag, help: flag },
    }));
  } catch (thrown) {
    throw new UsageError(reason(thrown));
  }
  if (values.help === true) return null;
  const provider = executionProviders.find((one) => one === (values.provider ?? 'tensorrt'));
  if (provider === undefined) throw new UsageError(`--provider ${values.provider}; expected ${executionProviders.join(', ')}`);
  const jobs = Number(values.jobs ?? Math.min(2, cpus().length));
  if (!Number.isInteger(jobs) || jobs < 1 || jobs > 64) throw new UsageError(`--jobs ${values.jobs}; expected 1 to 64`);
  const path = (name: string): string | null => {
    const given = values[name];
    if (given === '') throw new UsageError(`--${name} is empty; expected a folder`);
    return typeof given === 'string' ? given : null;
  };
  return {
    source: path('source'),
    libs: path('libs'),
    to: path('to') ?? '/opt/verdictd/onnxruntime',
    provider,
    nodeHeaders: path('node-headers'),
    jobs,
    dryRun: values['dry-run'] === true,
  };
}

export interface Deps {
  version: string;
  packageRoot: string;
  run: Run;
  /** Proves the placed files on the provider. */
  smoke(dir: string, provider: Provider): Promise<void>;
  say(line: string): void;
}

/** Drop-in of systemd that makes the daemon take the placed build. */
export function dropIn(dir: string): string {
  return `[Service]\nEnvironment=VERDICTD_ORT_DIR=${dir}`;
}

/** Exit code: 0, or 1 with every reason said. */
export async function install(options: Options, deps: Deps): Promise<0 | 1> {
  const { say } = deps;
  const found = lookFor({ ...options, version: deps.version, packageRoot: deps.packageRoot });
  if ('problems' in found) {
    for (const problem of found.problems) say(`missing: ${problem}`);
    return 1;
  }
  say(`onnxruntime ${found.version}, provider ${found.provider}`);
  for (const { path, name } of found.libraries) say(`  ${name} from ${path}`);
  if (options.dryRun) {
    for (const [program, args] of buildCommands(found, '<work>', options.jobs)) say(`would run: ${program} ${args.join(' ')}`);
    say(`would place: ${join(options.to, found.version)}`);
    return 0;
  }
  try {
    const dir = await buildAndPlace(found, options, deps);
    say(`placed: ${dir}`);
    say('Put this in /etc/systemd/system/verdictd.service.d/onnxruntime.conf, then systemctl daemon-reload:');
    say(dropIn(dir));
    return 0;
  } catch (thrown) {
    say(`failed: ${reason(thrown)}`);
    return 1;
  }
}

async function buildAndPlace(found: Found, options: Options, deps: Deps): Promise<string> {
  const work = mkdtempSync(join(tmpdir(), 'verdictd-ort-'));
  try {
    const binding = await buildBinding(found, work, options.jobs, deps.run);
    return await place(found, binding, options.to, (dir) => deps.smoke(dir, options.provider));
  } finally {
    rmSync(work, { recursive: true, force: true });
  }
}

/** Output goes to the terminal. Rejects where the program fails. */
function running(env: NodeJS.ProcessEnv = process.env): Run {
  return (program, args) =>
    new Promise((resolve, reject) => {
      const child = spawn(program, args, { stdio: 'inherit', env });
      child.on('error', (error) => reject(new Error(`${program} could not be started (${error.message})`)));
      child.on('close', (code, signal) => {
        if (code === 0) resolve();
        else reject(new Error(`${program} ${args[0] ?? ''} ended with ${signal ?? `exit code ${code}`}`));
      });
    });
}

/** In a process of its own: a GPU library that crashes must not take this one along, and the variable is read at its start. */
export async function smokeTest(dir: string, provider: Provider): Promise<void> {
  const env = { ...process.env, VERDICTD_ORT_DIR: dir, ORT_DISABLE_TELEMETRY: '1' };
  try {
    await running(env)(process.execPath, [join(packageRoot, 'dist/rig/smoke.js'), provider]);
  } catch (thrown) {
    throw new Error(`no inference on ${provider} with the new build (${reason(thrown)}); nothing was placed`, { cause: thrown });
  }
}

async function main(): Promise<number> {
  const say = (line: string) => console.log(line);
  try {
    const options = readOptions(process.argv.slice(2));
    if (options !== null)
      return await install(options, { version: installedVersion(), packageRoot, run: running(), smoke: smokeTest, say });
    say(help);
    return 0;
  } catch (thrown) {
    if (!(thrown instanceof UsageError)) throw thrown;
    console.error(`${thrown.message}\n\n${help}`);
    return 2;
  }
}

if (require.main === module) {
  main().then(
    (code) => {
      process.exitCode = code;
    },
    (thrown: unknown) => {
      console.error(thrown);
      process.exitCode = 1;
    },
  );
}

/** Ends at any moment: workers terminated and processes left in mid-flow, callbacks that throw, memory over many cycles. */
import { execFile, spawn, spawnSync } from 'node:child_process';
import { mkdtempSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { lockFile } from '../../src/native';

/** Set by test/proof/run.cjs, under sanitizers and emulators. */
const slow = Number(process.env.VERDICTD_PROOF_SLOW ?? 1);
/**
 * No leak check at the end (npm run test:native): the checker wants a thread of its own, and stumbles over threads that are still
 * running. A process that is left in mid-flow has given nothing back anyway.
 */
const unchecked = { ...process.env, ASAN_OPTIONS: `${process.env.ASAN_OPTIONS ?? ''}:detect_leaks=0` };
const child = (name: string): string => join(__dirname, 'children', `${name}.cjs`);

/** Runs a script to its end; rejects unless it ends by itself with code 0 and an empty stderr. */
function run(name: string, args: string[] = [], flags: string[] = [], env: NodeJS.ProcessEnv = process.env): Promise<string> {
  return new Promise((resolve, reject) => {
    execFile(process.execPath, [...flags, child(name), ...args], { env, timeout: 120_000 * slow }, (error, stdout, stderr) => {
      if (error !== null || stderr !== '') reject(new Error(`${name}: ${String(error)} ${stderr}`));
      else resolve(stdout);
    });
  });
}

test('a callback that throws costs no other event and is an uncaught exception', async () => {
  const told = JSON.parse(await run('throwing')) as unknown;
  expect(told).toEqual({ seen: ['end', 'frame', 'frame', 'frame', 'freed', 'freed', 'freed'], uncaught: 7 });
});

test('a camera whose thread cannot be made says so, and leaves nothing behind', async () => {
  if (spawnSync('prlimit', ['--version']).status !== 0) return console.log('skipped: no prlimit (Debian: util-linux)');
  expect(await run('no_thread', [], [], unchecked)).toMatch(/^the camera's thread cannot be started: .*TasksMax/);
}, 60_000);

test('process.exit in mid-flow', async () => {
  for (let i = 0; i < 5; i++) expect(await run('flow', [], [], unchecked)).toBe('');
}, 60_000);

test('worker.terminate in mid-flow, again and again', async () => {
  const { threads } = JSON.parse(await run('terminate', ['24'])) as { threads: number };
  // Node's own threads: main, platform and pool workers; none of the cameras' is left.
  expect(threads).toBeLessThan(20);
}, 120_000);

test('sixty cameras from start to stop leave no thread, no slot and no memory behind', async () => {
  const { rss, threads } = JSON.parse(await run('cycles', ['60'], ['--expose-gc'])) as { rss: number[]; threads: number };
  expect(threads).toBeLessThan(20);
  // One ring is 3 MB of tensors and 9 MB of thumbnails: thirty leaked ones would be over 300. The first cycles warm allocator and heap up.
  const [early, late] = [Math.max(...rss.slice(2, 6)), rss[9] ?? Number.NaN];
  expect(late - early).toBeLessThan(48);
}, 120_000);

describe('lock', () => {
  const path = join(mkdtempSync(join(tmpdir(), 'verdictd-lock-')), 'lock');

  test('of a directory, of a place that is not there', () => {
    expect(() => lockFile(join(path, 'x'))).toThrow(/^cannot lock .*: No such file or directory$/);
    expect(() => lockFile(tmpdir())).toThrow(/^cannot lock .*: Is a directory$/);
  });

  test('is had once, and again after close', () => {
    const lock = lockFile(path);
    expect(lock).not.toBeNull();
    expect(lockFile(path)).toBeNull();
    lock?.close();
    lock?.close();
    const again = lockFile(path);
    expect(again).not.toBeNull();
    again?.close();
  });

  test('ends with the process that holds it, killed or not', async () => {
    const holder = spawn(process.execPath, [child('holder'), path], { stdio: ['ignore', 'pipe', 'inherit'] });
    const said = await new Promise<string>((resolve) => holder.stdout.once('data', (data: Buffer) => resolve(data.toString().trim())));
    expect(said).toBe('held');
    expect(lockFile(path)).toBeNull();
    const gone = new Promise((resolve) => holder.once('exit', resolve));
    holder.kill('SIGKILL');
    await gone;
    const lock = lockFile(path);
    expect(lock).not.toBeNull();
    lock?.close();
  });
});

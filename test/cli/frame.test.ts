/** What holds for every command: exit codes, errors as text and JSON, signals, a reader that goes away, the data directory. */
import { type StdioOptions, spawnSync } from 'node:child_process';
import { closeSync, mkdtempSync, openSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { frame, run, start } from './process';

const dir = mkdtempSync(join(tmpdir(), 'verdictd-cli-'));
afterAll(() => rmSync(dir, { recursive: true, force: true }));

describe('errors', () => {
  test('an error of the table: its text, its details, its exit code', async () => {
    const { code, stdout, stderr } = await run(frame, ['refused']);
    expect(code).toBe(75);
    expect(stdout).toBe('');
    expect(stderr).toBe('verdictd: the camera is gone. Check the cable [CAMERA_FAILED]\n  - first\n  - second\n');
  });

  test('with --json one line of JSON on stdout, and the text on stderr all the same', async () => {
    const { code, stdout, stderr } = await run(frame, ['refused', '--json']);
    expect(code).toBe(75);
    expect(JSON.parse(stdout)).toEqual({
      error: { code: 'CAMERA_FAILED', message: 'the camera is gone. Check the cable', details: ['first', 'second'] },
    });
    expect(stderr).toContain('the camera is gone');
  });

  test('an error that came through a worker keeps its code', async () => {
    const { code, stderr } = await run(frame, ['worker']);
    expect(code).toBe(1);
    expect(stderr).toBe('verdictd: the disk is full [LOG_UNAVAILABLE]\n');
  });

  test('a fault of our own asks for a report; its stack comes with --log-level debug', async () => {
    const quiet = await run(frame, ['crash']);
    expect(quiet.code).toBe(1);
    expect(quiet.stderr).toMatch(/^verdictd: a fault of verdictd itself: x is not a function\. Please report it.*\[INTERNAL\]\n$/);
    const loud = await run(frame, ['crash', '--log-level', 'debug']);
    expect(loud.stderr).toContain('commands.cjs');
  });

  test('a rejection that nobody caught ends the process, and says so', async () => {
    const { code, stderr } = await run(frame, ['stray']);
    expect(code).toBe(1);
    expect(stderr).toContain('nobody caught this');
    expect(stderr).toContain('[INTERNAL]');
  });

  test('a command that found something ends with 1 and without an error', async () => {
    expect(await run(frame, ['found'])).toMatchObject({ code: 1, stdout: 'something\n', stderr: '' });
  });

  test('something that keeps the process alive after the command does not keep it for ever', async () => {
    expect(await run(frame, ['lingering'])).toMatchObject({ code: 0, signal: null, stdout: 'done\n' });
  });
});

describe('wrong usage ends with 2', () => {
  test.each([
    [[]],
    [['frob']],
    [['found', '--frob']],
    [['found', 'more']],
    [['found', '--log-level', 'loud']],
    [['dir', '--set', 'plc.ttl']],
    [['found', '--config']],
    [['dir', '--data-dir', '']],
  ])('%j', async (args) => {
    const { code, stdout, stderr } = await run(frame, args);
    expect({ code, stdout }).toEqual({ code: 2, stdout: '' });
    expect(stderr).not.toBe('');
  });

  test('the message names the help that tells more', async () => {
    expect((await run(frame, ['found', '--frob'])).stderr).toBe("verdictd: unknown option '--frob'. See `verdictd found --help` [USAGE]\n");
  });

  test('with --json a line of JSON says so', async () => {
    const { code, stdout } = await run(frame, ['found', '--frob', '--json']);
    expect(code).toBe(2);
    expect(JSON.parse(stdout)).toEqual({ error: { code: 'USAGE', message: "unknown option '--frob'.", details: [] } });
  });
});

describe('signals', () => {
  test.each(['SIGTERM', 'SIGINT', 'SIGHUP'] as const)('%s: a command that is not done ends in order, with 1', async (signal) => {
    const { child, said, ended } = start(frame, ['wait', '--json']);
    await said('working');
    child.kill(signal);
    const { code, stdout, stderr } = await ended;
    expect(code).toBe(1);
    expect(JSON.parse(stdout).error.code).toBe('ABORTED');
    expect(stderr).toContain(`stopped by ${signal} before the work was done [ABORTED]`);
  });

  test('a command that ends well when told to ends with 0', async () => {
    const { child, said, ended } = start(frame, ['serve']);
    await said('working');
    child.kill('SIGTERM');
    expect(await ended).toMatchObject({ code: 0, signal: null, stdout: 'stopped\n' });
  });

  test('the second signal ends a command that does not listen', async () => {
    const { child, said, ended } = start(frame, ['deaf']);
    await said('working');
    child.kill('SIGTERM');
    await said('told');
    expect(child.exitCode).toBeNull();
    child.kill('SIGTERM');
    expect(await ended).toMatchObject({ code: null, signal: 'SIGTERM' });
  });
});

describe('a reader that goes away', () => {
  test('ends a command without a word, as no failure', async () => {
    const { child, ended } = start(frame, ['flood']);
    child.stdout?.once('data', () => child.stdout?.destroy());
    expect(await ended).toMatchObject({ code: 0, signal: null, stderr: '' });
  });

  test('does not end a daemon', async () => {
    const { child, ended } = start(frame, ['daemon']);
    child.stdout?.once('data', () => child.stdout?.destroy());
    expect(await ended).toMatchObject({ code: 0, stderr: 'worked on\n' });
  });
});

describe('a full disk', () => {
  /** /dev/full takes nothing: ENOSPC at each write. */
  const full = (command: string, stream: 1 | 2) => {
    const sink = openSync('/dev/full', 'w');
    try {
      const stdio: StdioOptions = ['ignore', stream === 1 ? sink : 'pipe', stream === 2 ? sink : 'pipe'];
      return spawnSync(process.execPath, [frame, command], { stdio, encoding: 'utf8' });
    } finally {
      closeSync(sink);
    }
  };

  test('under stdout: results are missing there, so the command failed, and says so', () => {
    const { status, stderr } = full('done', 1);
    expect(status).toBe(1);
    expect(stderr).toMatch(/^verdictd: stdout cannot be written \(ENOSPC.*Free space/);
    expect(full('flood', 1)).toMatchObject({ status: 1, stderr });
  });

  test('under stdout: a daemon works on', () => {
    const { status, stderr } = full('daemon', 1);
    expect(status).toBe(0);
    expect(stderr).toContain('the work goes on without');
    expect(stderr).toContain('worked on');
  });

  test('under stderr: what cannot be said stops nothing', () => {
    expect(full('say', 2)).toMatchObject({ status: 0, stdout: 'worked on\n' });
  });
});

describe('the data directory', () => {
  test('one that cannot be made is refused, with what to do', async () => {
    writeFileSync(join(dir, 'file'), '');
    const { code, stderr } = await run(frame, ['dir', '--data-dir', join(dir, 'file', 'data')]);
    expect(code).toBe(1);
    expect(stderr).toContain('--data-dir DIR [DATA_DIR_UNUSABLE]');
  });

  test('--data-dir before the configuration, that before $STATE_DIRECTORY, that before ./data', async () => {
    const config = join(dir, 'c.yaml');
    writeFileSync(config, 'dataDir: of/config');
    const env = { STATE_DIRECTORY: `${dir}/state:${dir}/other` };
    const asked = async (args: string[], more: Record<string, string> = {}) =>
      (await run(frame, ['dir', ...args], { cwd: dir, env: more })).stdout.trim();
    expect(await asked([])).toBe(join(dir, 'data'));
    expect(await asked([], env)).toBe(join(dir, 'state'));
    expect(await asked(['--config', config], env)).toBe(join(dir, 'of/config'));
    expect(await asked(['--config', config, '--data-dir', 'given'], env)).toBe(join(dir, 'given'));
    expect(statSync(join(dir, 'given')).mode & 0o007).toBe(0);
  });
});

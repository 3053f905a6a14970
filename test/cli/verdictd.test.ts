/** The command as it is installed: launcher, `config`, generated documents. */
import { accessSync, chmodSync, constants, copyFileSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { Command } from 'commander';
import { commands } from '../../src/cli/commands';
import { Context } from '../../src/cli/context';
import { Io } from '../../src/cli/io';
import { buildProgram } from '../../src/cli/program';
import { errors } from '../../src/errors';
import { version } from '../../src/package';
import { launcher, run } from './process';

const dir = mkdtempSync(join(tmpdir(), 'verdictd-cli-'));
afterAll(() => rmSync(dir, { recursive: true, force: true }));

function file(name: string, text: string): string {
  const path = join(dir, name);
  writeFileSync(path, text);
  return path;
}

function all(command: Command): Command[] {
  return command.commands.length === 0 ? [command] : command.commands.flatMap(all);
}

describe('the launcher', () => {
  test('has its run bit', () => {
    expect(() => accessSync(launcher, constants.X_OK)).not.toThrow();
  });

  test('says what to do where nothing is built', async () => {
    const folder = join(dir, 'bare/src/cli');
    mkdirSync(folder, { recursive: true });
    copyFileSync(launcher, join(folder, 'verdictd'));
    const { code, stderr } = await run(join(folder, 'verdictd'), ['--version']);
    expect(code).toBe(1);
    expect(stderr).toMatch(/it is not built: .*main\.js is missing\. Run `npm ci` or `npm run build` in /);
  });

  test('--version and --help', async () => {
    expect(await run(launcher, ['--version'])).toMatchObject({ code: 0, stdout: `${version}\n`, stderr: '' });
    const { code, stdout } = await run(launcher, ['--help']);
    expect(code).toBe(0);
    expect(stdout).toContain('config');
  });
});

test('every command has a description, --json and --help', () => {
  const io = new Io(process.stdout, process.stderr, () => undefined);
  const found = all(buildProgram(new Context(io, new AbortController().signal, {}), commands));
  expect(found.map((command) => command.name())).toEqual(expect.arrayContaining(['check', 'docs']));
  for (const command of found) {
    expect(command.description()).not.toBe('');
    expect(command.helpInformation()).toMatch(/--json/);
    expect(command.helpInformation()).toMatch(/-h, --help/);
  }
});

describe('config check', () => {
  test('wrong values: each on a line with path, line and what was expected, exit 78', async () => {
    const wrong = file('wrong.yaml', 'plc:\n  ttl: 500 ms\n  tll: 1\n');
    const { code, stdout, stderr } = await run(launcher, ['config', 'check', wrong]);
    expect({ code, stdout }).toEqual({ code: 78, stdout: '' });
    expect(stderr.split('\n')).toEqual([
      `verdictd: ${wrong}: 2 mistakes in the configuration. docs/config.md lists every key [CONFIG_INVALID]`,
      '  - plc.ttl is "500 ms" (line 2): expected a whole number from 100 to 60000, in ms; write the number alone: 500',
      '  - plc.tll is 1 (line 3): expected a key that is known; did you mean plc.ttl?',
      '',
    ]);
  });

  test.each([
    ['a combination', 'plc: {ttl: 150}', {}],
    ['no YAML', 'plc: [', {}],
    ['the environment', 'plc: {}', { VERDICTD_PLC_TLL: '1' }],
  ])('%s: exit 78', async (_, text, env) => {
    expect(await run(launcher, ['config', 'check', file('w.yaml', text)], { env })).toMatchObject({ code: 78, stdout: '' });
  });

  test('a missing file: exit 78, and JSON if asked for', async () => {
    const { code, stdout } = await run(launcher, ['config', 'check', join(dir, 'missing.yaml'), '--json']);
    expect(code).toBe(78);
    expect(JSON.parse(stdout).error.code).toBe('CONFIG_UNREADABLE');
  });

  test('a right one, with what it names and what is not there', async () => {
    const right = file('right.yaml', 'plc: {ttl: 900, username: u, passwordFile: nowhere/password}');
    const { code, stdout } = await run(launcher, ['config', 'check', right, '--json'], { cwd: dir });
    expect(code).toBe(0);
    const answer = JSON.parse(stdout);
    expect(answer).toMatchObject({ file: right, ok: true, sha256: expect.stringMatching(/^[0-9a-f]{64}$/) });
    expect(answer.warnings).toEqual([expect.stringContaining('plc.passwordFile')]);
    mkdirSync(join(dir, 'nowhere'));
    for (const [mode, found] of [
      [0o604, [expect.stringContaining('chmod 600')]],
      [0o600, []],
    ] as const) {
      writeFileSync(join(dir, 'nowhere/password'), 'hunter2');
      chmodSync(join(dir, 'nowhere/password'), mode);
      const again = await run(launcher, ['config', 'check', right, '--json'], { cwd: dir });
      expect(JSON.parse(again.stdout).warnings).toEqual(found);
    }
    const set = await run(launcher, ['config', 'check', '--config', right, '--set', 'plc.ttl=901', '--json'], { cwd: dir });
    expect(JSON.parse(set.stdout).sha256).not.toBe(answer.sha256);
  });
});

describe('config docs', () => {
  test('needs to be told which', async () => {
    expect((await run(launcher, ['config', 'docs'])).code).toBe(2);
    expect((await run(launcher, ['config', 'docs', '--write', '--check'])).code).toBe(2);
  });

  test('writes, finds current, finds stale, mends', async () => {
    const root = join(dir, 'root');
    const docs = (what: string) => run(launcher, ['config', 'docs', what, '--root', root, '--json']);
    const paths = ['config/verdictd.yaml', 'docs/config.md', 'docs/cli.md', 'docs/asyncapi.yaml'];
    expect(await docs('--check')).toMatchObject({ code: 1, stdout: `${JSON.stringify({ ok: false, stale: paths })}\n` });
    expect(await docs('--write')).toMatchObject({ code: 0, stdout: `${JSON.stringify({ ok: true, written: paths })}\n` });
    expect((await docs('--check')).code).toBe(0);
    const stale = join(root, 'docs/config.md');
    const text = readFileSync(stale, 'utf8');
    writeFileSync(stale, text.replace('1500', '1501'));
    const found = await run(launcher, ['config', 'docs', '--check', '--root', root]);
    expect(found).toMatchObject({ code: 1, stdout: '' });
    expect(found.stderr).toBe('docs/config.md is not what the sources make. Run `npm run docs` and commit the file.\n');
    expect((await docs('--write')).stdout).toContain('"written":["docs/config.md"]');
    expect(readFileSync(stale, 'utf8')).toBe(text);
    const cli = readFileSync(join(root, 'docs/cli.md'), 'utf8');
    for (const code of Object.keys(errors)) expect(cli).toContain(`| ${code} |`);
    expect(cli).toContain('## verdictd config check');
    // Nothing of the machine it was made on.
    for (const path of paths) expect(readFileSync(join(root, path), 'utf8')).not.toContain(process.cwd());
  });
});

import { mkdirSync, rmdirSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { PassThrough } from 'node:stream';
import type { Command } from 'commander';
import { Context } from '../../src/cli/context';
import { Io } from '../../src/cli/io';
import { register } from '../../src/cli/log';
import { buildProgram } from '../../src/cli/program';
import { clean, dataDir, fill, start, stop, tamper } from './support/station';

afterAll(clean);

async function verdictd(...args: string[]): Promise<{ exitCode: number; out: string[]; err: string[] }> {
  const [stdout, stderr] = [new PassThrough(), new PassThrough()];
  const context = new Context(new Io(stdout, stderr, () => undefined), new AbortController().signal, {});
  const program: Command = buildProgram(context, [register]);
  const hush = (command: Command): void => {
    command.configureOutput({ writeErr: (text) => void stderr.write(text) });
    for (const child of command.commands) hush(child);
  };
  hush(program);
  await program.parseAsync(args, { from: 'user' });
  const lines = (stream: PassThrough): string[] =>
    ((stream.read() as Buffer | null)?.toString() ?? '').split('\n').filter((line) => line !== '');
  return { exitCode: context.exitCode, out: lines(stdout), err: lines(stderr) };
}

describe('verdictd log', () => {
  test('no log, and options that are wrong', async () => {
    const dir = dataDir();
    await expect(verdictd('--data-dir', dir, 'log', 'verify', '--json')).rejects.toMatchObject({ code: 'LOG_UNAVAILABLE' });
    await expect(verdictd('--data-dir', dir, 'log', 'list')).rejects.toMatchObject({ code: 'LOG_UNAVAILABLE' });
    for (const wrong of [
      ['--verdict', 'GOOD'],
      ['--since', 'yesterday'],
      ['--last', '0'],
      ['--recipe', 'A B'],
    ]) {
      await expect(verdictd('--data-dir', dir, 'log', 'list', ...wrong)).rejects.toMatchObject({ code: 'commander.invalidArgument' });
    }
  });

  test('what is there but cannot be read is an error of the table with what to do, not a fault of verdictd', async () => {
    const dir = dataDir();
    const { log } = await start(dir);
    await fill(log, 1, 2);
    await stop(log);
    const mark = join(dir, 'log.highwater');
    rmSync(mark);
    mkdirSync(mark);
    const unreadable = verdictd('--data-dir', dir, 'log', 'verify');
    await expect(unreadable).rejects.toMatchObject({ code: 'LOG_UNAVAILABLE', message: expect.stringMatching(/log\.highwater.*Check/) });
    rmdirSync(mark);
    writeFileSync(join(dir, 'log.db'), 'no database at all, but longer than the header of one, so that SQLite looks. '.repeat(20));
    const other = await verdictd('--data-dir', dir, 'log', 'verify').catch((thrown: unknown) => thrown as Error);
    expect(other).toMatchObject({ code: 'LOG_UNAVAILABLE', message: expect.stringContaining('Keep a copy') });
    expect((other as Error).message).not.toContain('log verify'); // that is what was run
  });

  test('list and verify, for people and for programs', async () => {
    const dir = dataDir();
    const { log } = await start(dir);
    await fill(log, 1, 7);
    const list = await verdictd('--data-dir', dir, 'log', 'list', '--verdict', 'fail', '--since', '8h', '--json'); // beside the writer
    expect(list.out.map((line) => JSON.parse(line) as object)).toMatchObject([
      { journalSeq: 3, seq: 3, verdict: 'FAIL', code: 101, released: 0, detail: 'scratch', limit: 0.62 },
      { journalSeq: 6, seq: 6, verdict: 'FAIL', score: 0.9 },
    ]);
    const table = await verdictd('--data-dir', dir, 'log', 'list', '--last', '2');
    expect(table.out).toHaveLength(3);
    expect(table.out[1]).toMatch(/^ +6 .* A6 .* FAIL .* 101 scratch$/);
    const sound = await verdictd('--data-dir', dir, 'log', 'verify', '--json');
    expect(sound.exitCode).toBe(0);
    expect(JSON.parse(sound.out.join())).toMatchObject({ rows: 7, ok: true, firstBad: null });
    await stop(log);

    tamper(dir, (db) => db.exec('UPDATE inspections SET evaluation = 1, released = 1, code = 0 WHERE journal_seq = 6'));
    const changed = await verdictd('--data-dir', dir, 'log', 'verify', '--json');
    expect(changed.exitCode).toBe(1);
    expect(JSON.parse(changed.out.join())).toMatchObject({ rows: 5, ok: false, firstBad: { journalSeq: 6 } });
    const told = await verdictd('--data-dir', dir, 'log', 'verify');
    expect(told.exitCode).toBe(1);
    expect(told.err.join(' ')).toMatch(/LOG_ALTERED.*record 6/);
  });
});

import { existsSync, mkdirSync, readdirSync, readFileSync, rmdirSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { PassThrough } from 'node:stream';
import type { Command } from 'commander';
import { Context } from '../../src/cli/context';
import { Io } from '../../src/cli/io';
import { register } from '../../src/cli/log';
import { buildProgram } from '../../src/cli/program';
import { clean, dataDir, fill, start, stop, tamper, verdict } from './support/station';

afterAll(clean);

async function verdictd(...args: string[]): Promise<{ exitCode: number; out: string[]; err: string[] }> {
  const [stdout, stderr] = [new PassThrough({ highWaterMark: 1 << 24 }), new PassThrough()]; // read once, at the end
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

describe('verdictd log export', () => {
  const everyone = (dir: string, ...args: string[]) => verdictd('--data-dir', dir, 'log', 'export', ...args);

  test('what cannot be: no log, a decimal comma between commas, a file that is there, --json without a file', async () => {
    const dir = dataDir();
    await expect(everyone(dir)).rejects.toMatchObject({ code: 'LOG_UNAVAILABLE' });
    const { log } = await start(dir);
    await fill(log, 1, 2);
    await stop(log);
    const file = join(dir, 'there.csv');
    writeFileSync(file, 'mine');
    await expect(everyone(dir, file)).rejects.toMatchObject({ code: 'USAGE', message: expect.stringContaining('--force') });
    expect(readFileSync(file, 'utf8')).toBe('mine');
    await expect(everyone(dir, '--separator', 'comma', '--decimal', 'comma')).rejects.toMatchObject({ code: 'USAGE' });
    await expect(everyone(dir, '--json')).rejects.toMatchObject({ code: 'USAGE' });
    await expect(everyone(dir, join(dir, 'no', 'folder.csv'))).rejects.toMatchObject({ code: 'USAGE' });
    await expect(everyone(dir, '--until', 'noon')).rejects.toMatchObject({ code: 'commander.invalidArgument' });
    expect(readdirSync(dir).filter((name) => name.endsWith('.part'))).toEqual([]);
  });

  test('whole, by lot and verdict, with shift and label; in both habits of numbers', async () => {
    const dir = dataDir();
    const { log } = await start(dir);
    await fill(log, 1, 1203); // more than two reads
    await log.commit(verdict(1204, { lot: 'L8', score: 0.5, detail: '=HYPERLINK("x")' }));
    await log.commit(verdict(1205, { lot: 'L8' }, { clockTrusted: false }));
    const label = (label: 'good' | 'bad', description: string) =>
      log.label({ resultId: verdict(1204).part.resultId, label, description, by: 'anna' });
    await label('bad', 'pore');
    await label('good', 'only dirt');
    const file = join(dir, 'all.csv');
    const told = await everyone(dir, file, '--json'); // beside the writer
    expect(JSON.parse(told.out.join())).toEqual({ file, rows: 1205 });
    const lines = readFileSync(file, 'utf8').split('\r\n');
    expect(lines[0]).toMatch(/^\ufeffjournalSeq,timeUtc,/);
    expect(lines).toHaveLength(1207); // head, rows, and nothing after the last end of line
    expect(new Set(lines.slice(1, -1).map((line) => line.split(',')[0])).size).toBe(1205);

    const european = join(dir, 'lot.csv');
    await verdictd('--data-dir', dir, '--set', 'line.shifts=00:00-00:00', 'log', 'export', european, '--lot', 'L8', '--decimal', 'comma');
    const [head = '', first = '', second = '', end] = readFileSync(european, 'utf8').slice(1).split('\r\n');
    const cells = (line: string) => Object.fromEntries(head.split(';').map((name, i) => [name, line.split(';')[i]]));
    expect(cells(first)).toMatchObject({ score: '0,5', lot: 'L8', shift: '1', label: 'good', labelDescription: 'only dirt' });
    expect(cells(first).detail).toMatch(/^"'=HYPERLINK/);
    expect(cells(second)).toMatchObject({ shift: '', shiftDate: '', clockTrusted: '0', label: '' });
    expect(end).toBe('');
    expect((await everyone(dir, '--verdict', 'fail')).out).toHaveLength(402);
    expect((await verdictd('--data-dir', dir, 'log', 'list', '--lot', 'L8')).out).toHaveLength(3);
    expect((await verdictd('--data-dir', dir, 'log', 'list', '--until', '1h')).out).toHaveLength(0);
    await stop(log);
    expect(existsSync(`${file}.part`)).toBe(false);
  });
});

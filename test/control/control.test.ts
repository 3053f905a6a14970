/** The control socket with real sockets: what hostile clients get, then what a command gets. */
import { execFileSync, spawn } from 'node:child_process';
import { existsSync, mkdirSync, mkdtempSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { createConnection } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { z } from 'zod';
import { Calls, WithBytes } from '../../src/control/calls';
import { ask } from '../../src/control/client';
import { limits } from '../../src/control/protocol';
import { ControlServer } from '../../src/control/server';
import { VerdictdError } from '../../src/errors';
import { keptDiagnostics, until } from '../plc/support';

const dir = mkdtempSync(join(tmpdir(), 'verdictd-control-'));
const path = join(dir, 'control.sock');
const never = new AbortController().signal;
const { diagnostics } = keptDiagnostics();
let done = 0;
const waiting = { started: 0, aborted: 0 };
const calls = new Calls();
calls.add('add', {
  args: z.strictObject({ a: z.int(), b: z.int() }),
  limit: 1_000,
  run: ({ a, b }) => {
    done++;
    return { sum: a + b };
  },
});
calls.add('picture', { args: z.strictObject({}), limit: 1_000, run: () => new WithBytes({ width: 3 }, new Uint8Array([1, 10, 3])) });
calls.add('refuse', {
  args: z.strictObject({}),
  limit: 1_000,
  run: () => Promise.reject(new VerdictdError('CAMERA_FAILED', 'No camera. Connect one.', { details: ['cable'] })),
});
calls.add('hang', {
  args: z.strictObject({}),
  limit: 100,
  run: () => new Promise(() => undefined),
});
calls.add('forever', {
  args: z.strictObject({}),
  limit: 600_000,
  run: (_, signal) =>
    new Promise(() => {
      waiting.started++;
      signal.addEventListener('abort', () => waiting.aborted++);
    }),
});
const server = new ControlServer(dir, calls, diagnostics);
beforeAll(() => server.start());
afterAll(async () => {
  await server.stop();
  rmSync(dir, { recursive: true, force: true });
});

/** Sends `data` as it is and resolves with everything that comes back until the other side ends, or an answer is complete. */
function send(data: Buffer | string, answers = 1): Promise<string> {
  return new Promise((resolve, reject) => {
    let got = '';
    const socket = createConnection(path, () => socket.write(data));
    socket.setEncoding('utf8');
    socket.on('data', (text) => {
      got += text;
      if (got.split('\n').length > answers) socket.destroy();
    });
    socket.on('error', (error: NodeJS.ErrnoException) =>
      error.code === 'EPIPE' || error.code === 'ECONNRESET' ? undefined : reject(error),
    );
    socket.on('close', () => resolve(got));
  });
}

/** The same numbers every time. */
function random(seed: number): () => number {
  let state = seed;
  return () => {
    state = (Math.imul(state, 1664525) + 1013904223) >>> 0;
    return state / 2 ** 32;
  };
}

test('hostile lines get an error each, change nothing, and the socket serves on', async () => {
  const before = done;
  const next = random(7);
  const good = '{"id":1,"call":"add","args":{"a":1,"b":2}}';
  const hostile = [
    '',
    'null',
    '[]',
    '{}',
    '{"id":1}',
    '{"id":-1,"call":"add","args":{}}',
    '{"id":1e999,"call":"add","args":{}}',
    '{"id":1,"call":"__proto__","args":{}}',
    '{"id":1,"call":"constructor","args":{}}',
    '{"id":1,"call":"add","args":{"a":1}}',
    '{"id":1,"call":"add","args":{"a":1,"b":2,"c":3}}',
    '{"id":1,"call":"add","args":{"a":"1","b":2}}',
    '{"id":1,"call":"add","args":{"__proto__":{"a":1,"b":2}}}',
    '{"id":1,"call":"add","args":[1,2]}',
    '{"id":1,"call":"add","args":{"a":1,"b":2},"more":1}',
    '['.repeat(10_000),
    `{"id":1,"call":"${'a'.repeat(1000)}"}`,
    '\u0000\ud800',
  ];
  for (let i = 0; i < 300; i++) {
    const bytes = Buffer.from(good);
    // At least one byte of the shape (not of a number) is broken.
    bytes[Math.floor(next() * 20)] = 128 + Math.floor(next() * 128);
    for (let k = 0; k < 3; k++) bytes[Math.floor(next() * bytes.length)] = 33 + Math.floor(next() * 94);
    hostile.push(bytes.toString('latin1'));
  }
  for (let at = 0; at < hostile.length; at += 30) {
    const batch = hostile.slice(at, at + 30).map((line) => line.replace(/\n/g, ' '));
    const answers = (await send(`${batch.join('\n')}\n`, batch.length)).trim().split('\n');
    expect(answers.length).toBe(batch.length);
    for (const answer of answers) expect(JSON.parse(answer)).toMatchObject({ ok: false, error: { code: 'USAGE' } });
  }
  expect(done).toBe(before);
  expect((await ask(dir, 'add', { a: 1, b: 2 }, never)).value).toEqual({ sum: 3 });
});

test('a line without end, and a flood, end the connection', async () => {
  expect(await send(Buffer.alloc(limits.request + 10, 'x'))).toMatch(/longer than 65536 bytes/);
  expect(await send('{"id":1,"call":"hang","args":{}}\n'.repeat(1000), 1000)).toMatch(/More than 32 requests/);
});

test('a client that is refused and does not go is let go', async () => {
  const started = waiting.started;
  const socket = createConnection({ path, allowHalfOpen: true });
  const { clients } = server as unknown as { clients: Set<unknown> };
  socket.on('error', () => undefined);
  socket.write('{"id":1,"call":"forever","args":{}}\n'.repeat(40));
  socket.resume();
  await until('its first call', () => waiting.started > started);
  await until('it is gone', () => clients.size === 0); // its own side stays open for as long as it likes
  socket.destroy();
  waiting.started = 0;
  waiting.aborted = 0;
});

test('files that others make while the socket is being made keep their mode', async () => {
  const other = join(dir, 'umask');
  mkdirSync(other);
  const before = process.umask(0o022);
  const second = new ControlServer(other, calls, diagnostics);
  const starting = second.start();
  writeFileSync(join(other, 'beside'), '');
  expect(statSync(join(other, 'beside')).mode & 0o777).toBe(0o644);
  await starting;
  expect(statSync(join(other, 'control.sock')).mode & 0o777).toBe(0o600);
  await second.stop();
  process.umask(before);
});

test('a call that takes too long is aborted and said; so is one whose client has gone', async () => {
  await expect(ask(dir, 'hang', {}, never)).rejects.toMatchObject({
    code: 'CONTROL_FAILED',
    message: expect.stringMatching(/longer than 0.1 s/),
  });
  const leaving = new AbortController();
  const asked = ask(dir, 'forever', {}, leaving.signal);
  await until('the call is under way', () => waiting.started === 1);
  leaving.abort();
  await expect(asked).rejects.toMatchObject({ code: 'ABORTED' });
  await until('its handler is told', () => waiting.aborted === 1);
});

test('an error of the station arrives as it was thrown; bytes follow their answer', async () => {
  await expect(ask(dir, 'refuse', {}, never)).rejects.toMatchObject({ code: 'CAMERA_FAILED', details: ['cable'] });
  await expect(ask(dir, 'gone', {}, never)).rejects.toMatchObject({ code: 'USAGE', message: expect.stringMatching(/it has add, forever/) });
  const { value, bytes } = await ask(dir, 'picture', {}, never);
  expect([value, [...bytes]]).toEqual([{ width: 3 }, [1, 10, 3]]);
});

test('only its own user may ask; what a killed station left is replaced; the file goes with the server', async () => {
  expect(statSync(path).mode & 0o777).toBe(0o600);
  const other = join(dir, 'other');
  mkdirSync(other);
  await expect(ask(other, 'add', {}, never)).rejects.toMatchObject({
    code: 'CONTROL_FAILED',
    message: expect.stringMatching(/Nobody listens/),
  });
  const killed = spawn(process.execPath, [
    '-e',
    `require('node:net').createServer().listen(${JSON.stringify(join(other, 'control.sock'))}, () => process.kill(process.pid, 'SIGKILL'))`,
  ]);
  await new Promise((gone) => killed.on('close', gone));
  expect(existsSync(join(other, 'control.sock'))).toBe(true);
  await expect(ask(other, 'add', {}, never)).rejects.toMatchObject({ code: 'CONTROL_FAILED' });
  const second = new ControlServer(other, calls, diagnostics);
  await second.start();
  expect((await ask(other, 'add', { a: 2, b: 2 }, never)).value).toEqual({ sum: 4 });
  await second.stop();
  await until('the file is gone', () => !existsSync(join(other, 'control.sock')));
});

test('a path that no socket can have is said, not cut', async () => {
  const deep = join(dir, 'd'.repeat(120));
  mkdirSync(deep);
  writeFileSync(join(deep, 'keep'), '');
  await expect(new ControlServer(deep, calls, diagnostics).start()).rejects.toMatchObject({
    code: 'DATA_DIR_UNUSABLE',
    message: expect.stringMatching(/shorter path/),
  });
  expect(execFileSync('ls', [deep], { encoding: 'utf8' })).toBe('keep\n');
});

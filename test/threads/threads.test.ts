import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { WorkerClient, workerFile } from '../../src/threads';

type Methods = {
  add: (args: { a: number; b: number }) => number;
  fail: (args: { code: string }) => never;
  die: (args: undefined) => never;
  hang: (args: undefined) => Promise<never>;
  take: (args: { data: Float32Array }) => Float32Array;
};

let dir: string;
let client: WorkerClient<Methods>;
beforeEach(() => {
  dir = mkdtempSync(join(tmpdir(), 'verdictd-'));
  const file = join(dir, 'worker.js');
  writeFileSync(
    file,
    `const { serve, Moved, note } = require(${JSON.stringify(workerFile('threads'))});
     serve({
       add: ({ a, b }) => { note('adding', a); return a + b; },
       fail: ({ code }) => { throw Object.assign(new Error('it failed'), { code }); },
       die: () => process.exit(3),
       hang: () => new Promise(() => undefined),
       take: ({ data }) => { data[0] += 1; return new Moved(data, [data.buffer]); },
     });`,
  );
  client = new WorkerClient<Methods>(file, 'test');
});
afterEach(async () => {
  await client.end();
  rmSync(dir, { recursive: true, force: true });
});

test('calls before start and after end reject', async () => {
  await expect(client.call('add', { a: 1, b: 2 })).rejects.toThrow('not running');
  client.start();
  await client.end();
  await expect(client.call('add', { a: 1, b: 2 })).rejects.toThrow('not running');
});

test('an error keeps its message and code', async () => {
  client.start();
  await expect(client.call('fail', { code: 'SQLITE_FULL' })).rejects.toMatchObject({ message: 'it failed', code: 'SQLITE_FULL' });
});

test('a method that is not there rejects', async () => {
  client.start();
  await expect(client.call('nothing' as 'add', { a: 1, b: 2 })).rejects.toThrow('no method nothing');
});

test('when the worker dies, every waiting call rejects, once, and the owner is told once', async () => {
  const died: Error[] = [];
  client.start({ onDied: (error) => died.push(error) });
  const calls = await Promise.allSettled([client.call('die', undefined), client.call('add', { a: 1, b: 2 })]);
  expect(calls.map((call) => call.status)).toEqual(['rejected', 'rejected']);
  expect(died).toHaveLength(1);
  expect(died[0]?.message).toContain('exit code 3');
  expect(client.running).toBe(false);
});

test('ending the worker rejects a call that would never return', async () => {
  client.start();
  const rejected = expect(client.call('hang', undefined)).rejects.toThrow('was ended');
  await client.end();
  await rejected;
});

test('values come back, notes arrive, buffers move both ways', async () => {
  const notes: unknown[] = [];
  client.start({ onNote: (name, value) => notes.push([name, value]) });
  expect(await client.call('add', { a: 1, b: 2 })).toBe(3);
  expect(notes).toEqual([['adding', 1]]);
  const data = Float32Array.of(1, 2);
  const back = await client.call('take', { data }, [data.buffer]);
  expect(data.byteLength).toBe(0);
  expect([...back]).toEqual([2, 2]);
});

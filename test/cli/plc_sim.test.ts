/** `verdictd plc-sim` as a process, against the real link and a real broker. */
import { rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Code } from '../../src/codes';
import { brokers, committed, freePort, makeLink, makeVerdict, never, operational, soon, type TestBroker, until } from '../plc/support';
import { launcher, run, start } from './process';

const settings = [
  '--set',
  'plc.heartbeat=100',
  '--set',
  'plc.ttl=3000',
  '--ack-within',
  '3000',
  '--period',
  '100',
  '--base',
  'verdictd/t1',
];
let broker: TestBroker;
const cleanup: (() => Promise<unknown>)[] = [];
beforeAll(async () => {
  const [first] = brokers;
  if (first === undefined) throw new Error('no broker');
  broker = await first[1]();
  await broker.start();
});
afterEach(async () => {
  for (const undo of cleanup.splice(0).reverse()) await undo();
});
afterAll(() => broker.kill());

async function station(base: string, ready: boolean, names: (partId: string) => string = (partId) => partId): Promise<void> {
  let last = 41;
  const { link } = makeLink(broker.url, { base, heartbeat: 100 }, { lastSeq: () => last });
  cleanup.push(() => link.stop(soon()));
  link.progress(() => true);
  link.onTrigger((request) => {
    if ('bad' in request) return link.ack(request.seq, request.bad);
    last = request.seq;
    link.ack(request.seq, Code.ok);
    link.acquired(request.seq);
    link.result(committed(makeVerdict({}, { seq: request.seq, partId: names(request.partId), opened: request.received })));
  });
  link.state(ready ? operational : { ...operational, state: 'Error', sub: '', ready: 0, code: Code.noRecipe });
  await link.start(never);
  await until('up', () => link.connected());
}
const sim = (base: string, ...args: string[]) => run(launcher, ['plc-sim', '--url', broker.url, ...settings, '--base', base, ...args]);
const lines = (text: string) => text.trimEnd().split('\n');

test.each<[string[], string]>([
  [['--parts', '0'], 'whole number from 1'],
  [['--scenario', 'chaos'], 'normal, cold-start, lost-seq'],
  [['--form', 'xml'], 'json, plain, csv'],
])('%j: refused', async (args, says) => {
  const { code, stderr, stdout } = await sim('verdictd/t1', ...args);
  expect(code).toBe(2);
  expect(stderr).toContain(says);
  expect(stdout).toBe('');
});

test('a password file that is not there is named', async () => {
  const { code, stderr } = await sim('verdictd/t1', '--username', 'plc', '--password-file', '/no/such/file', '--parts', '1');
  expect(code).toBe(78);
  expect(stderr).toContain('/no/such/file');
});

test('no broker, no station, a station that is not ready: no trigger; says which it is and what to do', async () => {
  await station('verdictd/t1', false);
  const port = await freePort();
  const [broken, nobody, unready] = await Promise.all([
    run(launcher, ['plc-sim', '--url', `mqtt://127.0.0.1:${port}`, '--parts', '1', '--wait', '2']),
    sim('verdictd/nobody', '--parts', '1', '--wait', '2'),
    sim('verdictd/t1', '--parts', '1', '--wait', '3', '--last-seq', '1'),
  ]);
  expect([broken.code, nobody.code, unready.code]).toEqual([1, 1, 1]);
  expect(broken.stderr).toContain(`mqtt://127.0.0.1:${port} cannot be reached`);
  expect(broken.stderr).toContain('[BROKER_DOWN]');
  expect(nobody.stderr).toContain('no heartbeat came on verdictd/nobody/heartbeat');
  expect(unready.stderr).toContain('No part was triggered within 3 s');
  expect(unready.stderr).toContain('601');
  expect(unready.stdout).toContain('0 parts, 0 triggers');
});

test('a good part, as table and as JSON; a verdict of another part is a wrong action', async () => {
  await station('verdictd/t1', true);
  await station('verdictd/t2', true);
  await station('verdictd/t3', true, () => 'X1');
  const secret = join(tmpdir(), `verdictd-plc-sim-${process.pid}`);
  writeFileSync(secret, 'geheim\n', { mode: 0o600 });
  cleanup.push(async () => rmSync(secret));
  const one = ['--parts', '1', '--last-seq', '41'];
  const [table, json, wrong] = await Promise.all([
    sim('verdictd/t1', ...one, '--username', 'plc', '--password-file', secret),
    sim('verdictd/t2', ...one, '--form', 'csv', '--csv', '--recipe', '3', '--json'),
    sim('verdictd/t3', ...one),
  ]);
  expect([table.code, table.stderr]).toEqual([0, expect.stringContaining('scenario normal')]);
  expect(lines(table.stdout)[0]).toMatch(/^part +seq gate/);
  expect(table.stdout).toContain('1 parts, 1 triggers: 1 accepted, 0 rejected, 0 revoked');
  expect(table.stdout).toContain('at the gate: 1 let through, 0 diverted; wrong actions: 0');
  expect(table.stdout + table.stderr).not.toContain('geheim');

  const said = lines(json.stdout).map((line) => JSON.parse(line) as Record<string, unknown>);
  expect(said[0]).toMatchObject({ seq: 42, decision: 'open', code: 0 });
  expect(said[1]).toMatchObject({ gate: 'open', part: 1 });
  expect(said[2]).toMatchObject({ scenario: 'normal', summary: [{ parts: 1, accepted: 1, through: 1, wrong: 0 }] });
  expect(said).toHaveLength(3);

  expect(wrong.stderr).toContain('WRONG: PLC A: part 1 (seq 42) was accepted by the verdict of X1');
  expect(wrong.stdout).toContain('wrong actions: 1');
  expect([json.code, wrong.code]).toEqual([0, 1]);
});

test('without --parts it goes on until a signal, then sums up', async () => {
  await station('verdictd/t1', true);
  const running = start(launcher, ['plc-sim', '--url', broker.url, ...settings, '--base', 'verdictd/t1', '--last-seq', '41']);
  await running.said('simulated PLC at');
  const heard = new Promise<void>((resolve) => running.child.stdout?.on('data', (text: string) => text.includes('OPEN') && resolve()));
  await heard;
  running.child.kill('SIGINT');
  const { stdout, signal } = await running.ended;
  expect(signal).toBeNull();
  expect(stdout).toMatch(/wrong actions: 0\n$/);
});

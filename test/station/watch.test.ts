/** The running station and the watch over its line, over a real broker: what a PLC, an HMI and a person at the terminal see of it. */
import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { ask } from '../../src/control/client';
import { exportLines } from '../../src/store/export';
import { brokers, Listener, type TestBroker, until } from '../plc/support';
import { build, configure, folder, never, pictures, type Running } from './support';

const base = 'verdictd/t1';
const [, make] = brokers[0] ?? [];
let data: ReturnType<typeof folder>;
let running: Running | null = null;
let broker: TestBroker;
let plc: Listener;
let id = 0;
let seq = 0;

beforeEach(async () => {
  data = folder();
  if (make === undefined) throw new Error('no broker');
  broker = await make();
  await broker.start();
  plc = await Listener.connect(broker.url, base);
});
afterEach(async () => {
  await running?.stop();
  running = null;
  await plc.end();
  await broker.kill();
  data.remove();
});

async function up(set: Record<string, string | number | boolean>): Promise<Running> {
  const fixed = { 'plc.url': broker.url, 'plc.ttl': 20_000, 'plc.acceptSimulated': true, 'recipe.acceptProvisional': true };
  const one = build(configure({ ...fixed, 'camera.kind': 'files', 'camera.files.loop': true, ...set }), data.dir);
  running = one;
  await one.station.start(never);
  await until('connected', () => plc.of('state').at(-1)?.includes(one.station.current.bootId) === true);
  await until('ready', () => one.station.current.ready === 1, 30_000);
  return one;
}

async function command(cmd: number): Promise<string> {
  const mine = ++id;
  await plc.say('cmd', JSON.stringify({ id: mine, cmd, arg: '' }));
  const answers = () => plc.of('cmd/rsp').filter((text) => text.includes(`"id":${mine},`));
  await until(`command ${cmd}`, () => answers().length > 0);
  return answers()[0] ?? '';
}

async function parts(n: number): Promise<void> {
  for (const last = seq + n; seq < last; ) {
    const mine = ++seq;
    await plc.say('trigger', String(mine));
    await until(`part ${mine}`, () => plc.of('result').some((text) => text.includes(`"seq":${mine},`)));
  }
}

const alarm = (code: number) => plc.of(`alarm/${code}`).at(-1) ?? '';
const ready = (bit: 0 | 1) => until(`ready ${bit}`, () => running?.station.current.ready === bit);

test('rejects in a row: alarm, halt where it is configured, acknowledged and ended; the charts outlive a restart', async () => {
  const shown = await pictures(join(data.dir, 'pictures'), 12, 6);
  const files = `${join(shown, 'good')},${join(shown, 'test')}`; // by name: 12 good ones, then 6 with a gouge
  const teach = { 'recipe.teach.auto': true, 'recipe.teach.shots': 6, 'recipe.teach.heldOut': 4 };
  const watch = { 'watch.rejectsInRow': 4, 'watch.haltOnRejects': true, 'watch.baseline': 50 };
  const first = await up({ ...teach, ...watch, 'camera.files.paths': join(shown, 'good') });
  await parts(12);
  expect(alarm(801)).toBe('');
  const good = first.reports.filter(({ verdict }) => verdict.evaluation === 1).length;
  await first.stop();
  const trend = join(data.dir, 'recipes', 'plate', 'trend.json');
  expect(existsSync(trend)).toBe(true);
  expect(JSON.parse(readFileSync(trend, 'utf8'))).toMatchObject({ learned: { parts: good } });

  const { reports, station } = await up({ ...watch, 'camera.files.paths': files });
  await parts(12);
  const known = reports.filter(({ verdict }) => verdict.evaluation === 1).length;
  type Status = { watch: { baselineMissing: number; alarms: number[] } };
  const status = async () => ((await ask(data.dir, 'status', {}, never)).value as Status).watch;
  expect((await status()).baselineMissing).toBe(50 - good - known);
  await parts(4);
  await ready(0);
  await until('alarm 801', () => alarm(801).startsWith('{"v":1,"code":801,"name":"rejectsInRow"'));
  expect(station.current).toMatchObject({ state: 'Halted', code: 202 });
  expect((await status()).alarms).toContain(801);
  await until('the event', () => plc.of('journal').some((text) => text.includes('"kind":"alarm"') && text.includes('801 rejectsInRow: 4')));
  // A PLC ends the halt; a person ends the alarm. No verdict was another for it.
  expect(await command(1)).toContain('"ok":1');
  await ready(1);
  expect(alarm(801)).not.toBe('');
  expect(await command(11)).toContain('"ok":1');
  await until('no alarm 801', () => alarm(801) === '');
  expect(reports.slice(-4).map(({ ok, verdict }) => [ok, verdict.evaluation])).toEqual(Array(4).fill([0, 2]));
  // It is said again to whoever connects, and by the statistics.
  const stats = () => JSON.parse(plc.of('stats').at(-1) ?? '{}') as Record<string, number>;
  // Told every ten heartbeats: one of before knows of fewer rejects, or of none.
  const expected = { rejectsInRow: 0, sinceReject: 0, baselineMissing: 50 - good - known, driftScore: 0 };
  const told = () => Object.entries(expected).every(([key, value]) => stats()[key] === value);
  await until(`stats with ${JSON.stringify(expected)}`, told);
}, 120_000);

test('no reject in so many parts is told, and ends with one; the lot of a row is that of its opening', async () => {
  const shown = await pictures(join(data.dir, 'pictures'), 12, 1);
  const teach = { 'recipe.teach.auto': true, 'recipe.teach.shots': 6, 'recipe.teach.heldOut': 4 };
  const first = await up({ ...teach, 'camera.files.paths': join(shown, 'good') });
  await first.stop();
  const files = `${join(shown, 'good')},${join(shown, 'test')}`;
  const { reports } = await up({ 'watch.noReject': 3, 'camera.files.paths': files, 'line.lot': 'L1', 'line.shifts': '00:00-00:00' });
  const passes = () => reports.filter(({ verdict }) => verdict.evaluation === 1).length;
  await parts(12);
  expect(passes()).toBe(12);
  await until('alarm 802', () => alarm(802).includes('"name":"noReject"'));
  await ask(data.dir, 'lot.set', { lot: 'L2', by: 'test' }, never);
  await parts(1); // the gouge
  await until('no alarm 802', () => alarm(802) === '');
  const rows = [
    ...exportLines(
      join(data.dir, 'log.db'),
      { verdict: null, recipe: null, lot: null, since: null, until: null },
      { form: { separator: ',', decimal: '.' }, shifts: ['00:00-00:00'] },
    ),
  ];
  const head = (rows[0] ?? '').trim().split(',');
  const cell = (row: string | undefined, name: string) => (row ?? '').trim().split(',')[head.indexOf(name)];
  const last = rows.slice(-13).map((row) => [cell(row, 'lot'), cell(row, 'shift')]);
  expect(last.map(([lot]) => lot).sort()).toEqual([...Array(12).fill('L1'), 'L2']);
  expect(new Set(last.map(([, shift]) => shift))).toEqual(new Set(['1']));
}, 120_000);

/** The whole house: real addon, model, worker threads, SQLite file and broker; only the camera shows files or the simulated line. */
import { copyFileSync, cpSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { defaultBundleDir } from '../../src/bundle/load';
import { listVerdicts } from '../../src/store/read';
import { verifyLog } from '../../src/store/verify';
import { brokers, freePort, Listener, type TestBroker } from '../plc/support';
import { build, configure, folder, never, pictures, type Running, until } from './support';

const everything = { last: 100_000, verdict: null, recipe: null, lot: null, since: null, until: null };
const base = 'verdictd/t1';

let data: ReturnType<typeof folder>;
let running: Running | null;
beforeEach(() => {
  data = folder();
  running = null;
});
afterEach(async () => {
  await running?.stop();
  data.remove();
});

async function up(set: Record<string, string | number | boolean>): Promise<Running> {
  running = build(configure(set), data.dir);
  await running.station.start(never);
  return running;
}

const teach = { 'recipe.teach.auto': true, 'recipe.teach.shots': 4, 'recipe.teach.heldOut': 8 };

describe('what keeps a station from being ready', () => {
  test('no recipe: Preoperational 601, and it says what to do', async () => {
    const { station, said } = await up({ 'broker.embedded': true, 'broker.port': await freePort() });
    expect(station.current).toMatchObject({ state: 'Preoperational', ready: 0, code: 601 });
    expect(said.join('\n')).toContain('verdictd teach');
  });

  test('a bundle with one bit changed: Preoperational 604, naming the file', async () => {
    const bundle = join(data.dir, 'bundle');
    cpSync(defaultBundleDir(), bundle, { recursive: true });
    const model = join(bundle, 'model.onnx');
    const bytes = readFileSync(model);
    bytes.writeUInt8(bytes.readUInt8(bytes.length >> 1) ^ 1, bytes.length >> 1);
    writeFileSync(model, bytes);
    const { station, said } = await up({ ...teach, 'bundle.path': bundle, 'broker.embedded': true, 'broker.port': await freePort() });
    expect(station.current).toMatchObject({ state: 'Preoperational', ready: 0, code: 604 });
    expect(said.join('\n')).toContain('model.onnx');
  });

  test('no broker at start: Halted and inspecting nothing; it becomes ready when the broker comes', async () => {
    const port = await freePort();
    const { station } = await up({ ...teach, 'plc.url': `mqtt://127.0.0.1:${port}` });
    expect(station.current).toMatchObject({ state: 'Halted', ready: 0 });
    const [, make] = brokers[0] ?? [];
    expect(make).toBeDefined();
    const other = build(configure({ 'broker.embedded': true, 'broker.port': port, 'station.name': 't2' }), mkdirIn(data.dir, 'other'));
    await other.station.start(never);
    await until('ready', () => station.current.ready === 1);
    await other.stop();
  });

  test('no camera: never ready, not even at first; Error 301 by the time it is up', async () => {
    const shown = await pictures(join(data.dir, 'pictures'), 12, 0);
    const set = { 'camera.kind': 'files', 'broker.embedded': true, 'broker.port': await freePort(), 'recipe.acceptProvisional': true };
    await up({ ...set, ...teach, 'camera.files.paths': shown });
    await running?.stop();
    const { station, states } = await up({ ...set, 'camera.files.paths': join(data.dir, 'gone') });
    expect(station.current).toMatchObject({ state: 'Error', ready: 0, code: 301 });
    expect(states.filter(({ ready }) => ready === 1)).toEqual([]);
  });

  test('another verdictd on the same data directory: refused, and the first goes on', async () => {
    const { station } = await up({ ...teach, 'broker.embedded': true, 'broker.port': await freePort() });
    await until('ready', () => station.current.ready === 1);
    const second = build(configure({}), data.dir);
    await expect(second.station.start(never)).rejects.toMatchObject({ code: 'DATA_DIR_BUSY' });
    expect(station.current.ready).toBe(1);
  });

  test('the port of the embedded broker is taken: refused with the port', async () => {
    const port = await freePort();
    await up({ 'broker.embedded': true, 'broker.port': port });
    const second = build(configure({ 'broker.embedded': true, 'broker.port': port }), mkdirIn(data.dir, 'other'));
    await expect(second.station.start(never)).rejects.toMatchObject({
      code: 'BROKER_PORT_TAKEN',
      message: expect.stringContaining(String(port)),
    });
  });

  test.each([0, 5, 50, 200, 500, 1500])('stopped %d ms into its start: nothing hangs, and the next start works', async (ms) => {
    const set = { ...teach, 'broker.embedded': true, 'broker.port': await freePort() };
    const first = build(configure(set), data.dir);
    const abort = new AbortController();
    const timer = setTimeout(() => abort.abort(), ms);
    const outcome = await first.station.start(abort.signal).then(
      () => 'started',
      (thrown: { code: string }) => thrown.code,
    );
    clearTimeout(timer);
    expect(['started', 'ABORTED']).toContain(outcome);
    await first.stop();
    const { station } = await up(set);
    await until('ready', () => station.current.ready === 1);
  });
});

function mkdirIn(dir: string, name: string): string {
  const path = join(dir, name);
  mkdirSync(path);
  return path;
}

describe.each(brokers)('on the %s broker', (_name, make) => {
  let broker: TestBroker;
  let plc: Listener;
  beforeEach(async () => {
    broker = await make();
    await broker.start();
    plc = await Listener.connect(broker.url, base);
  });
  afterEach(async () => {
    await plc.end();
    await broker.kill();
  });
  const trigger = (seq: number, partId = `P${seq}`) => plc.say('trigger', JSON.stringify({ seq, partId }));
  const results = () => plc.of('result').map((text) => JSON.parse(text) as Record<string, number | string>);

  test('files at a gate: good parts open it with acceptSimulated, bad ones and unreadable ones do not; wire and log agree', async () => {
    const shown = await pictures(join(data.dir, 'pictures'), 14, 3);
    const { station } = await up({
      ...teach,
      'camera.kind': 'files',
      'camera.files.paths': join(shown, 'good'),
      'plc.url': broker.url,
      'plc.acceptSimulated': true,
      'recipe.acceptProvisional': true,
    });
    await until('ready', () => station.current.ready === 1);
    await running?.stop();
    running = null;

    const broken = join(shown, 'test', 'gouge', '999.png');
    copyFileSync(join(shown, 'good', '000.png'), broken);
    writeFileSync(broken, readFileSync(broken).subarray(0, 900));
    const replay = build(
      configure({
        'camera.kind': 'files',
        'camera.files.paths': `${join(shown, 'good')},${join(shown, 'test')}`,
        'plc.url': broker.url,
        'plc.acceptSimulated': true,
        'recipe.acceptProvisional': true,
        'evidence.pictures': 'all',
        'plc.ttl': 20_000,
      }),
      data.dir,
    );
    running = replay;
    await replay.station.start(never);
    await until('ready', () => replay.station.current.ready === 1);
    const parts = 14 + 3 + 1;
    const before = results().length;
    for (let seq = 1; seq <= parts; seq++) {
      await trigger(seq);
      await until(`result ${seq}`, () => results().length === before + seq);
    }
    await until('all reports', () => replay.reports.length === parts);
    const wire = results().slice(before);
    // Truth and verdict of every part; the gate opens for what was judged good and for nothing else.
    for (const [i, report] of replay.reports.entries()) {
      expect(wire[i]).toMatchObject({ seq: i + 1, partId: `P${i + 1}`, ok: report.ok, isSimulated: 1 });
      expect(report.ok === 1).toBe(report.verdict.evaluation === 1);
    }
    const last = wire.at(-1);
    expect(last).toMatchObject({ ok: 0, resultEvaluation: 0, resultEvaluationCode: 303, resultState: 4 });
    const passed = replay.reports.filter(({ ok, truth }) => ok === 1 && truth?.good === true).length;
    expect(passed).toBeGreaterThanOrEqual(12);
    const missed = replay.reports.filter(({ ok, truth }) => ok === 1 && truth?.good === false).length;
    expect(missed).toBe(0);

    await replay.stop();
    running = null;
    const log = join(data.dir, 'log.db');
    const rows = listVerdicts(log, everything).slice(-parts);
    expect(rows.map(({ seq, released }) => [seq, released])).toEqual(wire.map(({ seq, ok }) => [seq, ok]));
    const verified = await verifyLog(log);
    expect(verified).toMatchObject({ ok: true, firstBad: null, missingPictures: 0 });
    expect(verified.pictures).toBeGreaterThanOrEqual(parts);
    const journal = plc.of('journal').map((text) => JSON.parse(text) as { type: string; journalSeq: number });
    expect(journal.filter(({ type }) => type === 'verdict').length).toBeGreaterThanOrEqual(parts);
  });

  test('the simulated line never opens the gate; numbers go on after a restart; a repeated number is not inspected again', async () => {
    const set = { ...teach, 'recipe.acceptProvisional': true, 'plc.url': broker.url, 'plc.ttl': 20_000 };
    const first = await up(set);
    await until('ready', () => first.station.current.ready === 1);
    for (const seq of [1, 2, 2, 3]) await trigger(seq);
    await until('three parts', () => first.reports.length === 3);
    await until('their answers', () => plc.of('ack').length === 4 && results().length >= 3);
    expect(
      results().every(({ ok, isSimulated, resultEvaluationCode }) => ok === 0 && isSimulated === 1 && resultEvaluationCode !== 0),
    ).toBe(true);
    await first.stop();
    const again = await up(set);
    await until('ready', () => again.station.current.ready === 1);
    expect(again.station.current.bootId).not.toBe(first.station.current.bootId);
    // The same trigger again, younger than the TTL: the stored answer. Under another part's name: a used number.
    const before = results().length;
    const stored = results().at(-1);
    await trigger(3);
    await until('the stored result', () => results().length === before + 1);
    expect(plc.of('ack').at(-1)).toBe('{"v":1,"seq":3,"ack":1,"code":0}');
    expect(results().at(-1)).toMatchObject({ seq: 3, ok: 0, resultId: stored?.resultId, score: stored?.score });
    await trigger(3, 'another');
    await until('an answer', () => plc.of('ack').length === 6);
    expect(plc.of('ack').at(-1)).toBe('{"v":1,"seq":3,"ack":0,"code":203}');
    expect(again.reports).toHaveLength(0);
    await trigger(4);
    await until('part 4', () => again.reports.length === 1);
  });

  test('the broker dies and comes back: nothing stale is said, the state resumes, the journal is whole', async () => {
    const { station, reports } = await up({ ...teach, 'recipe.acceptProvisional': true, 'plc.url': broker.url, 'plc.ttl': 20_000 });
    await until('ready', () => station.current.ready === 1);
    await trigger(1);
    await until('part 1', () => reports.length === 1);
    await plc.end();
    await broker.kill();
    await until('halted', () => station.current.ready === 0);
    await broker.start();
    plc = await Listener.connect(broker.url, base);
    await until('ready again', () => station.current.ready === 1);
    await until('it says so', () => plc.of('heartbeat').some((text) => text.includes('"ready":1')));
    expect(results()).toEqual([]);
    await trigger(2);
    await until('part 2', () => reports.length === 2);
    await until('result 2', () => results().length === 1);
  });

  test('the heartbeat moves, says ready and the last number', async () => {
    const { station } = await up({ ...teach, 'plc.url': broker.url });
    await until('ready', () => station.current.ready === 1);
    await until('five beats', () => plc.of('heartbeat').filter((text) => text.includes('"ready":1')).length >= 5);
    const beats = plc.of('heartbeat').map((text) => JSON.parse(text) as { hb: number; ready: number });
    expect(new Set(beats.map(({ hb }) => hb)).size).toBeGreaterThan(3);
    expect(plc.of('online')).toContain('1');
    await running?.stop();
    running = null;
    await until('offline', () => plc.of('online').at(-1) === '0');
  });
});

test('free run over files once: every file is a part with seq 0, ok 0, and the end is told', async () => {
  const shown = await pictures(join(data.dir, 'pictures'), 6, 2);
  const port = await freePort();
  const set = {
    'broker.embedded': true,
    'broker.port': port,
    'camera.kind': 'files',
    'trigger.source': 'freeRun',
    'recipe.acceptProvisional': true,
  };
  const once = await up({
    ...set,
    ...teach,
    'recipe.teach.shots': 3,
    'recipe.teach.heldOut': 0,
    'camera.files.paths': shown,
    'camera.files.rate': 50,
    'plc.ttl': 20_000,
  });
  await until('the end', () => once.ended());
  expect(once.reports.length).toBeGreaterThanOrEqual(5);
  expect(once.reports.every(({ ok, verdict }) => ok === 0 && verdict.part.seq === 0 && verdict.code !== 0)).toBe(true);
  expect(once.station.current).toMatchObject({ state: 'Halted', ready: 0 });
});

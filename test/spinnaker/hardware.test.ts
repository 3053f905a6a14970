/** @jest-environment ./test/support/fake_spinnaker.cjs */
/**
 * The hardware trigger through the whole house: announcements over a real broker, edges from the fake camera library, verdicts back
 * by MQTT. Contract, "Handshake and fail-safe", 7.
 */
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { prepareProduct, renderBayer } from '../../src/camera/simulated/render';
import { freePort, Listener } from '../plc/support';
import { build, configure, folder, never, type Running, until } from '../station/support';
import { built, command, describeFake, library, reset, until as seen, spinnaker, status } from './fake';

const size = { width: 256, height: 128 };

/** Good parts of one product as the sensor sees them; enough to teach from and to show in turn. */
function frames(dir: string): string {
  const product = { family: 'plate', product: 2, seed: 5, ...size } as const;
  mkdirSync(dir);
  prepareProduct(product);
  const bytes = new Uint8Array(size.width * size.height);
  for (let part = 0; part < 12; part++) {
    renderBayer({ ...product, part, defect: null }, bytes);
    writeFileSync(join(dir, `part-${String(part).padStart(2, '0')}_${size.width}x${size.height}_BayerRG8.raw`), bytes);
  }
  return dir;
}

let data: ReturnType<typeof folder>;
let running: Running;
let plc: Listener;
let port: number;
let log: string;
let seq = 0;

const ttl = 4000;
const common = (): Record<string, string | number | boolean> => ({
  'broker.embedded': true,
  'broker.port': port,
  'recipe.acceptProvisional': true,
  'plc.ttl': ttl,
  'plc.margin': 1500,
});

if (built) {
  beforeAll(async () => {
    data = folder();
    port = await freePort();
    log = join(data.dir, 'calls');
    const shown = frames(join(data.dir, 'frames'));
    const set = { ...common(), 'camera.kind': 'files', 'camera.files.paths': shown, 'camera.files.loop': true };
    const teacher = build(
      configure({ ...set, 'recipe.teach.auto': true, 'recipe.teach.shots': 4, 'recipe.teach.heldOut': 8, 'evidence.pictures': 'none' }),
      data.dir,
    );
    await teacher.station.start(never);
    await teacher.stop();
    await spinnaker().borrow((camera) => camera.list()); // the library's first call starts its control socket
    await reset(`frames = ${shown}`, 'removal-ms = 20', 'arrival-ms = 20', `log = ${log}`);
    running = build(
      configure({
        ...common(),
        'camera.kind': 'spinnaker',
        'camera.spinnaker.library': library,
        'camera.spinnaker.TriggerSource': 'Line0',
        'camera.spinnaker.LineFilterWidth': 3000,
        'camera.spinnaker.ExposureTime': 8000,
        'camera.spinnaker.acceptLine': 'Line1',
        'camera.spinnaker.acceptPulse': 40,
        'trigger.source': 'hardware',
        'trigger.leadMax': 1500,
      }),
      data.dir,
    );
    await running.station.start(never);
    plc = await Listener.connect(`mqtt://127.0.0.1:${port}`, 'verdictd/t1');
    await until('ready', () => running.station.current.ready === 1);
  }, 90_000);

  afterAll(async () => {
    await plc?.end();
    await running?.stop();
    const { held, violations } = await status();
    await reset();
    data.remove();
    expect({ held, violations }).toEqual({
      held: { cameras: 0, lists: 0, images: 0, handlers: 0, nodes: 0, entries: 0 },
      violations: [],
    });
  }, 30_000);
}

const said = (topic: string, number: number) =>
  plc
    .of(topic)
    .map((text) => JSON.parse(text) as Record<string, number>)
    .filter((message) => message.seq === number);
const acks = (number: number) => said('ack', number).map(({ ack, code }) => [ack, code]);
const results = (number: number) => said('result', number).map(({ ok, resultEvaluationCode }) => [ok, resultEvaluationCode]);

/** The PLC announces its next part; resolves with its number once the station has answered. */
async function announce(more: Record<string, number> = {}): Promise<number> {
  const mine = ++seq;
  await plc.say('trigger', JSON.stringify({ seq: mine, partId: `P${mine}`, ...more }));
  await until(`ack ${mine}`, () => acks(mine).length > 0);
  return mine;
}
/** The announced part reaches the sensor: after leadMin, well before leadMax. */
async function edge(): Promise<void> {
  await new Promise((resolve) => setTimeout(resolve, 60));
  await command('trigger line=0');
}
const answered = (number: number, times = 1) => until(`result ${number}`, () => results(number).length >= times, 12_000);

let commandId = 0;
/** Command 7: the approach is empty. */
async function clear(): Promise<void> {
  const id = ++commandId;
  await plc.say('cmd', JSON.stringify({ id, cmd: 7, arg: '' }));
  const answer = () => plc.of('cmd/rsp').map((text) => JSON.parse(text) as Record<string, number>);
  await until(`answer to command ${id}`, () => answer().some((one) => one.id === id));
  expect(answer().find((one) => one.id === id)).toMatchObject({ ok: 1, code: 0 });
  await until('ready', () => running.station.current.ready === 1);
}
/** One part without a fault: taken, exposed, passed. */
async function pass(): Promise<number> {
  const part = await announce();
  await edge();
  await answered(part);
  expect({ acks: acks(part), acquired: said('acquired', part).length, results: results(part) }).toEqual({
    acks: [[1, 0]],
    acquired: 1,
    results: [[1, 0]],
  });
  return part;
}
/** Nothing is taken any more, whatever is announced; the way out is command 7, and then a part passes. */
async function blocked(): Promise<void> {
  await until('206', () => running.station.current.code === 206);
  expect(running.station.current).toMatchObject({ state: 'Halted', ready: 0 });
  expect(acks(await announce())).toEqual([[0, 206]]);
  await clear();
  await pass();
}

if (built) {
  // Each test begins with an empty approach, whatever the one before has left.
  beforeEach(async () => {
    await command('fault clear');
    await clear();
  });
}

describeFake('mismatches: 206, no part gets the verdict of another, and command 7 ends it', () => {
  test('an edge that nobody announced', async () => {
    await edge();
    await blocked();
  });

  test('an announced part that never reaches the sensor', async () => {
    const part = await announce();
    await answered(part);
    expect(results(part)).toEqual([[0, 206]]);
    expect(said('acquired', part)).toEqual([]);
    await blocked();
  });

  test('an exposure that the camera loses', async () => {
    await command('fault lost');
    const part = await announce();
    await edge();
    await answered(part);
    expect(results(part)).toEqual([[0, 206]]);
    await blocked();
  });

  test('a bounce that is an exposure of its own takes the pass back', async () => {
    const part = await pass();
    await command('trigger line=0');
    await answered(part, 2);
    expect(results(part)).toEqual([
      [1, 0],
      [0, 206],
    ]);
    await blocked();
  });

  test('a bounce that finds the camera exposing is found by the counter, once', async () => {
    const part = await announce();
    await new Promise((resolve) => setTimeout(resolve, 60));
    await command('edges line=0 period-ms=60 count=1 bounces=1 bounce-us=4000');
    await answered(part);
    await blocked();
    // The count stays; it is no news any more, for more than two of the camera's polls.
    await new Promise((resolve) => setTimeout(resolve, 2500));
    await pass();
  });

  test('numbers that the camera counted and nobody got', async () => {
    await pass();
    await command('fault gap value=1');
    const part = await announce();
    await edge();
    await answered(part);
    expect(results(part)).toEqual([[0, 206]]);
    await blocked();
  });

  test('a second announcement before the first one has its exposure', async () => {
    const first = await announce();
    const second = await announce();
    await answered(first);
    expect([results(first), acks(second)]).toEqual([[[0, 206]], [[0, 206]]]);
    await edge(); // of the first: nobody's
    await blocked();
  });

  test('the cable, with an announced part on its way', async () => {
    const part = await announce();
    await command('unplug');
    await answered(part);
    expect(results(part)).toEqual([[0, 206]]);
    await until('301', () => running.station.current.code === 301);
    await command('replug');
    await blocked();
  });
});

describeFake('what is no mismatch', () => {
  test('parts one after another; bounces within the filter', async () => {
    await pass();
    const part = await announce();
    await new Promise((resolve) => setTimeout(resolve, 60));
    await command('edges line=0 period-ms=60 count=1 bounces=3 bounce-us=500');
    await answered(part);
    expect(results(part)).toEqual([[1, 0]]);
    await pass();
  });

  test('a spoilt exposure is its own part’s fault, and the next part passes', async () => {
    for (const [fault, code] of [
      ['incomplete', 303],
      ['short', 303],
      ['frozen', 306],
    ] as const) {
      await command(`fault ${fault}`);
      const part = await announce();
      await edge();
      await answered(part);
      expect(results(part)).toEqual([[0, code]]);
      await pass();
    }
  });

  test('a part that was refused for its recipe passes the sensor unseen', async () => {
    expect(acks(await announce({ recipeId: 77 }))).toEqual([[0, 204]]);
    await edge();
    await pass();
  });

  test('the cable with nothing under way', async () => {
    await new Promise((resolve) => setTimeout(resolve, ttl)); // no pass is young any more
    await command('unplug');
    await until('301', () => running.station.current.code === 301);
    await command('replug');
    await until('ready', () => running.station.current.ready === 1);
    await pass();
  });
});

describeFake('the accept output', () => {
  test('was energised once for each part that left with ok 1, or said to be too late for it, and is at rest between', async () => {
    await pass();
    const passed = plc.of('result').filter((text) => text.includes('"ok":1')).length;
    const read = () =>
      readFileSync(log, 'utf8')
        .split('\n')
        .filter((line) => line.includes('"line":"Line1"'))
        .map((line) => (JSON.parse(line) as { level: number }).level);
    // On a busy machine one may come too late for its part: then it is said, and the line rests.
    const late = () => running.lines.filter(({ msg }) => msg === 'accept output not energised').length;
    // The pulse follows the message; the last one has ended.
    const ups = () => read().filter((level) => level === 1).length;
    await seen(() => (ups() + late() >= passed && read().length === 2 * ups() ? true : undefined), 'the end of the last pulse');
    const levels = read();
    expect(ups()).toBeLessThanOrEqual(passed);
    expect(late()).toBeLessThan(passed);
    expect(levels.every((level, i) => level === (i % 2 === 0 ? 1 : 0))).toBe(true);
  });
});

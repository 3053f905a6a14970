/**
 * By hand, as docs/camera.md shows it: `verdictd run` on the fake library with a real broker; the cable is pulled and plugged by the
 * library's control channel, and everything is seen from outside, on MQTT. At the end the process is killed in the middle of an accept.
 */
import { existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { createConnection } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { prepareProduct, renderBayer } from '../../src/camera/simulated/render';
import { packageRoot } from '../../src/package';
import { launcher, type Running, run, start } from '../cli/process';
import { hasMosquitto, Listener, noMosquitto, pause, stoppableBroker, type TestBroker, until } from '../plc/support';

const library = join(packageRoot, 'build/fake/libSpinnaker_C.so.4');
const built = existsSync(library);
if (!built) console.log(`skipped: ${library} is not built (npm run build:fake)`);
else if (!hasMosquitto) console.log(`skipped: ${noMosquitto}`);
const size = { width: 256, height: 128 };

let dir: string;
let broker: TestBroker;
let plc: Listener;
let station: Running | null = null;

/** One command of the fake's control channel, as control.mjs sends it. */
function camera(line: string): Promise<string> {
  return new Promise((resolve, reject) => {
    const socket = createConnection(join(dir, 'control'));
    socket.on('error', reject);
    socket.on('connect', () => socket.write(`${line}\n`));
    socket.once('data', (reply) => {
      socket.end();
      resolve(reply.toString());
    });
  });
}
const line1 = async (): Promise<number> =>
  (JSON.parse((await camera('status')).slice(3)) as { devices: { lines: number[] }[] }).devices[0]?.lines[1] ?? Number.NaN;
/** Whether the accept line comes to this level within a second. */
async function energised(level: 0 | 1): Promise<boolean> {
  for (let i = 0; i < 40; i++) {
    if ((await line1()) === level) return true;
    await pause(25);
  }
  return false;
}
const last = (topic: string): string => plc.of(topic).at(-1) ?? '';
const state = (): object => JSON.parse(last('state') || '{}') as object;
/** A part, and what is said of it: its ack, and its result if the ack was 1. */
async function part(seq: number): Promise<{ ack: object; result: object | null }> {
  const said = (topic: string): string | undefined => plc.of(topic).find((text) => text.includes(`"seq":${seq},`));
  await plc.say('trigger', `{"seq":${seq},"partId":"A${seq}"}`);
  await until(`the ack of ${seq}`, () => said('ack') !== undefined, 30_000);
  const ack = JSON.parse(said('ack') ?? '') as { ack: number };
  if (ack.ack === 0) return { ack, result: null };
  await until(`the result of ${seq}`, () => said('result') !== undefined, 30_000);
  return { ack, result: JSON.parse(said('result') ?? '') as object };
}

let seq = 0;
/** Parts that pass, until one of them has energised the line: on a busy machine a pulse may be refused as too late. */
async function accepted(): Promise<void> {
  for (let i = 0; i < 5; i++) {
    seq++;
    expect(await part(seq)).toMatchObject({ ack: { ack: 1 }, result: { ok: 1, isSimulated: 0, partId: `A${seq}` } });
    if (await energised(1)) return;
  }
  throw new Error('no part that passed energised the line');
}

// The reason is printed above.
const test_ = built && hasMosquitto ? test : test.skip;
afterEach(async () => {
  station?.child.kill('SIGKILL');
  await station?.ended;
  station = null;
  await plc?.end();
  await broker?.kill();
  if (dir !== undefined) rmSync(dir, { recursive: true, force: true });
});

test_(
  'a pass; the cable pulled: state, alarm, refusal; plugged: alarm cleared, a pass; killed in an accept: the line keeps its level',
  async () => {
    dir = mkdtempSync(join(tmpdir(), 'verdictd-by-hand-'));
    const frames = join(dir, 'frames');
    mkdirSync(frames);
    const product = { family: 'plate', product: 2, seed: 5, ...size } as const;
    prepareProduct(product);
    const bytes = new Uint8Array(size.width * size.height);
    for (let n = 0; n < 12; n++) {
      renderBayer({ ...product, part: n, defect: null }, bytes);
      writeFileSync(join(frames, `part-${String(n).padStart(2, '0')}_${size.width}x${size.height}_BayerRG8.raw`), bytes);
    }
    writeFileSync(join(dir, 'script'), `frames = ${frames}\nremoval-ms = 50\narrival-ms = 50\n`);
    const data = ['--data-dir', join(dir, 'data')];
    expect((await run(launcher, ['teach', '--recipe', 'plate', '--good', frames, '--shots', '4', ...data])).code).toBe(0);
    broker = await stoppableBroker();
    await broker.start();
    plc = await Listener.connect(broker.url, 'verdictd/station');

    const set = {
      'camera.kind': 'spinnaker',
      'camera.spinnaker.acceptLine': 'Line1',
      'camera.spinnaker.acceptPulse': '10000',
      'trigger.source': 'mqtt',
      'recipe.active': 'plate',
      'recipe.acceptProvisional': 'true',
      'inference.providers': 'cpu',
      'plc.url': broker.url,
      'plc.ttl': '10000',
    };
    const env = {
      VERDICTD_SPINNAKER_LIBRARY: library,
      VERDICTD_FAKE_SPINNAKER: join(dir, 'script'),
      VERDICTD_FAKE_SPINNAKER_CONTROL: join(dir, 'control'),
      VERDICTD_FAKE_SPINNAKER_LOG: join(dir, 'log'),
    };
    station = start(launcher, ['run', ...data, ...Object.entries(set).flatMap(([key, value]) => ['--set', `${key}=${value}`])], { env });
    await until('Operational', () => last('state').includes('"state":"Operational"'), 60_000);
    await accepted();

    await camera('unplug');
    await until('the alarm', () => last('alarm/301') !== '', 30_000);
    expect(JSON.parse(last('alarm/301'))).toMatchObject({ code: 301, name: 'cameraLost' });
    await until('Error', () => last('state').includes('"code":301'));
    expect(state()).toMatchObject({ state: 'Error', ready: 0, code: 301 });
    const refused = ++seq;
    expect(await part(refused)).toMatchObject({ ack: { ack: 0, code: 301 }, result: null });

    await camera('replug');
    await until('the camera back', () => last('alarm/301') === '' && last('state').includes('"state":"Operational"'), 30_000);
    expect(await energised(0)).toBe(true); // its pulse was not over: a camera that had no power is at rest
    await accepted();
    expect(plc.of('result').some((text) => text.includes(`"seq":${refused},`))).toBe(false);

    // Nobody de-energises an output once its process is dead: that the level stays is what docs/camera.md warns of.
    station.child.kill('SIGKILL');
    await station.ended;
    await until('the will', () => last('online') === '0', 30_000);
    const levels = readFileSync(join(dir, 'log'), 'utf8')
      .split('\n')
      .filter((text) => text.includes('"line":"Line1"'));
    expect(levels.length).toBeGreaterThan(2);
    expect(JSON.parse(levels.at(-1) ?? '')).toMatchObject({ line: 'Line1', level: 1 });
  },
  120_000,
);

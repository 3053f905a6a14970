/** @jest-environment ./test/support/fake_spinnaker.cjs */
/** Two products under different camera values, taught on the line and switched by command: the camera follows, on the fake library. */
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { prepareProduct, renderBayer } from '../../src/camera/simulated/render';
import { ask } from '../../src/control/client';
import { freePort, Listener } from '../plc/support';
import { build, configure, folder, never, type Running, until } from '../station/support';
import { built, command, describeFake, library, reset, until as seenBy, spinnaker, status } from './fake';

const size = { width: 256, height: 128 };
let data: ReturnType<typeof folder>;
let running: Running | null = null;
let plc: Listener | null = null;
let seq = 0;
let id = 0;

if (built) {
  beforeAll(async () => {
    data = folder();
    const frames = join(data.dir, 'frames');
    mkdirSync(frames);
    const product = { family: 'plate', product: 2, seed: 5, ...size } as const;
    prepareProduct(product);
    const bytes = new Uint8Array(size.width * size.height);
    for (let part = 0; part < 12; part++) {
      renderBayer({ ...product, part, defect: null }, bytes);
      writeFileSync(join(frames, `part-${String(part).padStart(2, '0')}_${size.width}x${size.height}_BayerRG8.raw`), bytes);
    }
    await spinnaker().borrow((camera) => camera.list());
    await reset(`frames = ${frames}`);
  });
  afterEach(stop);
  afterAll(async () => {
    const { held, violations } = await status();
    await reset();
    data.remove();
    expect({ images: held.images, violations }).toEqual({ images: 0, violations: [] });
  });
}

const call = async <T>(name: string, args: Record<string, unknown> = {}) => (await ask(data.dir, name, args, never)).value as T;

async function up(exposure: number): Promise<Running> {
  const port = await freePort();
  const set = {
    'broker.embedded': true,
    'broker.port': port,
    'recipe.acceptProvisional': true,
    'plc.ttl': 20_000,
    'recipe.keep': 2,
    'recipe.wrongPart': 'off',
  };
  const camera = { 'camera.kind': 'spinnaker', 'camera.spinnaker.library': library, 'camera.spinnaker.ExposureTime': exposure };
  running = build(configure({ ...set, ...camera }), data.dir);
  await running.station.start(never);
  plc = await Listener.connect(`mqtt://127.0.0.1:${port}`, 'verdictd/t1');
  return running;
}
async function stop(): Promise<void> {
  await plc?.end();
  await running?.stop();
  [plc, running] = [null, null];
}

/** One part that is accepted: while the camera begins again, triggers are refused, as a PLC would see it. */
async function part(): Promise<Record<string, number>> {
  for (;;) {
    const mine = ++seq;
    await plc?.say('trigger', JSON.stringify({ seq: mine, partId: `P${mine}` }));
    const said = (topic: string) => (plc?.of(topic) ?? []).map((text) => JSON.parse(text) as Record<string, number>);
    const result = () => said('result').find((one) => one.seq === mine);
    const refused = () => said('ack').some((one) => one.seq === mine && one.ack === 0);
    await until(`an answer to ${mine}`, () => refused() || result() !== undefined, 25_000);
    const found = result();
    if (found !== undefined) return found;
    await until('ready', () => running?.station.current.ready === 1, 25_000);
  }
}

async function taught(recipe: string): Promise<void> {
  await call('teach.start', { recipe, shots: 4, heldOut: 2 });
  await until('ready', () => running?.station.current.ready === 1, 20_000);
  for (let shown = 0; shown < 20 && (await call<{ state: string }>('teach.status')).state !== 'complete'; shown++)
    expect(await part()).toMatchObject({ resultEvaluationCode: 606 });
  await call('teach.commit', { by: 'test' });
}

const exposureTime = async () => (await call<{ value: number }[]>('camera.features', { names: ['ExposureTime'] }))[0]?.value;
/** The stream begins again under other values: the camera cannot be asked meanwhile. */
async function exposed(time: number): Promise<void> {
  let seen: number | undefined;
  await seenBy(async () => {
    seen = await exposureTime().catch(() => undefined);
    return seen === time ? true : undefined;
  }, `ExposureTime ${time}, it is ${seen}`);
}
const kept = (recipe: string) =>
  (JSON.parse(readFileSync(join(data.dir, 'recipes', recipe, 'recipe.json'), 'utf8')) as { camera: Record<string, unknown> }).camera;

describeFake('recipes under different camera values', () => {
  test('what the camera is set to is read back into the recipe, and a switch brings it back before a part is judged', async () => {
    await up(2000);
    await taught('plate');
    expect(kept('plate')).toMatchObject({ ExposureTime: 2000, PixelFormat: 'BayerRG8' });
    await stop();

    // Another product wants more light: the configuration says so, and a new recipe is taught under that, not under the one in force.
    await up(6000);
    await until('the recipe in force', () => running?.station.current.ready === 1, 20_000);
    await exposed(2000);
    await taught('other');
    expect(kept('other')).toMatchObject({ ExposureTime: 6000 });
    await exposed(6000);
    expect(await call('recipe.ready')).toEqual({ ready: ['plate', 'other'] });

    for (const [number, time] of [
      [1, 2000],
      [2, 6000],
      [1, 2000],
    ] as const) {
      await plc?.say('cmd', JSON.stringify({ id: ++id, cmd: 2, arg: String(number) }));
      const mine = id;
      const answers = () => (plc?.of('cmd/rsp') ?? []).map((text) => JSON.parse(text) as { id: number; ok: number });
      await until(`command ${mine}`, () => answers().some((one) => one.id === mine), 20_000);
      expect(answers().find((one) => one.id === mine)).toMatchObject({ ok: 1 });
      await until('ready', () => running?.station.current.ready === 1, 20_000);
      await exposed(time);
      expect(await part()).toMatchObject({ recipeId: number, resultState: 1 });
    }
    expect(await command('status')).toContain('"violations":[]');
  }, 120_000);
});

/** What doctor finds beside the camera: first what is wrong, then what is right. */
import { chmodSync, mkdirSync, mkdtempSync, readdirSync, rmSync, writeFileSync } from 'node:fs';
import { createServer, type Socket } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { defaultBundleDir, loadBundle } from '../../src/bundle/load';
import { systemClock } from '../../src/clock';
import { VerdictdError } from '../../src/errors';
import { brokerCheck } from '../../src/health/broker';
import { type ModelFacts, modelChecks } from '../../src/health/model';
import { placeChecks } from '../../src/health/place';
import { launcher, run } from '../cli/process';
import { brokers, freePort } from '../plc/support';

const dir = mkdtempSync(join(tmpdir(), 'verdictd-doctor-'));
afterAll(() => rmSync(dir, { recursive: true, force: true }));

describe('the place', () => {
  const look = (change: Partial<Parameters<typeof placeChecks>[0]> = {}) =>
    new Map(
      placeChecks({ dataDir: dir, minFree: 1, commitTime: 600_000, clock: systemClock, ...change }).map((check) => [check.id, check]),
    );

  test('not enough room, no time for a sync, a clock that was never set, a file in the way', () => {
    expect(look({ minFree: 2 ** 40 }).get('disk.free')).toMatchObject({ ok: false, fix: expect.stringMatching(/^Free \d+ MiB/) });
    expect(look({ commitTime: 0 }).get('disk.sync')).toMatchObject({ ok: false, fix: expect.stringMatching(/NVMe/) });
    const clock = { ...systemClock, wall: () => ({ utc: '1970-01-01T00:00:00Z', trusted: false }) };
    expect(look({ clock }).get('clock.set')).toMatchObject({ ok: false, fix: expect.stringMatching(/timedatectl/) });
    const file = join(dir, 'file');
    writeFileSync(file, '');
    expect(look({ dataDir: file }).get('data.rights')).toMatchObject({ ok: false, detail: expect.stringMatching(/not a folder/) });
  });

  const root = process.getuid?.() === 0;
  if (root) console.warn('skipped: root may write everywhere, so a folder without rights cannot be made');
  (root ? test.skip : test)('a folder without rights', () => {
    const locked = join(dir, 'locked');
    mkdirSync(locked);
    chmodSync(locked, 0o500);
    expect(look({ dataDir: locked }).get('data.rights')).toMatchObject({ ok: false, fix: expect.stringMatching(/install -d/) });
  });

  test('all is well, and nothing is left behind', () => {
    const place = join(dir, 'place');
    mkdirSync(place);
    const checks = [...look({ dataDir: place }).values()];
    expect(checks.map(({ id, ok, fix }) => [id, ok, fix])).toEqual([
      ['data.rights', true, null],
      ['disk.free', true, null],
      ['disk.sync', true, null],
      ['clock.set', true, null],
    ]);
    expect(readdirSync(place)).toEqual([]);
    expect(look({ dataDir: join(place, 'not/yet') }).get('data.rights')).toMatchObject({ ok: true });
  });
});

describe('the model', () => {
  const facts: ModelFacts = {
    bundlePath: '/b',
    active: 'plate',
    autoTeach: false,
    providers: ['tensorrt', 'cpu'],
    bundle: () => loadBundle(defaultBundleDir()),
    recipe: () => Promise.reject(new VerdictdError('RECIPE_MISSING', 'No recipe plate.')),
    infer: () => Promise.reject(new VerdictdError('PROVIDER_UNAVAILABLE', 'None.', { details: ['cpu: no'] })),
    running: null,
  };
  const look = async (change: Partial<ModelFacts> = {}) =>
    new Map((await modelChecks({ ...facts, ...change })).map((check) => [check.id, check]));

  test('a damaged bundle, no recipe, no provider, one that fell back', async () => {
    const refused = () => Promise.reject(new VerdictdError('BUNDLE_REFUSED', 'model.onnx was altered.'));
    expect([...(await look({ bundle: refused })).values()]).toEqual([
      { id: 'model.bundle', ok: false, detail: 'model.onnx was altered.', fix: expect.stringMatching(/model verify \/b/) },
    ]);
    const none = await look();
    expect(none.get('model.bundle')).toMatchObject({ ok: true });
    expect(none.get('model.recipe')).toMatchObject({ ok: false, fix: expect.stringMatching(/teach --recipe plate/) });
    expect(none.get('model.provider')).toMatchObject({ ok: false, detail: 'None.; cpu: no' });
    expect((await look({ autoTeach: true })).get('model.recipe')).toMatchObject({ ok: true });
    expect((await look({ active: null })).get('model.recipe')).toMatchObject({ ok: false, fix: expect.stringMatching(/recipe.active/) });
    expect((await look({ running: { provider: 'cpu' } })).get('model.provider')).toMatchObject({
      ok: false,
      detail: expect.stringMatching(/judges on cpu, tensorrt was asked/),
    });
    expect((await look({ running: { provider: 'tensorrt' } })).get('model.provider')).toMatchObject({ ok: true });
  });
});

describe('the broker', () => {
  const facts = { base: 'verdictd/t1', station: 't1', embeddedAndDown: false, patience: 1_000 };

  test('nobody there, a name that is none, something that is no broker, a password that cannot be read', async () => {
    const port = await freePort();
    expect(await brokerCheck({ ...facts, url: `mqtt://127.0.0.1:${port}` })).toMatchObject({
      ok: false,
      fix: expect.stringMatching(/Start the broker on 127\.0\.0\.1/),
    });
    expect(await brokerCheck({ ...facts, url: 'mqtt://no.such.host.invalid:1883' })).toMatchObject({ ok: false });
    const held: Socket[] = [];
    const mute = createServer((socket) => void held.push(socket.on('error', () => undefined)));
    await new Promise<void>((listening) => mute.listen(port, '127.0.0.1', listening));
    expect(await brokerCheck({ ...facts, url: `mqtt://127.0.0.1:${port}` })).toMatchObject({
      ok: false,
      fix: expect.stringMatching(/that it speaks MQTT/),
    });
    for (const socket of held) socket.destroy();
    await new Promise((closed) => mute.close(closed));
    expect(await brokerCheck({ ...facts, url: 'mqtt://127.0.0.1:1', passwordFile: join(dir, 'gone') })).toMatchObject({
      ok: false,
      detail: expect.stringMatching(/plc.passwordFile/),
      fix: expect.stringMatching(/Correct the path/),
    });
  });

  test.each(brokers)('a message goes to the %s broker and comes back', async (_, make) => {
    const broker = await make();
    await broker.start();
    try {
      expect(await brokerCheck({ ...facts, patience: 10_000, url: broker.url })).toMatchObject({ ok: true, fix: null });
    } finally {
      await broker.kill();
    }
  });
});

test('the command: a wrong configuration is a finding; each finding has its fix, and exit code 1', async () => {
  const file = join(dir, 'wrong.yaml');
  writeFileSync(file, 'plc:\n  ttl: soon\n');
  const wrong = await run(launcher, ['--config', file, 'doctor', '--json']);
  expect(wrong.code).toBe(1);
  expect(JSON.parse(wrong.stdout)).toEqual({
    ok: false,
    checks: [{ id: 'config', ok: false, detail: expect.stringMatching(/ttl/), fix: expect.stringMatching(/config check/) }],
  });
  const set = ['inference.providers=cpu', 'log.minFree=16', 'broker.embedded=true', 'plc.ttl=60000'].flatMap((one) => ['--set', one]);
  const { code, stdout } = await run(launcher, ['--data-dir', join(dir, 'data'), ...set, 'doctor', '--json']);
  expect(code).toBe(1); // no recipe yet
  const { ok, checks } = JSON.parse(stdout) as { ok: boolean; checks: { id: string; ok: boolean; fix: string | null }[] };
  expect(ok).toBe(false);
  expect(checks.filter((check) => !check.ok).map(({ id }) => id)).toEqual(['model.recipe']);
  for (const check of checks) expect(check.fix === null).toBe(check.ok);
  expect(checks.map(({ id }) => id)).toEqual([
    'config',
    'data.rights',
    'clock.set',
    'camera.kind',
    'model.bundle',
    'model.recipe',
    'model.provider',
    'broker.roundTrip',
  ]);
}, 60_000);

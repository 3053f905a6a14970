/** `verdictd run` as systemd runs it: a process of its own, a real NOTIFY_SOCKET, commands that ask it over its control socket. */
import { existsSync, mkdtempSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { monotonicMs } from '../../src/clock';
import { FakeSystemd, python } from '../health/systemd';
import { until } from '../plc/support';
import { launcher, type Running, run, start } from './process';

const withPython = python ? test : test.skip;
let dir = '';
let systemd: FakeSystemd;
let station: Running | null = null;
beforeEach(async () => {
  dir = mkdtempSync(join(tmpdir(), 'verdictd-supervised-'));
  systemd = new FakeSystemd(join(dir, 'notify'));
  if (python) await systemd.start();
});
afterEach(async () => {
  station?.child.kill('SIGKILL');
  await station?.ended;
  station = null;
  await systemd.stop();
  rmSync(dir, { recursive: true, force: true });
});

const settings = {
  'camera.simulated.width': '256',
  'camera.simulated.height': '136',
  'camera.simulated.product': '2',
  'trigger.source': 'freeRun',
  'inference.providers': 'cpu',
  'log.minFree': '16',
  'plc.onBrokerLoss': 'log',
  'plc.url': 'mqtt://127.0.0.1:1', // nobody: the station judges and logs without
};

/** The command line of the station's data directory; systemd's variables only for the station itself. */
function args(command: string[], set: Record<string, string> = {}): string[] {
  const all = Object.entries({ ...settings, ...set }).flatMap(([key, value]) => ['--set', `${key}=${value}`]);
  return ['--data-dir', join(dir, 'data'), ...all, ...command];
}

function supervised(set: Record<string, string>): Running {
  const env = { NOTIFY_SOCKET: systemd.socket, WATCHDOG_USEC: '600000' };
  station = start(launcher, args(['run', '--json'], set), { env });
  return station;
}

const taught = { 'recipe.active': 'plate', 'recipe.teach.auto': 'true', 'recipe.teach.shots': '4', 'recipe.teach.heldOut': '4' };

withPython(
  'time to start, ready, fed by work, asked over its socket, stopping',
  async () => {
    const { child, ended } = supervised(taught);
    await until('systemd hears READY', () => systemd.count('READY=1') > 0, 60_000);
    const ready = systemd.heard.findIndex((text) => text.startsWith('READY=1'));
    expect(systemd.heard.slice(0, ready)).toContain('EXTEND_TIMEOUT_USEC=30000000');
    const before = systemd.count('WATCHDOG=1');
    await until('the watchdog is fed', () => systemd.count('WATCHDOG=1') > before + 2);

    expect(statSync(join(dir, 'data/control.sock')).mode & 0o777).toBe(0o600);
    const status = await run(launcher, args(['status', '--json']));
    expect(status.stderr).toBe('');
    expect(status.code).toBe(0);
    expect(JSON.parse(status.stdout)).toMatchObject({
      state: 'Operational',
      broker: false,
      inference: { provider: 'cpu', restarts: 0 },
      idle: [{ stage: 'camera' }, { stage: 'inference' }, { stage: 'log' }],
    });
    const features = await run(launcher, args(['camera', 'features']));
    expect(features.code).toBe(75);
    expect(features.stderr).toMatch(/camera without features.*\[CAMERA_FAILED\]/);

    child.kill('SIGTERM');
    expect((await ended).code).toBe(0);
    expect(systemd.count('STOPPING=1')).toBe(1);
    expect(existsSync(join(dir, 'data/starts.json'))).toBe(false);
    expect(existsSync(join(dir, 'data/control.sock'))).toBe(false);
    const gone = await run(launcher, args(['status']));
    expect(gone.code).toBe(1);
    expect(gone.stderr).toMatch(/no station runs.*\[CONTROL_FAILED\]/);
  },
  120_000,
);

withPython(
  'a run that was killed counts; after five the next is safe: state, and neither camera nor model',
  async () => {
    const boot = readFileSync('/proc/sys/kernel/random/boot_id', 'utf8').trim();
    const killed = supervised({});
    await until('systemd hears READY', () => systemd.count('READY=1') > 0, 60_000);
    killed.child.kill('SIGKILL');
    await killed.ended;
    const file = join(dir, 'data/starts.json');
    const record = JSON.parse(readFileSync(file, 'utf8')) as { boot: string; starts: number[] };
    expect(record).toMatchObject({ boot, looping: false });
    expect(record.starts).toHaveLength(1);

    const now = monotonicMs();
    writeFileSync(file, JSON.stringify({ boot, starts: [now, now, now, now, now], looping: false }));
    const { child, ended } = supervised(taught);
    await until('safe mode is told', () => systemd.heard.some((text) => /READY=1\nSTATUS=safe mode/.test(text)), 60_000);
    const status = JSON.parse((await run(launcher, args(['status', '--json']))).stdout) as object;
    expect(status).toMatchObject({ state: 'Preoperational', code: 404, inference: null, camera: { frames: 0 } });
    expect(existsSync(join(dir, 'data/recipes'))).toBe(false);
    child.kill('SIGTERM');
    expect((await ended).code).toBe(0);
  },
  120_000,
);

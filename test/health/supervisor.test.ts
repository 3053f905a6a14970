/** What systemd hears, over a real datagram socket. */
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Supervisor } from '../../src/health/supervisor';
import { sdNotify } from '../../src/native';
import { keptDiagnostics, until } from '../plc/support';
import { FakeSystemd, python } from './systemd';

const withPython = python ? test : test.skip;
const dir = mkdtempSync(join(tmpdir(), 'verdictd-notify-'));
afterAll(() => rmSync(dir, { recursive: true, force: true }));

test('a socket that cannot be one is refused with the reason', () => {
  for (const name of ['', 'relative', '@', '/', 'vsock:2:1']) expect(() => sdNotify(name, 'READY=1')).toThrow(/expected/);
  expect(() => sdNotify(`/${'x'.repeat(107)}`, 'READY=1')).toThrow(/longer than 107 bytes/);
  expect(() => sdNotify(`@${'x'.repeat(108)}`, 'READY=1')).toThrow(/longer than 107 bytes/);
  expect(() => sdNotify(join(dir, 'nobody'), 'READY=1')).toThrow(/No such file/);
  expect(() => Reflect.apply(sdNotify, undefined, [1, 'READY=1'])).toThrow(/expected/);
});

test('a supervisor that is gone ends nothing, and is complained of once', () => {
  const { diagnostics, lines } = keptDiagnostics();
  const supervisor = new Supervisor({ NOTIFY_SOCKET: join(dir, 'gone'), WATCHDOG_USEC: '1000000' }, diagnostics);
  supervisor.ready('x');
  supervisor.progressed();
  expect(lines.map(({ msg }) => msg)).toEqual(['systemd cannot be notified']);
  new Supervisor({}, diagnostics).ready('nobody is told');
  expect(lines.length).toBe(1);
});

test('the watchdog is ours only if it names us', () => {
  const { diagnostics } = keptDiagnostics();
  const time = (env: Record<string, string>) => new Supervisor(env, diagnostics, 42).watchdogTime;
  const NOTIFY_SOCKET = '/run/x';
  expect(time({ WATCHDOG_USEC: '1000000' })).toBeNull();
  expect(time({ NOTIFY_SOCKET })).toBeNull();
  expect(time({ NOTIFY_SOCKET, WATCHDOG_USEC: 'x' })).toBeNull();
  expect(time({ NOTIFY_SOCKET, WATCHDOG_USEC: '-5' })).toBeNull();
  expect(time({ NOTIFY_SOCKET, WATCHDOG_USEC: '1000000', WATCHDOG_PID: '41' })).toBeNull();
  expect(time({ NOTIFY_SOCKET, WATCHDOG_USEC: '1500000', WATCHDOG_PID: '42' })).toBe(1500);
});

withPython.each([
  ['a path', join(dir, 'notify')],
  ['an abstract name', `@verdictd-test-${process.pid}`],
])('messages arrive at %s', async (_, socket) => {
  const systemd = new FakeSystemd(socket);
  await systemd.start();
  try {
    const { diagnostics } = keptDiagnostics();
    const supervisor = new Supervisor({ NOTIFY_SOCKET: socket }, diagnostics);
    supervisor.extend(30_000);
    supervisor.ready('Operational\nREADY=0');
    supervisor.status('Operational READY=0'); // as it was: not said again
    supervisor.progressed();
    supervisor.stopping();
    await until('all are heard', () => systemd.heard.length === 4);
    expect(systemd.heard).toEqual([
      'EXTEND_TIMEOUT_USEC=30000000',
      'READY=1\nSTATUS=Operational READY=0',
      'WATCHDOG=1',
      'STOPPING=1\nSTATUS=stopping',
    ]);
  } finally {
    await systemd.stop();
  }
});

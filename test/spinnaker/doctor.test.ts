import { mkdirSync, mkdtempSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { libraryPath, producers, setProducers } from '../../src/camera/gentl';
import { type CameraFacts, cameraChecks } from '../../src/health/camera';
import type { Check } from '../../src/health/check';
import type { DeviceEntry } from '../../src/native';

let root: string;
beforeEach(() => {
  root = mkdtempSync(join(tmpdir(), 'verdictd-doctor-'));
});
afterEach(() => rmSync(root, { recursive: true, force: true }));

function put(path: string, text: string): void {
  mkdirSync(dirname(join(root, path)), { recursive: true });
  writeFileSync(join(root, path), text);
}
/** A camera as the kernel shows it. */
function plug(change: Partial<Record<string, string>> = {}): void {
  const of = {
    idVendor: '1e10',
    product: 'Blackfly S',
    serial: '0143',
    speed: '5000',
    busnum: '2',
    devnum: '7',
    'power/control': 'on',
    ...change,
  };
  for (const [file, text] of Object.entries(of)) put(`sys/bus/usb/devices/2-1/${file}`, `${text}\n`);
  put('dev/bus/usb/002/007', '');
}
const device: DeviceEntry = { vendor: 'FLIR', model: 'BFS-U3-89S6C', serial: '11', speed: 'SuperSpeed', access: 'ReadWrite', location: '' };
const found = (...devices: DeviceEntry[]) => ({ library: '/lib/libSpinnaker_C.so.4', version: '4.2.0.83', devices });
const payload = 4096 * 2160;

async function ask(change: Partial<CameraFacts> = {}): Promise<Map<string, Check>> {
  const checks = await cameraChecks({ serial: null, buffers: 10, payload, list: async () => found(device), env: {}, root, ...change });
  for (const { ok, fix } of checks) expect(fix === null).toBe(ok);
  return new Map(checks.map((check) => [check.id, check]));
}

test('a bare machine: library, producer, memory, camera, each with its fix', async () => {
  const list = () => Promise.reject(new Error('The Spinnaker library could not be loaded. Tried:\n  /x: there is no such file'));
  const checks = await ask({ list });
  expect(checks.get('camera.library')).toMatchObject({ ok: false, detail: expect.stringMatching(/there is no such file/) });
  expect(checks.get('camera.gentl')?.fix).toMatch(/SPINNAKER_GENTL64_CTI=\/opt\/spinnaker/);
  expect(checks.get('camera.usbfs')?.ok).toBe(false);
  expect(checks.get('camera.speed')?.ok).toBe(false);
  expect(checks.has('camera.present')).toBe(false);
});

test('a library of another ABI is told from one that is absent', async () => {
  const checks = await ask({ list: () => Promise.reject(new Error('/x: it has no function spinCameraInit')) });
  expect(checks.get('camera.abi')?.ok).toBe(false);
  expect(checks.has('camera.library')).toBe(false);
});

test('Linux as it comes lends too little to USB', async () => {
  put('sys/module/usbcore/parameters/usbfs_memory_mb', '16\n');
  const check = (await ask()).get('camera.usbfs');
  expect(check).toMatchObject({ ok: false, detail: expect.stringMatching(/lends 16 MiB.*102 MiB/) });
  expect(check?.fix).toMatch(
    /^echo 256 > \/sys\/module\/usbcore\/parameters\/usbfs_memory_mb .*usbcore\.usbfs_memory_mb=256.*extlinux\.conf/,
  );
});

test('USB 2, no rights to write, may be put to sleep, held by another program', async () => {
  plug({ speed: '480', 'power/control': 'auto' });
  rmSync(join(root, 'dev'), { recursive: true });
  put('proc/4242/comm', 'SpinView_QT\n');
  mkdirSync(join(root, 'proc/4242/fd'), { recursive: true });
  symlinkSync('/dev/bus/usb/002/007', join(root, 'proc/4242/fd/9'));
  const checks = await ask();
  expect(checks.get('camera.speed')).toMatchObject({ ok: false, detail: expect.stringMatching(/480 Mbit/) });
  expect(checks.get('camera.rights')?.fix).toMatch(
    /idVendor\}=="1e10", GROUP="flirimaging".*usermod -aG flirimaging verdictd.*udevadm trigger/,
  );
  expect(checks.get('camera.autosuspend')?.fix).toMatch(/power\/control\}="on"/);
  expect(checks.get('camera.holder')).toMatchObject({ ok: false, detail: expect.stringMatching(/pid 4242 \(SpinView_QT\)/) });
});

test('the camera that is configured is not there; none is; there are two and none is named; the library calls it busy', async () => {
  const present = async (change: Partial<CameraFacts>) => (await ask(change)).get('camera.present');
  expect((await present({ serial: '99' }))?.detail).toMatch(/camera 99 is not there; present: 11 \(BFS-U3-89S6C\)/);
  expect((await present({ list: async () => found() }))?.detail).toMatch(/no camera/);
  expect((await present({ list: async () => found(device, { ...device, serial: '12' }) }))?.fix).toMatch(/camera\.spinnaker\.serial/);
  const busy = (await ask({ list: async () => found({ ...device, access: 'Busy' }) })).get('camera.holder');
  expect(busy).toMatchObject({ ok: false, fix: expect.stringMatching(/SpinView/) });
});

test('a variable that names no file is worse than none', async () => {
  const check = (await ask({ env: { SPINNAKER_GENTL64_CTI: '/nowhere.cti' } })).get('camera.gentl');
  expect(check).toMatchObject({ ok: false, detail: expect.stringMatching(/no such file/) });
});

test('all well', async () => {
  put('sys/module/usbcore/parameters/usbfs_memory_mb', '256');
  plug();
  const checks = await ask({ serial: '11' });
  expect([...checks.values()].filter(({ ok }) => !ok)).toEqual([]);
  expect([...checks.keys()]).toEqual([
    'camera.library',
    'camera.abi',
    'camera.gentl',
    'camera.usbfs',
    'camera.present',
    'camera.speed',
    'camera.holder',
    'camera.rights',
    'camera.autosuspend',
  ]);
});

test('a running station is not disturbed', async () => {
  const checks = await ask({ list: null });
  expect(checks.get('camera.library')).toMatchObject({ ok: true, detail: expect.stringMatching(/not disturbed/) });
});

test('the producer is set where it is unset and there; what is set stays; the configured library goes before the variable', () => {
  const [four, three] = producers;
  const env: Record<string, string | undefined> = { [four.variable]: '/mine.cti' };
  setProducers(env, (file) => file === three.file);
  expect(env).toEqual({ [four.variable]: '/mine.cti', [three.variable]: three.file });
  const none: Record<string, string | undefined> = {};
  setProducers(none, () => false);
  expect(none).toEqual({});
  expect(libraryPath('/a', { VERDICTD_SPINNAKER_LIBRARY: '/b' })).toBe('/a');
  expect(libraryPath(null, { VERDICTD_SPINNAKER_LIBRARY: '/b' })).toBe('/b');
  expect(libraryPath(null, {})).toBe('');
});

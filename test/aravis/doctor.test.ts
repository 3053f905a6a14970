import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { type AravisFacts, aravisChecks } from '../../src/health/aravis';
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
const device = (serial: string, location: string): DeviceEntry => ({
  vendor: 'Acme',
  model: 'A1',
  serial,
  speed: '',
  access: '',
  location,
});
const gige = device('11', 'GigEVision 10.0.0.5');
const usb = device('22', 'USB3Vision 2-1');
const found = (...devices: DeviceEntry[]) => ({ library: '/lib/libaravis-0.8.so.0', version: '0.8.26', devices });

async function ask(change: Partial<AravisFacts> = {}): Promise<Map<string, Check>> {
  const list = async () => found(gige);
  const checks = await aravisChecks({ device: null, buffers: 10, payload: 8_847_360, socketBuffer: 16, list, root, ...change });
  for (const { ok, fix } of checks) expect(fix === null).toBe(ok);
  return new Map(checks.map((check) => [check.id, check]));
}

test('no library: why, and the package that has it', async () => {
  const checks = await ask({ list: () => Promise.reject(new Error('The Aravis library could not be loaded. Tried:\n  a: b')) });
  expect(checks.get('camera.library')).toMatchObject({ ok: false, fix: expect.stringMatching(/apt-get install libaravis-0\.8-0/) });
  expect(checks.has('camera.present')).toBe(false);
});

test('no camera; another one; several and none is named', async () => {
  const present = async (change: Partial<AravisFacts>) => (await ask(change)).get('camera.present');
  expect((await present({ list: async () => found() }))?.detail).toMatch(/no camera/);
  expect((await present({ device: '99' }))?.detail).toMatch(/camera 99 was not found; present: 11 \(A1, GigEVision 10\.0\.0\.5\)/);
  expect((await present({ list: async () => found(gige, usb) }))?.fix).toMatch(/camera\.aravis\.device/);
  for (const named of ['11', '10.0.0.5', 'Acme-A1-11']) expect(await present({ device: named })).toMatchObject({ ok: true });
});

test('a kernel that keeps too few packets, or lends too little to USB', async () => {
  put('proc/sys/net/core/rmem_max', '212992\n');
  const socket = (await ask()).get('camera.socket');
  expect(socket).toMatchObject({ ok: false, detail: expect.stringMatching(/212992 bytes.*16777216/) });
  expect(socket?.fix).toMatch(/^sysctl -w net\.core\.rmem_max=16777216/);
  put('sys/module/usbcore/parameters/usbfs_memory_mb', '16\n');
  const checks = await ask({ list: async () => found(usb) });
  expect(checks.get('camera.usbfs')).toMatchObject({ ok: false, detail: expect.stringMatching(/lends 16 MiB.*102 MiB/) });
  expect(checks.has('camera.socket')).toBe(false);
});

test('all well', async () => {
  put('proc/sys/net/core/rmem_max', '33554432\n');
  expect([...(await ask()).values()].map(({ id, ok }) => [id, ok])).toEqual([
    ['camera.library', true],
    ['camera.present', true],
    ['camera.socket', true],
  ]);
});

test('a running station is not disturbed', async () => {
  put('proc/sys/net/core/rmem_max', '33554432\n');
  expect((await ask({ list: null })).get('camera.library')?.detail).toMatch(/not disturbed/);
});

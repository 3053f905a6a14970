/** The fake camera library as a test drives it. The file that uses this names test/support/fake_spinnaker.cjs as its environment. */
import { existsSync } from 'node:fs';
import { createConnection } from 'node:net';
import { join } from 'node:path';
import { SpinnakerCamera, type SpinnakerOptions } from '../../src/camera/spinnaker';
import type { CameraSettings } from '../../src/camera/steps';
import { packageRoot } from '../../src/package';

export const library = join(packageRoot, 'build/fake/libSpinnaker_C.so.4');
export const built = existsSync(library);
if (!built) console.log(`skipped: ${library} is not built (npm run build:fake)`);
/** `describe`, or its skip with the reason printed above. */
export const describeFake = built ? describe : describe.skip;

const { control, script } = (globalThis as unknown as { fakeSpinnaker: { control: string; script: string[] } }).fakeSpinnaker;

/** One command of the control language; rejects with the fake's own words. */
export function command(line: string): Promise<string> {
  return new Promise((resolve, reject) => {
    const socket = createConnection(control);
    let reply = '';
    socket.on('error', reject);
    socket.on('connect', () => socket.write(`${line}\n`));
    socket.on('data', (some) => {
      reply += some.toString();
      if (!reply.endsWith('\n')) return;
      socket.end();
      const text = reply.trim();
      if (text.startsWith('ok')) resolve(text.slice(3));
      else reject(new Error(`${line}: ${text}`));
    });
  });
}

export interface Status {
  instances: number;
  held: Record<string, number>;
  devices: { serial: string; present: boolean; streaming: boolean; exposures: number; edges: number; ignored: number; lines: number[] }[];
  violationCount: number;
  violations: unknown[];
}
export async function status(): Promise<Status> {
  return JSON.parse(await command('status')) as Status;
}

/** The world as it was, with these settings on top; the system must not be held. */
export async function reset(...more: string[]): Promise<void> {
  await command('reset');
  for (const line of [...script, ...more]) await command(line);
}

export const settings: CameraSettings = {
  UserSetSelector: 'Default',
  ExposureTime: 2000,
  Gain: 1.5,
  BalanceRatioRed: 1.25,
  BalanceRatioBlue: 1.5,
  PixelFormat: 'BayerRG8',
  Width: null,
  Height: null,
  OffsetX: 0,
  OffsetY: 0,
  BinningHorizontal: 1,
  BinningVertical: 1,
  ReverseX: false,
  ReverseY: false,
  AcquisitionFrameRate: 50,
  TriggerSource: null,
  TriggerActivation: 'RisingEdge',
  TriggerDelay: 0,
  LineFilterWidth: 500,
  DeviceLinkThroughputLimit: 200_000_000,
  StreamBufferCountManual: 10,
  strobeLine: null,
  acceptLine: null,
};

export type Change = Partial<Omit<SpinnakerOptions, 'settings'>> & { settings?: Partial<CameraSettings> };
export function spinnaker(change: Change = {}): SpinnakerCamera {
  return new SpinnakerCamera({
    library,
    serial: '',
    triggered: true,
    acceptPulse: 100,
    frameTimeout: 400,
    thumbnailWidth: 64,
    ...change,
    settings: { ...settings, ...change.settings },
  });
}

/** Waits until `sees` gives something else than undefined. */
export async function until<T>(sees: () => Promise<T | undefined> | T | undefined, what: string): Promise<T> {
  const end = Date.now() + 15_000;
  for (;;) {
    const seen = await sees();
    if (seen !== undefined) return seen;
    if (Date.now() > end) throw new Error(`never came: ${what}`);
    await new Promise((resolve) => setTimeout(resolve, 10));
  }
}

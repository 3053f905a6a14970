/** Aravis' own GigE camera simulator as a test drives it. It needs UDP port 3956 of the loopback, so there is one at a time on a host. */
import { type ChildProcess, execFileSync, spawn } from 'node:child_process';
import { createSocket } from 'node:dgram';
import { existsSync } from 'node:fs';
import { AravisCamera, type AravisOptions } from '../../src/camera/aravis';
import type { StandardSettings } from '../../src/camera/steps';

export const program = 'arv-fake-gv-camera-0.8';
export const address = '127.0.0.1';
export const serial = 'VERDICTD7';
const port = 3956;

function missing(): string {
  const folder = (process.env.PATH ?? '').split(':').find((one) => existsSync(`${one}/${program}`));
  if (folder === undefined) return `there is no ${program} (apt-get install aravis-tools)`;
  const cache = ['/sbin/ldconfig', '/usr/sbin/ldconfig'].find((one) => existsSync(one));
  if (cache === undefined || execFileSync(cache, ['-p'], { encoding: 'utf8' }).includes('libaravis-0.8.so.0')) return '';
  return 'there is no libaravis-0.8.so.0 (apt-get install libaravis-0.8-0)';
}
const why = missing();
if (why !== '') console.log(`skipped: ${why}`);
export const there = why === '';
/** `describe`, or its skip with the reason printed above. */
export const describeAravis = there ? describe : describe.skip;

async function free(): Promise<boolean> {
  const socket = createSocket('udp4');
  try {
    return await new Promise((resolve) => {
      socket.once('error', () => resolve(false));
      socket.bind({ port, address, exclusive: true }, () => resolve(true));
    });
  } finally {
    socket.close();
  }
}

let child: ChildProcess | null = null;

/** Pulls the cable, so to speak: it says no good-bye. */
export async function kill(): Promise<void> {
  const one = child;
  child = null;
  if (one === null || one.exitCode !== null) return;
  const gone = new Promise((resolve) => one.once('exit', resolve));
  one.kill('SIGKILL');
  await gone;
}

/** A camera on this machine's loopback. `lost`: packets of a thousand that it does not send. */
export async function plug(lost = 0): Promise<void> {
  await kill();
  for (let i = 0; !(await free()); i++) {
    if (i > 300) throw new Error(`UDP port ${port} of ${address} is in use: end whatever listens there, such as another ${program}`);
    await new Promise((resolve) => setTimeout(resolve, 200));
  }
  child = spawn(program, ['-i', address, '-s', serial, '-r', String(lost)], { stdio: 'ignore' });
  for (let i = 0; await free(); i++) {
    if (child.exitCode !== null || i > 300) throw new Error(`${program} did not start`);
    await new Promise((resolve) => setTimeout(resolve, 10));
  }
}

/** It answers nothing for `ms`; then it does what it was asked meanwhile. */
export function stall(ms: number): void {
  const one = child;
  one?.kill('SIGSTOP');
  setTimeout(() => one?.kill('SIGCONT'), ms);
}

/** What its simulated sensor gives; packets as large as loopback carries, as small ones come in bursts that it does not. */
export const settings: StandardSettings = {
  UserSetSelector: 'Default',
  ExposureTime: 10_000, // shorter ones it draws black
  Gain: 0,
  BalanceRatioRed: null,
  BalanceRatioBlue: null,
  PixelFormat: 'Mono8',
  Width: 256,
  Height: 128,
  OffsetX: 0,
  OffsetY: 0,
  BinningHorizontal: 1,
  BinningVertical: 1,
  ReverseX: false,
  ReverseY: false,
  AcquisitionFrameRate: null,
  TriggerSource: null,
  TriggerActivation: 'RisingEdge',
  TriggerDelay: 0,
  DeviceLinkThroughputLimit: null,
  strobeLine: null,
  acceptLine: null,
};

export type Change = Partial<Omit<AravisOptions, 'settings'>> & { settings?: Partial<StandardSettings> };
export function aravis(change: Change = {}): AravisCamera {
  return new AravisCamera({
    library: '',
    device: address,
    features: [],
    buffers: 10,
    packetSize: 8000,
    packetDelay: null,
    socketBuffer: 8,
    packetSocket: false,
    triggered: true,
    acceptPulse: 50,
    frameTimeout: 2000,
    thumbnailWidth: 64,
    slots: 4,
    ...change,
    settings: { ...settings, ...change.settings },
  });
}

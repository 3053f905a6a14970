/** Everything between a FLIR camera and this process that can be wrong without the camera being broken. */
import { existsSync } from 'node:fs';
import { producers } from '../camera/gentl';
import { usbfsFile, usbfsFix, usbfsMemory, usbfsNeed } from '../camera/usbfs';
import { reason } from '../errors';
import type { DeviceEntry } from '../native';
import { bad, type Check, good } from './check';
import { type UsbCamera, usbCameras } from './usb';

export interface CameraFacts {
  serial: string | null; // configured
  buffers: number;
  payload: number; // bytes of a frame
  /** Library, version and cameras; rejects with why not. Null: a running station has the camera, and is not disturbed. */
  list: (() => Promise<{ library: string; version: string; devices: DeviceEntry[] }>) | null;
  env?: Readonly<Record<string, string | undefined>>;
  /** Where /sys, /proc and /dev are. */
  root?: string;
}

const rule = `SUBSYSTEM=="usb", ATTRS{idVendor}=="1e10", GROUP="flirimaging", MODE="0660"`;
const rightsFix = [
  `echo '${rule}' > /etc/udev/rules.d/40-flir-spinnaker.rules`,
  'groupadd -f flirimaging',
  'usermod -aG flirimaging verdictd',
  'udevadm control --reload',
  'udevadm trigger',
].join(' && ');
const awakeFix = `echo 'ACTION=="add", SUBSYSTEM=="usb", ATTR{idVendor}=="1e10", TEST=="power/control", ATTR{power/control}="on"' > /etc/udev/rules.d/41-flir-awake.rules && udevadm control --reload && udevadm trigger --action=add`;

type Found = Awaited<ReturnType<NonNullable<CameraFacts['list']>>>;

function library(found: Found | null, why: string): Check[] {
  if (found !== null) {
    return [
      good('camera.library', `${found.library}, version ${found.version}`),
      good('camera.abi', `every function that is needed is there, version ${found.version} is 3 or later`),
    ];
  }
  const abi = /has no function|expected 3 or later/.test(why);
  const install = 'Install Spinnaker 4 (or 3) for this machine, or set camera.spinnaker.library to the path of libSpinnaker_C.so.4';
  return [bad(abi ? 'camera.abi' : 'camera.library', why, install)];
}

function producer(found: Found | null, env: Readonly<Record<string, string | undefined>>): Check {
  const id = 'camera.gentl';
  for (const { variable, file } of producers) {
    const value = env[variable];
    if (value === undefined) continue;
    if (existsSync(value)) return good(id, `${variable} is ${value}`);
    return bad(
      id,
      `${variable} is ${value}, and there is no such file`,
      `Set ${variable} to the installed one, as ${file} (in the systemd unit: Environment=)`,
    );
  }
  const [first] = producers;
  if (found !== null) return good(id, `${first.variable} is not set, and the library does without`);
  return bad(id, `${first.variable} is not set`, `Set ${first.variable}=${first.file} (in the systemd unit: Environment=)`);
}

function memory({ buffers, payload, root = '/' }: CameraFacts): Check {
  const id = 'camera.usbfs';
  const need = usbfsNeed(buffers, payload);
  const has = usbfsMemory(`${root === '/' ? '' : root}${usbfsFile}`);
  if (has === null)
    return bad(
      id,
      `${usbfsFile} cannot be read: this kernel has no USB, or hides it`,
      'Load usbcore, or run doctor outside of the container',
    );
  if (has === 0 || has >= need) return good(id, `${has === 0 ? 'no limit' : `${has} MiB`}, ${need} MiB needed`);
  return bad(id, `the kernel lends ${has} MiB to USB transfers, ${need} MiB are needed`, usbfsFix(need));
}

function present(serial: string | null, found: Found): Check {
  const id = 'camera.present';
  const names = found.devices.map((one) => `${one.serial} (${one.model})`).join(', ') || 'none';
  const connect = 'Check cable and power, then camera.rights';
  if (serial !== null && !found.devices.some((one) => one.serial === serial)) {
    return bad(id, `camera ${serial} is not there; present: ${names}`, `${connect}; or set camera.spinnaker.serial`);
  }
  if (found.devices.length === 0) return bad(id, 'no camera is there', connect);
  if (serial === null && found.devices.length > 1)
    return bad(id, `several cameras: ${names}`, 'Set camera.spinnaker.serial to one of them');
  return good(id, names);
}

function access(found: Found | null, usb: readonly UsbCamera[], serial: string | null): Check {
  const id = 'camera.holder';
  const holders = usb.flatMap((one) => one.holders);
  if (holders.length > 0) return bad(id, `open in ${holders.join(', ')}`, 'End that program: only one may use the camera');
  const device = found?.devices.find((one) => serial === null || one.serial === serial);
  if (device !== undefined && /^(Busy|NoAccess|ReadOnly|Open)/.test(device.access)) {
    return bad(id, `the library calls its access ${device.access}`, 'Close SpinView and every other program that uses the camera');
  }
  return good(id, 'no other program has it open, as far as this user can see');
}

function speed(found: Found | null, usb: readonly UsbCamera[]): Check {
  const id = 'camera.speed';
  const fix = 'Use a USB 3 port (blue, or marked SS), a USB 3 cable of at most 5 m, no hub of USB 2 between';
  const slow = usb.find((one) => one.mbps < 5000);
  if (slow !== undefined) return bad(id, `${slow.product} at ${slow.name} runs at ${slow.mbps} Mbit/s`, fix);
  const named = found?.devices.find((one) => !['SuperSpeed', 'UnknownSpeed', ''].includes(one.speed));
  if (named !== undefined) return bad(id, `camera ${named.serial} runs at ${named.speed}`, fix);
  if (usb.length === 0 && (found?.devices.length ?? 0) === 0) return bad(id, 'there is no camera to ask', 'Connect it, then ask again');
  return good(id, usb.map((one) => `${one.product} ${one.mbps} Mbit/s`).join(', ') || 'SuperSpeed');
}

/** Rights and sleep are only asked of cameras that the kernel sees. */
function perDevice(usb: readonly UsbCamera[]): Check[] {
  return usb.flatMap((one) => [
    one.writable
      ? good('camera.rights', `${one.node} may be written`)
      : bad(
          'camera.rights',
          `${one.node} may not be written by this user`,
          `As root: ${rightsFix}; then log in again, or restart the service`,
        ),
    one.control === 'on'
      ? good('camera.autosuspend', `${one.name} stays awake`)
      : bad('camera.autosuspend', `${one.name} may be put to sleep (power/control is ${one.control || 'unknown'})`, `As root: ${awakeFix}`),
  ]);
}

/** The camera part of `verdictd doctor`. Changes nothing. */
export async function cameraChecks(facts: CameraFacts): Promise<Check[]> {
  const { env = process.env, root = '/', serial, list } = facts;
  const usb = usbCameras(root);
  if (list === null) {
    const running = good('camera.library', 'a running station has the camera: it was not disturbed; its state tells how it is');
    return [running, memory(facts), speed(null, usb), ...perDevice(usb)];
  }
  let why = '';
  const found = await list().catch((thrown: unknown) => {
    why = reason(thrown);
    return null;
  });
  return [
    ...library(found, why),
    producer(found, env),
    memory(facts),
    ...(found === null ? [] : [present(serial, found)]),
    speed(found, usb),
    access(found, usb, serial),
    ...perDevice(usb),
  ];
}

/** Everything between a USB3 Vision or GigE Vision camera over Aravis and this process that can be wrong without either being broken. */
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { usbfsFile, usbfsFix, usbfsMemory, usbfsNeed } from '../camera/usbfs';
import { reason } from '../errors';
import type { DeviceEntry } from '../native';
import { bad, type Check, good } from './check';

export interface AravisFacts {
  device: string | null; // configured
  buffers: number;
  payload: number; // bytes of a frame
  socketBuffer: number; // MiB
  /** Library, version and cameras; rejects with why not. Null: a running station has the camera, and is not disturbed. */
  list: (() => Promise<{ library: string; version: string; devices: DeviceEntry[] }>) | null;
  /** Where /sys and /proc are. */
  root?: string;
}

const install =
  'apt-get install libaravis-0.8-0 (Debian, Ubuntu), or set camera.aravis.library to the path of libaravis-0.8.so.0 or libaravis-0.10.so.0';
const rmemFile = '/proc/sys/net/core/rmem_max';

function present(device: string | null, devices: readonly DeviceEntry[]): Check {
  const id = 'camera.present';
  const names = devices.map(({ serial, model, location }) => `${serial} (${model}, ${location})`).join(', ') || 'none';
  const connect = 'Check cable and power; GigE: give the camera an address in a network of this machine; USB: rights to its device';
  // Aravis makes its own names of vendor, model and serial number.
  const is = ({ serial, location }: DeviceEntry): boolean =>
    device === serial || location.endsWith(` ${device ?? ''}`) || (serial !== '' && device?.endsWith(`-${serial}`) === true);
  if (device !== null && !devices.some(is)) {
    return bad(id, `camera ${device} was not found; present: ${names}`, `${connect}; or set camera.aravis.device`);
  }
  if (devices.length === 0) return bad(id, 'no camera was found', connect);
  if (device === null && devices.length > 1) return bad(id, `several cameras: ${names}`, 'Set camera.aravis.device to one of them');
  return good(id, names);
}

/** What the kernel keeps of packets that nobody has fetched yet: too little of it is frames that are not whole. */
function socketMemory({ socketBuffer, root = '/' }: AravisFacts): Check {
  const id = 'camera.socket';
  const need = socketBuffer * 2 ** 20;
  let has: number;
  try {
    has = Number(readFileSync(join(root, rmemFile), 'utf8'));
  } catch (thrown) {
    return bad(id, `${rmemFile} cannot be read: ${reason(thrown)}`, 'Run doctor outside of the container');
  }
  if (has >= need) return good(id, `sockets may keep ${has} bytes, ${need} are wanted`);
  return bad(
    id,
    `sockets may keep ${has} bytes, camera.aravis.socketBuffer wants ${need}`,
    `sysctl -w net.core.rmem_max=${need} as root; for good, echo net.core.rmem_max=${need} > /etc/sysctl.d/60-verdictd.conf`,
  );
}

function usbMemory({ buffers, payload, root = '/' }: AravisFacts): Check {
  const id = 'camera.usbfs';
  const need = usbfsNeed(buffers, payload);
  const has = usbfsMemory(join(root, usbfsFile));
  if (has === null) return bad(id, `${usbfsFile} cannot be read`, 'Load usbcore, or run doctor outside of the container');
  if (has === 0 || has >= need) return good(id, `${has === 0 ? 'no limit' : `${has} MiB`}, ${need} MiB needed`);
  return bad(id, `the kernel lends ${has} MiB to USB transfers, ${need} MiB are needed`, usbfsFix(need));
}

/** The camera part of `verdictd doctor` with camera.kind aravis. Changes nothing. */
export async function aravisChecks(facts: AravisFacts): Promise<Check[]> {
  if (facts.list === null) {
    return [
      good('camera.library', 'a running station has the camera: it was not disturbed; its state tells how it is'),
      socketMemory(facts),
    ];
  }
  try {
    const { library, version, devices } = await facts.list();
    const of = (protocol: string): boolean => devices.some(({ location }) => location.startsWith(protocol));
    return [
      good('camera.library', `${library}, version ${version}; every function that is needed is there`),
      present(facts.device, devices),
      // Where nothing was found it may be either.
      ...(of('USB3Vision') && !of('GigEVision') ? [] : [socketMemory(facts)]),
      ...(of('USB3Vision') ? [usbMemory(facts)] : []),
    ];
  } catch (thrown) {
    return [bad('camera.library', reason(thrown), install), socketMemory(facts)];
  }
}

/** What the kernel says of USB cameras: sysfs, device files and who has them open. */
import { accessSync, constants, readdirSync, readFileSync, readlinkSync } from 'node:fs';
import { join } from 'node:path';

/** USB vendors of FLIR machine vision cameras. */
const vendors = new Set(['1e10', '1724']);

export interface UsbCamera {
  name: string; // of sysfs, as 2-1.3
  product: string;
  serial: string;
  mbps: number; // 5000 and more: USB 3
  node: string; // /dev/bus/usb/BBB/DDD
  writable: boolean; // by this process
  control: string; // power/control: 'on' never sleeps
  holders: string[]; // "pid 1234 (SpinView)"
}

function text(file: string): string {
  try {
    return readFileSync(file, 'utf8').trim();
  } catch {
    return '';
  }
}

function list(folder: string): string[] {
  try {
    return readdirSync(folder);
  } catch {
    return [];
  }
}

function canWrite(file: string): boolean {
  try {
    accessSync(file, constants.R_OK | constants.W_OK);
    return true;
  } catch {
    return false;
  }
}

/** Other processes that have the device open, as far as this user may look. */
function holdersOf(root: string, node: string): string[] {
  const found: string[] = [];
  for (const pid of list(join(root, 'proc'))) {
    if (!/^\d+$/.test(pid) || Number(pid) === process.pid) continue;
    const folder = join(root, 'proc', pid, 'fd');
    const open = list(folder).some((fd) => {
      try {
        return readlinkSync(join(folder, fd)) === node;
      } catch {
        return false;
      }
    });
    if (open) found.push(`pid ${pid} (${text(join(root, 'proc', pid, 'comm')) || 'unknown'})`);
  }
  return found;
}

/** `root`: where /sys, /proc and /dev are; elsewhere for tests. */
export function usbCameras(root = '/'): UsbCamera[] {
  const base = join(root, 'sys/bus/usb/devices');
  return list(base).flatMap((name) => {
    const of = (file: string): string => text(join(base, name, file));
    if (!vendors.has(of('idVendor'))) return [];
    const node = `/dev/bus/usb/${of('busnum').padStart(3, '0')}/${of('devnum').padStart(3, '0')}`;
    return [
      {
        name,
        product: of('product'),
        serial: of('serial'),
        mbps: Number(of('speed')) || 0,
        node,
        writable: canWrite(join(root, node)),
        control: of('power/control'),
        holders: holdersOf(root, node),
      },
    ];
  });
}

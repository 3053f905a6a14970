/** Memory that the kernel lends to USB transfers: a Linux default of 16 MB holds one frame of this camera's size. */
import { readFileSync } from 'node:fs';

export const usbfsFile = '/sys/module/usbcore/parameters/usbfs_memory_mb';

/** In MiB; 0: no limit; null where this kernel does not say. */
export function usbfsMemory(file = usbfsFile): number | null {
  try {
    const value = Number(readFileSync(file, 'utf8').trim());
    return Number.isFinite(value) ? value : null;
  } catch {
    return null;
  }
}

/** What `buffers` frames of `payload` bytes need, in MiB: two more are under way. */
export function usbfsNeed(buffers: number, payload: number): number {
  return Math.ceil(((buffers + 2) * payload) / 2 ** 20);
}

/** The exact change that mends it. */
export function usbfsFix(need: number): string {
  const mb = Math.max(256, 2 ** Math.ceil(Math.log2(need)));
  return `echo ${mb} > ${usbfsFile} as root; for good, add usbcore.usbfs_memory_mb=${mb} to APPEND in /boot/extlinux/extlinux.conf`;
}

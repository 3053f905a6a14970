import { statfs } from 'node:fs/promises';
import type { Diagnostics } from '../diagnostics';
import { reason } from '../errors';

const MiB = 2 ** 20;

/** Whether less than `minFree` MiB are free where `dir` lies. What cannot be read counts as full. */
export async function isDiskLow(dir: string, minFree: number, diagnostics: Diagnostics): Promise<boolean> {
  try {
    const { bavail, bsize } = await statfs(dir);
    return (bavail * bsize) / MiB < minFree;
  } catch (thrown) {
    diagnostics.error({ err: reason(thrown) }, 'the free space of the data directory cannot be read');
    return true;
  }
}

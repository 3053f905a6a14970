/** The machine under the station: its data directory, its disk and its clock. Leaves nothing behind. */
import {
  accessSync,
  closeSync,
  constants,
  existsSync,
  fdatasyncSync,
  openSync,
  readdirSync,
  rmSync,
  statfsSync,
  statSync,
  writeSync,
} from 'node:fs';
import { dirname, join } from 'node:path';
import { monotonicMs } from '../clock';
import { reason } from '../errors';
import type { Clock, Ms } from '../ports';
import { quantile } from '../stats/quantile';
import { bad, type Check, good } from './check';

const MiB = 2 ** 20;

export interface Place {
  dataDir: string;
  minFree: number; // MiB
  /** What a part has left for its commit: a no goes out at TTL less margin. */
  commitTime: Ms;
  clock: Clock;
}

export function placeChecks(place: Place): Check[] {
  const rights = rightsOf(place.dataDir);
  return [rights, ...(rights.ok && existsSync(place.dataDir) ? [free(place), speed(place)] : []), time(place)];
}

/** The nearest folder that is there: the data directory is made by the first start. */
function nearest(dir: string): string {
  return existsSync(dir) || dirname(dir) === dir ? dir : nearest(dirname(dir));
}

function rightsOf(dataDir: string): Check {
  const id = 'data.rights';
  const dir = nearest(dataDir);
  const user = process.getuid?.() ?? -1;
  const fix = `As root: install -d -o ${user} -m 0750 ${dataDir} && chown -R ${user} ${dataDir}`;
  try {
    if (!statSync(dir).isDirectory()) return bad(id, `${dir} is not a folder`, `Move ${dir} out of the way, or give another --data-dir`);
    accessSync(dir, constants.R_OK | constants.W_OK | constants.X_OK);
    if (dir !== dataDir) return good(id, `${dataDir} is not there yet, and can be made in ${dir}`);
    for (const name of readdirSync(dir)) accessSync(join(dir, name), constants.R_OK | constants.W_OK);
  } catch (thrown) {
    return bad(id, `user ${user} may not write there: ${reason(thrown)}`, fix);
  }
  return good(id, `user ${user} may write ${dataDir} and what lies in it`);
}

function free({ dataDir, minFree }: Place): Check {
  const id = 'disk.free';
  const { bavail, bsize, files, ffree } = statfsSync(dataDir);
  const has = Math.floor((bavail * bsize) / MiB);
  if (has < minFree) {
    return bad(
      id,
      `${has} MiB are free, log.minFree is ${minFree}: the station is not ready (501)`,
      `Free ${minFree - has} MiB where ${dataDir} lies`,
    );
  }
  if (files > 0 && ffree < 1000) return bad(id, `only ${ffree} more files fit on the disk`, `Remove small files where ${dataDir} lies`);
  return good(id, `${has} MiB are free, log.minFree is ${minFree}`);
}

const syncs = 40;
const row = Buffer.alloc(4096, 1); // about what a verdict writes at a time
const block = Buffer.alloc(MiB, 1);
const blocks = 8;
/** Pictures, 8.85 MB raw or a tenth as JPEG, at one a second and room to spare. */
const slowest = 10; // MiB/s

function speed({ dataDir, commitTime }: Place): Check {
  const id = 'disk.sync';
  const path = join(dataDir, `.doctor-${process.pid}`);
  let fd: number | null = null;
  try {
    fd = openSync(path, 'wx', 0o600);
    const times: Ms[] = [];
    for (let i = 0; i < syncs; i++) {
      const began = monotonicMs();
      writeSync(fd, row);
      fdatasyncSync(fd);
      times.push(monotonicMs() - began);
    }
    const began = monotonicMs();
    for (let i = 0; i < blocks; i++) writeSync(fd, block);
    fdatasyncSync(fd);
    const rate = (blocks * 1000) / (monotonicMs() - began);
    const worst = quantile(times, 0.95);
    const found = `sync p50 ${quantile(times, 0.5).toFixed(1)} ms, p95 ${worst.toFixed(1)} ms; writes ${Math.round(rate)} MiB/s`;
    // Two syncs a part (pending row and verdict), and as much again for a bad moment.
    if (4 * worst > commitTime || rate < slowest) {
      return bad(
        id,
        `${found}: too slow for ${Math.round(commitTime)} ms a part`,
        'Put the data directory on an NVMe disk, not on an SD card (dataDir, or StateDirectory on a mount), or raise plc.ttl',
      );
    }
    return good(id, found);
  } catch (thrown) {
    return bad(id, `writing and syncing in ${dataDir} failed: ${reason(thrown)}`, 'Check the disk (dmesg, smartctl -a) and its free space');
  } finally {
    if (fd !== null) {
      closeSync(fd);
      rmSync(path, { force: true });
    }
  }
}

function time({ clock }: Place): Check {
  const { utc, trusted } = clock.wall();
  if (trusted) return good('clock.set', `${utc}; verdicts are ordered by their numbers, not by it`);
  return bad(
    'clock.set',
    `the clock says ${utc}, before this version was made: rows carry clockTrusted 0`,
    'Connect a time server (timedatectl set-ntp true), or set it once: timedatectl set-time "YYYY-MM-DD HH:MM:SS"; fit an RTC cell',
  );
}

/**
 * log.highwater: how far the log had come, kept outside log.db so that rows removed from its end, or a whole file lost, show.
 * Two lines of 512 bytes (one disk sector each) are written in turn, in place, once a commit has been answered; a torn write
 * spoils one of them. Written without a sync of its own: a killed process loses what it had no time for after its last answer, a
 * power cut at most the last `syncAfter`, and the mark is never ahead of the log, which was synced before it.
 */
import { createHash } from 'node:crypto';
import { closeSync, fdatasync, fdatasyncSync, fsyncSync, openSync, readFileSync, writeSync } from 'node:fs';
import { dirname } from 'node:path';
import { reason, VerdictdError } from '../errors';

export interface Mark {
  bootNumber: number;
  journalSeq: number; // of the last record
  hash: string; // of the last record, hex
  lastSeq: number; // last sequence number used
  /** 1: written by a clean stop, the log must end exactly here. 2: by a restore, the hash is of the backup's last record. */
  clean: 0 | 1 | 2;
}

const slot = 512; // bytes
const syncAfter = 10_000; // ms
const shape = /^verdictd-highwater 1 (\d+) boot (\d+) journal (\d+) ([0-9a-f]{64}) seq (\d+) clean ([012]) sum ([0-9a-f]{16}) *\n$/;

function checksum(text: string): string {
  return createHash('sha256').update(text).digest('hex').slice(0, 16);
}

function line(counter: number, mark: Mark): string {
  const text = `verdictd-highwater 1 ${counter} boot ${mark.bootNumber} journal ${mark.journalSeq} ${mark.hash} seq ${mark.lastSeq} clean ${mark.clean}`;
  return `${`${text} sum ${checksum(text)}`.padEnd(slot - 1)}\n`;
}

function parse(text: string): (Mark & { counter: number }) | null {
  const match = shape.exec(text);
  if (match === null) return null;
  const [, counter, bootNumber, journalSeq, hash = '', lastSeq, clean, sum] = match;
  if (sum !== checksum(text.slice(0, text.indexOf(' sum ')))) return null;
  return {
    counter: Number(counter),
    bootNumber: Number(bootNumber),
    journalSeq: Number(journalSeq),
    hash,
    lastSeq: Number(lastSeq),
    clean: clean === '1' ? 1 : clean === '2' ? 2 : 0,
  };
}

/** The newest whole line; null where the file is missing or neither line is whole. */
export function readMark(path: string): Mark | null {
  return newest(path);
}

function newest(path: string): (Mark & { counter: number }) | null {
  let bytes: Buffer;
  try {
    bytes = readFileSync(path);
  } catch (thrown) {
    if ((thrown as NodeJS.ErrnoException).code === 'ENOENT') return null;
    throw new VerdictdError('LOG_UNAVAILABLE', `${path} cannot be read (${reason(thrown)}). Check its permissions and the disk.`, {
      cause: thrown,
    });
  }
  const lines = [bytes.subarray(0, slot), bytes.subarray(slot, 2 * slot)].map((part) => parse(part.toString('latin1')));
  return lines.reduce((best, one) => (best === null || (one !== null && one.counter > best.counter) ? one : best), null);
}

/** The writer's end. One owner; `close` is the only close path, of the descriptor and of the timer. */
export class Highwater {
  private fd: number | null = null;
  private counter = 0;
  private timer: NodeJS.Timeout | null = null;

  constructor(private readonly path: string) {}

  open(): void {
    this.counter = newest(this.path)?.counter ?? 0;
    this.fd = openSync(this.path, 'a+', 0o640); // creates
    closeSync(this.fd);
    this.fd = openSync(this.path, 'r+');
  }

  /** Throws what the disk says. */
  write(mark: Mark): void {
    if (this.fd === null) return;
    const counter = this.counter + 1;
    writeSync(this.fd, line(counter, mark), (counter % 2) * slot, 'latin1');
    this.counter = counter; // a line that could not be written is written over by the next: the other one is whole
    this.timer ??= setTimeout(() => {
      this.timer = null;
      if (this.fd !== null) fdatasync(this.fd, () => undefined); // a failure shows at the log's own sync
    }, syncAfter).unref();
  }

  /** Writes and waits for the disk, directory entry included. */
  writeSync(mark: Mark): void {
    if (this.fd === null) return;
    this.write(mark);
    fdatasyncSync(this.fd);
    const dir = openSync(dirname(this.path), 'r');
    try {
      fsyncSync(dir);
    } finally {
      closeSync(dir);
    }
  }

  close(): void {
    if (this.timer !== null) clearTimeout(this.timer);
    this.timer = null;
    if (this.fd !== null) closeSync(this.fd);
    this.fd = null;
  }
}

import { closeSync, fstatSync, openSync, readSync, statSync } from 'node:fs';
import { reason, VerdictdError } from '../errors';
import { refuse } from './refuse';

/**
 * A file read at any place by pread. Every read is checked against the size at opening, so that no length out of the file can
 * ask for more memory than the file has bytes.
 * Owner: the checkpoint that opened it; its `close` is the only place where the descriptor is closed.
 */
export class RandomAccessFile {
  private fd: number | null;
  readonly size: number; // bytes
  /** Bytes read so far, for tests that bound the work done on a hostile file. */
  bytesRead = 0;

  private constructor(
    readonly path: string,
    fd: number,
  ) {
    this.fd = fd;
    this.size = fstatSync(fd).size;
  }

  /** Opens a regular file. Throws CHECKPOINT_REFUSED where there is none or it cannot be read. */
  static open(path: string): RandomAccessFile {
    try {
      // Asked before opening: opening a pipe or a device could block for ever.
      if (!statSync(path).isFile()) refuse(path, 'is not a file', 'Name the checkpoint file itself.');
      return new RandomAccessFile(path, openSync(path, 'r'));
    } catch (error) {
      if (error instanceof VerdictdError) throw error;
      return refuse(path, `cannot be read (${reason(error)})`, 'Check the path and its permissions.');
    }
  }

  /** Fills `target` from byte `offset`. Refuses what does not lie wholly inside the file. */
  readInto(offset: number, target: Uint8Array): void {
    if (this.fd === null) throw new VerdictdError('INTERNAL', `${this.path} was read after it was closed.`);
    if (!Number.isSafeInteger(offset) || offset < 0 || offset + target.byteLength > this.size) {
      refuse(this.path, `bytes ${offset} to ${offset + target.byteLength} were asked of a file of ${this.size} bytes`);
    }
    let done = 0;
    while (done < target.byteLength) {
      const got = readSync(this.fd, target, done, target.byteLength - done, offset + done);
      if (got === 0) refuse(this.path, 'became shorter while it was read');
      done += got;
    }
    this.bytesRead += done;
  }

  /** `length` bytes from byte `offset`; the length is checked before anything is allocated. */
  read(offset: number, length: number): Buffer {
    if (!Number.isSafeInteger(length) || length < 0 || length > this.size) {
      refuse(this.path, `${length} bytes were asked of a file of ${this.size} bytes`);
    }
    const bytes = Buffer.alloc(length);
    this.readInto(offset, bytes);
    return bytes;
  }

  close(): void {
    if (this.fd === null) return;
    closeSync(this.fd);
    this.fd = null;
  }
}

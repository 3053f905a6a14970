import { createHash } from 'node:crypto';
import { constants } from 'node:fs';
import { open } from 'node:fs/promises';
import { reason } from './errors';

/** Regular files only: a link is refused, and opening a pipe does not wait for somebody to write into it. */
export const plainFile = constants.O_RDONLY | constants.O_NOFOLLOW | constants.O_NONBLOCK;

/** What is wrong with a file that could not be read, as the end of a sentence that begins with its name. */
export function unreadable(thrown: unknown): string {
  const code = (thrown as NodeJS.ErrnoException).code;
  return code === 'ENOENT' ? 'is missing' : code === 'ELOOP' ? 'is a symbolic link' : `cannot be read (${reason(thrown)})`;
}

/** How a file differs from what its manifest says, as such an end of a sentence; null where it does not. */
export function alteration(got: { sha256: string; bytes: number }, wanted: { sha256: string; bytes?: number }): string | null {
  if (wanted.bytes !== undefined && got.bytes !== wanted.bytes) return `has ${got.bytes} bytes; expected ${wanted.bytes}`;
  return got.sha256 === wanted.sha256 ? null : `was altered: its SHA-256 is ${got.sha256}; expected ${wanted.sha256}`;
}

/** SHA-256 (hex) and length of a regular file, never a link, read as a stream. Throws as the file system does. */
export async function hashFile(path: string): Promise<{ sha256: string; bytes: number }> {
  const file = await open(path, plainFile);
  try {
    if (!(await file.stat()).isFile()) throw new Error('it is not a regular file');
    const hash = createHash('sha256');
    let bytes = 0;
    for await (const chunk of file.createReadStream({ autoClose: false, highWaterMark: 1 << 20 })) {
      hash.update(chunk as Buffer);
      bytes += (chunk as Buffer).length;
    }
    return { sha256: hash.digest('hex'), bytes };
  } finally {
    await file.close();
  }
}

export function sha256(...parts: readonly Uint8Array[]): string {
  const hash = createHash('sha256');
  for (const part of parts) hash.update(part);
  return hash.digest('hex');
}

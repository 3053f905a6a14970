/**
 * log.ballast: room that only a full disk gives back. SQLite cannot delete a row on a disk without space, so what is freed must be a
 * file; this one is there whatever filled the disk. Written, not sparse: only blocks that are taken can be given up.
 */
import { open, rm, stat, statfs } from 'node:fs/promises';
import { join } from 'node:path';

export const ballastName = 'log.ballast';
const chunk = 1024 * 1024; // bytes

export class Ballast {
  private readonly path: string;
  private busy = false;

  /** `size` in bytes; 0: none is kept. `spare`: bytes that must stay free beside it. */
  constructor(
    dir: string,
    private readonly size: number,
    private readonly spare: number,
  ) {
    this.path = join(dir, ballastName);
  }

  /** Makes it where there is room, and takes away one of another size. Rejects with what the disk says; nothing half is left. */
  async fill(): Promise<boolean> {
    if (this.busy) return false;
    this.busy = true;
    try {
      const found = await this.held();
      if (found === this.size) return false;
      if (found > 0) await rm(this.path, { force: true });
      if (this.size === 0) return false;
      const { bavail, bsize } = await statfs(join(this.path, '..'));
      if (bavail * bsize < this.size + this.spare) return false;
      await this.write();
      return true;
    } finally {
      this.busy = false;
    }
  }

  /** Gives it up. True if there was one. */
  async drop(): Promise<boolean> {
    if (this.busy || (await this.held()) === 0) return false;
    await rm(this.path, { force: true });
    return true;
  }

  private async held(): Promise<number> {
    return await stat(this.path).then(
      (found) => found.size,
      () => 0,
    );
  }

  private async write(): Promise<void> {
    try {
      const file = await open(this.path, 'w', 0o640);
      try {
        // Not zeros: a file system that compresses would keep no blocks for them.
        const bytes = Buffer.alloc(chunk);
        for (let i = 0; i < chunk; i += 4) bytes.writeUInt32LE(Math.imul(i + 1, 2654435761) >>> 0, i);
        for (let left = this.size; left > 0; left -= chunk) await file.write(bytes, 0, Math.min(chunk, left));
        await file.datasync();
      } finally {
        await file.close();
      }
    } catch (thrown) {
      await rm(this.path, { force: true }).catch(() => undefined);
      throw thrown;
    }
  }
}

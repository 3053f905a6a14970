/** Whether log.db and its WAL are still the files that were opened. */
import { statSync } from 'node:fs';
import { VerdictdError } from '../errors';

interface Inodes {
  db: bigint;
  wal: bigint;
}

export class Presence {
  private opened: Inodes | null = null;

  constructor(private readonly path: string) {}

  /** Both files are there: from now on they are to stay. */
  note(): void {
    this.opened = this.now();
  }

  /**
   * SQLite would go on writing to a file that was deleted or replaced under it, and every row would be lost with it.
   * @throws VerdictdError LOG_REMOVED
   */
  check(): void {
    if (this.opened === null) return;
    let now: Inodes | null;
    try {
      now = this.now();
    } catch {
      now = null;
    }
    if (now?.db === this.opened.db && now.wal === this.opened.wal) return;
    throw new VerdictdError(
      'LOG_REMOVED',
      `${this.path} was removed or replaced while verdictd ran. Put it back if you have it, then restart verdictd: a log that is missing is begun anew.`,
    );
  }

  private now(): Inodes {
    return { db: statSync(this.path, { bigint: true }).ino, wal: statSync(`${this.path}-wal`, { bigint: true }).ino };
  }
}

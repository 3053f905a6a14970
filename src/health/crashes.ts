/**
 * A station that crashes, is restarted and crashes again helps nobody, and may wear out what it crashes on. After five starts in five
 * minutes that did not end in order it comes up in safe mode: state and alarms only, and a full start again every five minutes.
 * Told by the kernel's boot id and uptime: the time of day may be wrong on a rig.
 */
import { readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { z } from 'zod';
import { monotonicMs } from '../clock';
import type { Diagnostics } from '../diagnostics';
import { reason } from '../errors';
import type { Ms } from '../ports';

/** So many starts within `crashWindow` are a loop. */
export const crashLimit = 5;
export const crashWindow: Ms = 5 * 60_000;
/** From safe mode to the next full start. */
export const safeTime: Ms = 5 * 60_000;

const schema = z.strictObject({
  boot: z.string().max(64), // of the kernel
  starts: z.array(z.number()).max(100), // monotonic ms, of runs that did not end in order
  looping: z.boolean(), // the last full start came out of safe mode, and has not yet proven itself
});
export type CrashRecord = z.infer<typeof schema>;

/** What a start at `now` is to do, and what is to be remembered of it. Pure. */
export function judgeStart(before: CrashRecord | null, boot: string, now: Ms): { safe: boolean; after: CrashRecord } {
  const known = before !== null && before.boot === boot ? before : { boot, starts: [], looping: false };
  const starts = known.starts.filter((at) => at <= now && now - at < crashWindow);
  const safe = starts.length >= crashLimit || (known.looping && starts.length > 0);
  return { safe, after: { boot, starts: safe ? starts : [...starts, now], looping: safe || known.looping } };
}

/** The record in the data directory. Nothing here throws: a rig must start whatever its record says. */
export class CrashLog {
  private readonly path: string;

  constructor(
    dataDir: string,
    private readonly diagnostics: Diagnostics,
    private readonly now: () => Ms = monotonicMs,
  ) {
    this.path = join(dataDir, 'starts.json');
  }

  /** Notes a start, and says whether it is to be a safe one. */
  begin(): boolean {
    const { safe, after } = judgeStart(this.read(), bootId(), this.now());
    this.write(after);
    return safe;
  }

  /** Safe mode has lasted: a full start follows, and if it ends as the others did, safe mode comes back at once. */
  retry(): void {
    this.write({ boot: bootId(), starts: [this.now()], looping: true });
  }

  /** This run ended in order, or has run long enough: what was before is forgotten. */
  clear(): void {
    try {
      rmSync(this.path, { force: true });
    } catch (thrown) {
      this.diagnostics.warn({ err: reason(thrown) }, 'the record of starts cannot be removed');
    }
  }

  private read(): CrashRecord | null {
    try {
      const read = schema.safeParse(JSON.parse(readFileSync(this.path, 'utf8')));
      return read.success ? read.data : null;
    } catch {
      return null; // none yet, or cut short by what it tells of
    }
  }

  private write(record: CrashRecord): void {
    try {
      writeFileSync(`${this.path}.part`, JSON.stringify(record), { mode: 0o640 });
      renameSync(`${this.path}.part`, this.path);
    } catch (thrown) {
      this.diagnostics.warn({ err: reason(thrown) }, 'the record of starts cannot be written: a crash loop would not be noticed');
    }
  }
}

function bootId(): string {
  try {
    return readFileSync('/proc/sys/kernel/random/boot_id', 'utf8').trim();
  } catch {
    return '';
  }
}

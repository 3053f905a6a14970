/**
 * `verdictd restore`: puts a backup into a data directory. Everything is unpacked and checked beside what is there, and only then moved
 * in place; what was there is kept.
 */
import { createHash } from 'node:crypto';
import {
  closeSync,
  existsSync,
  fsyncSync,
  mkdirSync,
  openSync,
  readdirSync,
  renameSync,
  rmSync,
  statfsSync,
  writeFileSync,
  writeSync,
} from 'node:fs';
import { dirname, join } from 'node:path';
import { list, type ReadEntry } from 'tar';
import { reason, VerdictdError } from '../errors';
import { Highwater, type Mark, readMark } from '../store/highwater';
import { fileName, highwaterName, restoreFolder, restoreMoving } from '../store/open';
import { verifyLog } from '../store/verify';
import { configName, logName, type Manifest, manifestLimit, manifestName, manifestSchema } from './archive';

/** Not counted when asking whether a data directory is empty. */
const ofNoWorth: ReadonlySet<string> = new Set(['lock', restoreFolder]);
/** What a restore replaces; pictures stay. */
const replaced = [fileName, `${fileName}-wal`, `${fileName}-shm`, highwaterName, 'recipes', 'config.from-backup.yaml'];

/**
 * Numbers left out after the backup: what was recorded since may have left with the journal, and no number means two things. Where the
 * old high-water mark is there it says how far the station had come, else nobody knows.
 */
const unknownMargin = 10_000_000; // records
const knownMargin = 10_000;
const bootMargin = 1_000; // starts

export interface Restored {
  manifest: Manifest;
  /** Folder that holds what was there before; null: there was nothing. */
  kept: string | null;
  /** The next record has the number after this. */
  numbersAfter: number;
}

/**
 * Must run under the lock of `dataDir`.
 * @throws VerdictdError BACKUP_REFUSED: not a backup, altered, or the directory is in use and `force` is not given; nothing is changed
 */
export async function restoreBackup(file: string, dataDir: string, options: { force: boolean; signal: AbortSignal }): Promise<Restored> {
  const present = readdirSync(dataDir).filter((name) => !ofNoWorth.has(name));
  if (present.length > 0 && !options.force) {
    throw refused(
      `${dataDir} is not empty (${present.slice(0, 5).join(', ')})`,
      'Give an empty one, or --force to replace log and recipes; the old ones are kept',
    );
  }
  const staging = join(dataDir, restoreFolder);
  clear(staging);
  try {
    const manifest = await unpack(file, staging);
    options.signal.throwIfAborted();
    const mark = markAfter(manifest, readMark(join(dataDir, highwaterName)));
    const highwater = new Highwater(join(staging, highwaterName));
    highwater.open();
    highwater.writeSync(mark);
    highwater.close();
    const { ok, firstBad } = await verifyLog(join(staging, logName), options.signal);
    if (!ok) throw refused(`${file}: its log does not hold: record ${firstBad?.journalSeq}: ${firstBad?.reason}`, 'Use another backup');
    const kept = moveIn(staging, dataDir);
    return { manifest, kept, numbersAfter: mark.journalSeq };
  } catch (thrown) {
    if (!existsSync(join(staging, restoreMoving))) rmSync(staging, { recursive: true, force: true });
    throw thrown;
  }
}

/** An empty folder; the mark of a restore that was broken off stays in it: only one that succeeds takes that away. */
function clear(staging: string): void {
  const brokenOff = existsSync(join(staging, restoreMoving));
  if (!brokenOff) rmSync(staging, { recursive: true, force: true });
  mkdirSync(staging, { recursive: true, mode: 0o750 });
  for (const name of readdirSync(staging)) if (name !== restoreMoving) rmSync(join(staging, name), { recursive: true, force: true });
}

function refused(what: string, todo: string, cause?: unknown): VerdictdError {
  return new VerdictdError('BACKUP_REFUSED', `${what}. ${todo}.`, { cause });
}

function markAfter({ log }: Manifest, old: Mark | null): Mark {
  const { journalSeq, hash } = log;
  if (old !== null && old.journalSeq === journalSeq && old.hash === hash) return { ...old, clean: 0 }; // nothing came after it
  const ahead = old === null ? journalSeq + unknownMargin : Math.max(journalSeq, old.journalSeq) + knownMargin;
  const bootNumber = Math.max(log.bootNumber, old?.bootNumber ?? 0) + (old === null ? bootMargin : 1);
  return { bootNumber, journalSeq: ahead, hash, lastSeq: old?.lastSeq ?? log.lastSeq, clean: 2 };
}

/** Unpacks into `staging` what the manifest names, and nothing else, each file as its size and hash say. */
async function unpack(file: string, staging: string): Promise<Manifest> {
  const unpacking = new Unpacking(file, staging);
  try {
    await list({ file, strict: true, onReadEntry: (entry) => unpacking.entry(entry) });
  } catch (thrown) {
    throw unpacking.failure ?? refused(`${file} cannot be read as a backup (${reason(thrown)})`, 'Use another copy of it', thrown);
  }
  return unpacking.done();
}

class Unpacking {
  failure: VerdictdError | null = null;
  private manifest: Manifest | null = null;
  private readonly left = new Map<string, Manifest['files'][number]>();

  constructor(
    private readonly file: string,
    private readonly staging: string,
  ) {}

  /** Errors are kept for later: nothing may be thrown into the reader of the archive. */
  entry(entry: ReadEntry): void {
    try {
      if (this.failure !== null) entry.resume();
      else if (this.manifest === null) this.head(entry);
      else this.body(entry);
    } catch (thrown) {
      this.fail(thrown);
      entry.resume();
    }
  }

  done(): Manifest {
    if (this.failure !== null) throw this.failure;
    if (this.manifest === null) throw this.bad(`${manifestName} is missing`);
    const [missing] = this.left.keys();
    if (missing !== undefined) throw this.bad(`${missing} is missing`);
    return this.manifest;
  }

  private head(entry: ReadEntry): void {
    if (entry.path !== manifestName || entry.type !== 'File') throw this.bad(`it does not begin with ${manifestName}`);
    if (entry.size > manifestLimit) throw this.bad(`${manifestName} is too long`);
    const parts: Buffer[] = [];
    entry.on('data', (chunk: Buffer) => parts.push(chunk));
    entry.on('end', () => {
      try {
        this.take(Buffer.concat(parts).toString('utf8'));
      } catch (thrown) {
        this.fail(thrown);
      }
    });
  }

  private take(text: string): void {
    let json: unknown;
    try {
      json = JSON.parse(text);
    } catch {
      json = null;
    }
    const read = manifestSchema.safeParse(json);
    if (!read.success) throw this.bad(`${manifestName} breaks the format, or is of a newer verdictd`);
    const bytes = read.data.files.reduce((sum, one) => sum + one.bytes, 0);
    const { bavail, bsize } = statfsSync(this.staging);
    if (bytes > bavail * bsize) throw refused(`There is no room for the ${bytes} bytes of ${this.file}`, 'Free space on that disk');
    for (const one of read.data.files) this.left.set(one.path, one);
    this.manifest = read.data;
  }

  private body(entry: ReadEntry): void {
    const expected = this.left.get(entry.path);
    if (expected === undefined || entry.type !== 'File') throw this.bad(`${JSON.stringify(entry.path)} is not one of its files`);
    if (entry.size !== expected.bytes) throw this.bad(`${entry.path} has ${entry.size} bytes where ${expected.bytes} were packed`);
    this.left.delete(entry.path);
    const path = join(this.staging, entry.path);
    mkdirSync(dirname(path), { recursive: true, mode: 0o750 });
    const fd = openSync(path, 'wx', 0o640);
    const hash = createHash('sha256');
    entry.on('data', (chunk: Buffer) => {
      if (this.failure !== null) return;
      try {
        hash.update(chunk);
        writeSync(fd, chunk);
      } catch (thrown) {
        this.fail(thrown);
      }
    });
    entry.on('end', () => {
      try {
        fsyncSync(fd);
        if (hash.digest('hex') !== expected.sha256) throw this.bad(`${entry.path} is not what was packed`);
      } catch (thrown) {
        this.fail(thrown);
      } finally {
        closeSync(fd);
      }
    });
  }

  private bad(why: string): VerdictdError {
    return refused(`${this.file} is not a sound backup: ${why}`, 'Use another copy of it');
  }

  private fail(thrown: unknown): void {
    this.failure ??=
      thrown instanceof VerdictdError ? thrown : refused(`${this.file} cannot be unpacked (${reason(thrown)})`, 'Check the disk', thrown);
  }
}

/** A station does not start while `moving` is there: a power cut in between is mended by restoring once more. */
function moveIn(staging: string, dataDir: string): string | null {
  writeFileSync(join(staging, restoreMoving), '');
  syncFolder(staging);
  const there = replaced.filter((name) => existsSync(join(dataDir, name)));
  const kept = there.length === 0 ? null : freeName(dataDir);
  if (kept !== null) {
    mkdirSync(join(dataDir, kept), { mode: 0o750 });
    for (const name of there) renameSync(join(dataDir, name), join(dataDir, kept, name));
  }
  for (const [from, to] of [
    ['recipes', 'recipes'],
    [configName, 'config.from-backup.yaml'],
    [highwaterName, highwaterName],
    [logName, fileName],
  ] as const) {
    if (existsSync(join(staging, from))) renameSync(join(staging, from), join(dataDir, to));
  }
  syncFolder(dataDir);
  rmSync(staging, { recursive: true, force: true });
  syncFolder(dataDir);
  return kept;
}

function freeName(dataDir: string): string {
  let n = 1;
  while (existsSync(join(dataDir, `before-restore-${n}`))) n++;
  return `before-restore-${n}`;
}

function syncFolder(path: string): void {
  const fd = openSync(path, 'r');
  try {
    fsyncSync(fd);
  } finally {
    closeSync(fd);
  }
}

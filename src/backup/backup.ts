/** `verdictd backup`: log, recipes, configuration and the bundle's manifest in one file. Reads only, beside a running station. */
import { cp, mkdir, mkdtemp, open, readdir, rename, rm, stat, writeFile } from 'node:fs/promises';
import { basename, dirname, join } from 'node:path';
import Database from 'better-sqlite3';
import { create } from 'tar';
import { reason, VerdictdError } from '../errors';
import { fileName, salvage } from '../store/open';
import { openForReading } from '../store/read';
import { bundleName, configName, fileSha256, isBackedUp, logName, type Manifest, manifestName } from './archive';

export interface BackupSource {
  dataDir: string;
  station: string;
  version: string;
  created: { utc: string; trusted: boolean };
  configFile: string | null;
  bundleDir: string | null; // whose manifest.json is kept, so that one knows which model to install
}

export interface BackupMade {
  file: string;
  bytes: number;
  files: number;
  /** Last record in it. */
  journalSeq: number;
  /** Files that were left out, with the reason. */
  warnings: string[];
}

/**
 * Everything is copied beside `file` first, then packed, synced and renamed: `file` is whole or not there. Needs room for the copy.
 * @param file must not exist
 * @throws VerdictdError LOG_UNAVAILABLE (no log), BACKUP_FAILED, ABORTED
 */
export async function makeBackup(file: string, source: BackupSource, signal: AbortSignal): Promise<BackupMade> {
  const unfinished = `${file}.part`;
  let staging: string | null = null;
  try {
    staging = await mkdtemp(join(dirname(file), '.verdictd-backup-'));
    await copyLog(join(source.dataDir, fileName), join(staging, logName));
    signal.throwIfAborted();
    const warnings = await copyRest(source, staging);
    signal.throwIfAborted();
    const manifest = await describe(source, staging, signal);
    await writeFile(join(staging, manifestName), JSON.stringify(manifest));
    const names = [manifestName, ...manifest.files.map(({ path }) => path)];
    await create({ file: unfinished, cwd: staging, portable: true, strict: true, noDirRecurse: true }, names);
    await synced(unfinished, file);
    const { size } = await stat(file);
    return { file, bytes: size, files: manifest.files.length, journalSeq: manifest.log.journalSeq, warnings };
  } catch (thrown) {
    await rm(unfinished, { force: true }).catch(() => undefined);
    if (signal.aborted) throw new VerdictdError('ABORTED', 'Stopped; no backup was made.');
    if (thrown instanceof VerdictdError) throw thrown;
    const what = `${file}: the backup was not made: ${reason(thrown)}`;
    throw new VerdictdError('BACKUP_FAILED', `${what}. Choose a place with room that this user can write.`, { cause: thrown });
  } finally {
    if (staging !== null) await rm(staging, { recursive: true, force: true }).catch(() => undefined);
  }
}

/** SQLite's online backup. In one step: a station that commits in between would make it begin anew. */
async function copyLog(from: string, to: string): Promise<void> {
  const db = openForReading(from);
  try {
    await db.backup(to, { progress: () => 0x7fffffff });
  } finally {
    db.close();
  }
  const copy = new Database(to);
  try {
    copy.pragma('journal_mode = DELETE'); // one file, without a WAL beside it
    const found = copy.pragma('quick_check(1)', { simple: true });
    if (found !== 'ok') throw new VerdictdError('BACKUP_FAILED', `${from} is damaged (${String(found)}). Run \`verdictd log verify\`.`);
  } finally {
    copy.close();
  }
}

async function copyRest({ dataDir, configFile, bundleDir }: BackupSource, staging: string): Promise<string[]> {
  const warnings = await copyRecipes(join(dataDir, 'recipes'), join(staging, 'recipes'));
  if (configFile !== null) await cp(configFile, join(staging, configName));
  if (bundleDir === null) return warnings;
  try {
    await mkdir(join(staging, dirname(bundleName)));
    await cp(join(bundleDir, basename(bundleName)), join(staging, bundleName));
  } catch (thrown) {
    await rm(join(staging, dirname(bundleName)), { recursive: true, force: true });
    warnings.push(`${bundleDir}: the manifest of the bundle cannot be read (${reason(thrown)})`);
  }
  return warnings;
}

/** A recipe that is taught or activated meanwhile would be half of each: then it is copied again. */
async function copyRecipes(from: string, to: string): Promise<string[]> {
  for (let tries = 3; ; tries--) {
    const before = await fingerprint(from);
    if (before === null) return [];
    const warnings: string[] = [];
    await rm(to, { recursive: true, force: true });
    await mkdir(to);
    for (const { path } of before) {
      const name = `recipes/${path}`;
      if (!isBackedUp(name)) {
        warnings.push(`${name} is no name of a recipe's file; left out`);
        continue;
      }
      await mkdir(dirname(join(to, path)), { recursive: true });
      await cp(join(from, path), join(to, path)).catch((thrown: NodeJS.ErrnoException) => {
        if (thrown.code !== 'ENOENT') throw thrown; // gone meanwhile: the fingerprint tells
      });
    }
    if (JSON.stringify(await fingerprint(from)) === JSON.stringify(before)) return warnings;
    if (tries === 1) throw new VerdictdError('BACKUP_FAILED', `${from} changes all the time. Try again when nobody teaches.`);
  }
}

/** Every regular file below, with what changes when it does; null where there is no folder. */
async function fingerprint(folder: string): Promise<{ path: string; mtime: number; size: number; inode: number }[] | null> {
  const entries = await readdir(folder, { recursive: true, withFileTypes: true }).catch((thrown: NodeJS.ErrnoException) => {
    if (thrown.code === 'ENOENT') return null;
    throw thrown;
  });
  if (entries === null) return null;
  const found = [];
  for (const entry of entries) {
    if (!entry.isFile()) continue;
    const full = join(entry.parentPath, entry.name);
    const { mtimeMs, size, ino } = await stat(full).catch(() => ({ mtimeMs: 0, size: -1, ino: 0 }));
    found.push({ path: full.slice(folder.length + 1), mtime: mtimeMs, size, inode: ino });
  }
  return found.sort((a, b) => (a.path < b.path ? -1 : 1));
}

async function describe(source: BackupSource, staging: string, signal: AbortSignal): Promise<Manifest> {
  const files: Manifest['files'] = [];
  for (const { path, size } of (await fingerprint(staging)) ?? []) {
    signal.throwIfAborted();
    files.push({ path, bytes: size, sha256: await fileSha256(join(staging, path)) });
  }
  const end = salvage(join(staging, logName));
  if (end === null) throw new VerdictdError('BACKUP_FAILED', 'The copy of the log cannot be read. Check the disk.');
  const { bootNumber, journalSeq, hash, lastSeq } = end;
  return {
    format: 1,
    version: source.version,
    station: source.station,
    created: source.created.utc,
    clockTrusted: source.created.trusted ? 1 : 0,
    log: { bootNumber, journalSeq, hash, lastSeq },
    files,
  };
}

async function synced(unfinished: string, file: string): Promise<void> {
  for (const [path, flags] of [
    [unfinished, 'r+'],
    [dirname(file), 'r'],
  ] as const) {
    if (flags === 'r') await rename(unfinished, file);
    const handle = await open(path, flags);
    try {
      await handle.sync();
    } finally {
      await handle.close();
    }
  }
}

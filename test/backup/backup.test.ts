import { createHash } from 'node:crypto';
import { cpSync, existsSync, mkdirSync, readdirSync, readFileSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import Database from 'better-sqlite3';
import { create, extract, list } from 'tar';
import { makeBackup } from '../../src/backup/backup';
import { restoreBackup } from '../../src/backup/restore';
import { verifyLog } from '../../src/store/verify';
import { clean, dataDir, fill, query, start, stop, verdict } from '../store/support/station';

afterAll(clean);

const never = new AbortController().signal;
const log = (dir: string): string => join(dir, 'log.db');
const restore = (file: string, dir: string, force = false) => restoreBackup(file, dir, { force, signal: never });

function source(dir: string, over: Partial<Parameters<typeof makeBackup>[1]> = {}): Parameters<typeof makeBackup>[1] {
  const created = { utc: '2026-11-30T08:00:00.000Z', trusted: true };
  return { dataDir: dir, station: 's7', version: '0.1.0', created, configFile: null, bundleDir: null, ...over };
}

function recipes(dir: string): void {
  mkdirSync(join(dir, 'recipes/cast/shots'), { recursive: true });
  writeFileSync(join(dir, 'recipes/active.json'), '{"recipe":"cast"}\n');
  writeFileSync(join(dir, 'recipes/cast/recipe.json'), '{"id":"cast"}');
  writeFileSync(join(dir, 'recipes/cast/shots/000.png'), Buffer.alloc(100_000, 7));
}

/** A stopped station with 20 verdicts and a recipe, and its backup. */
async function backedUp(): Promise<{ dir: string; file: string }> {
  const dir = dataDir();
  recipes(dir);
  const { log: writer } = await start(dir);
  await fill(writer, 1, 20);
  await stop(writer);
  const file = join(dataDir(), 'station.tar');
  await makeBackup(file, source(dir), never);
  return { dir, file };
}

const sha256 = (bytes: Buffer): string => createHash('sha256').update(bytes).digest('hex');

/** The backup unpacked, changed by `change`, and packed again in the order that `change` gives. */
async function repacked(file: string, change: (dir: string, names: string[]) => string[] | undefined): Promise<string> {
  const dir = dataDir();
  const names: string[] = [];
  await extract({ file, cwd: dir });
  await list({ file, onReadEntry: (entry) => names.push(entry.path) });
  const order = change(dir, names) ?? names;
  const other = join(dataDir(), 'other.tar');
  await create({ file: other, cwd: dir, portable: true, preservePaths: true }, order);
  return other;
}

function editManifest(
  dir: string,
  edit: (manifest: { files: { path: string; bytes: number; sha256: string }[] } & Record<string, unknown>) => void,
): void {
  const path = join(dir, 'verdictd-backup.json');
  const manifest = JSON.parse(readFileSync(path, 'utf8'));
  edit(manifest);
  writeFileSync(path, JSON.stringify(manifest));
}

describe('a backup that is refused', () => {
  const flip = (path: string): void => {
    const bytes = readFileSync(path);
    bytes.writeUInt8(bytes.readUInt8(bytes.length >> 1) ^ 1, bytes.length >> 1);
    writeFileSync(path, bytes);
  };
  const cases: [string, (dir: string, names: string[]) => string[] | undefined][] = [
    ['the log is altered', (dir) => void flip(join(dir, 'log.db'))],
    ['a shot is altered', (dir) => void flip(join(dir, 'recipes/cast/shots/000.png'))],
    ['a file is longer', (dir) => void writeFileSync(join(dir, 'recipes/active.json'), '{"recipe":"cast"}\n\n')],
    ['a file is missing', (_, names) => names.filter((name) => name !== 'recipes/active.json')],
    ['a file is there twice', (_, names) => [...names, 'recipes/active.json']],
    [
      'a file is there that the manifest does not name',
      (dir, names) => {
        writeFileSync(join(dir, 'recipes/more.json'), '');
        return [...names, 'recipes/more.json'];
      },
    ],
    ['the manifest is not first', (_, names) => [...names.slice(1), names[0] ?? '']],
    ['the manifest is not JSON', (dir) => void writeFileSync(join(dir, 'verdictd-backup.json'), '{')],
    ['of a newer format', (dir) => void editManifest(dir, (manifest) => Object.assign(manifest, { format: 2 }))],
    [
      'a link in place of a file',
      (dir) => {
        rmSync(join(dir, 'recipes/active.json'));
        symlinkSync('/etc/passwd', join(dir, 'recipes/active.json'));
        return undefined;
      },
    ],
    ['a path that leads out', (dir) => void editManifest(dir, ({ files }) => Object.assign(files[0] ?? {}, { path: '../evil' }))],
    ['a path that is absolute', (dir) => void editManifest(dir, ({ files }) => Object.assign(files[0] ?? {}, { path: '/tmp/evil' }))],
    ['more bytes than the disk has', (dir) => void editManifest(dir, ({ files }) => Object.assign(files[0] ?? {}, { bytes: 2 ** 52 }))],
    [
      'a chain that does not hold, under hashes that do',
      (dir) => {
        const db = new Database(join(dir, 'log.db'));
        db.exec('DROP TRIGGER inspections_fixed');
        db.exec("UPDATE inspections SET part_id = 'B4' WHERE journal_seq = 4");
        db.close();
        const bytes = readFileSync(join(dir, 'log.db'));
        editManifest(dir, ({ files }) => {
          for (const one of files) if (one.path === 'log.db') Object.assign(one, { bytes: bytes.length, sha256: sha256(bytes) });
        });
        return undefined;
      },
    ],
  ];

  let made: Awaited<ReturnType<typeof backedUp>>;
  beforeAll(async () => {
    made = await backedUp();
  });

  test.each(cases)('%s: nothing is changed', async (_, change) => {
    const other = await repacked(made.file, change);
    const target = dataDir();
    writeFileSync(join(target, 'mine'), '');
    await expect(restore(other, target, true)).rejects.toMatchObject({ code: 'BACKUP_REFUSED' });
    expect(readdirSync(target)).toEqual(['mine']);
  });

  test('cut off, empty, and no archive at all', async () => {
    const bytes = readFileSync(made.file);
    for (const wrong of [
      bytes.subarray(0, bytes.length >> 1),
      bytes.subarray(0, 700),
      Buffer.alloc(0),
      Buffer.alloc(10_240),
      Buffer.from('hello '.repeat(1000)),
    ]) {
      const other = join(dataDir(), 'other.tar');
      writeFileSync(other, wrong);
      const target = dataDir();
      await expect(restore(other, target)).rejects.toMatchObject({ code: 'BACKUP_REFUSED' });
      expect(readdirSync(target)).toEqual([]);
    }
  });

  test('a data directory that is in use', async () => {
    const before = readFileSync(log(made.dir));
    await expect(restore(made.file, made.dir)).rejects.toMatchObject({
      code: 'BACKUP_REFUSED',
      message: expect.stringContaining('--force'),
    });
    expect(readFileSync(log(made.dir)).equals(before)).toBe(true);
  });
});

describe('a backup that cannot be made', () => {
  test('no log, or no place for it: nothing is left', async () => {
    const place = dataDir();
    await expect(makeBackup(join(place, 'b.tar'), source(dataDir()), never)).rejects.toMatchObject({ code: 'LOG_UNAVAILABLE' });
    const { dir } = await backedUp();
    await expect(makeBackup(join(place, 'no', 'b.tar'), source(dir), never)).rejects.toMatchObject({ code: 'BACKUP_FAILED' });
    await expect(makeBackup(join(place, 'b.tar'), source(dir), AbortSignal.abort())).rejects.toMatchObject({ code: 'ABORTED' });
    expect(readdirSync(place)).toEqual([]);
  });
});

describe('backup and restore', () => {
  test('of a station that runs on: what was committed before is in it, and the numbers after it are not used twice', async () => {
    const dir = dataDir();
    recipes(dir);
    const { log: writer } = await start(dir);
    await fill(writer, 1, 30);
    let going = true;
    const work = (async () => {
      for (let n = 31; going; n++) await fill(writer, n, n);
    })();
    const config = join(dataDir(), 'verdictd.yaml');
    writeFileSync(config, 'station:\n  name: s7\n');
    const file = join(dataDir(), 'station.tar');
    const made = await makeBackup(file, source(dir, { configFile: config, bundleDir: join(dir, 'none') }), never);
    going = false;
    await work;
    await stop(writer);
    expect(made.journalSeq).toBeGreaterThanOrEqual(30);
    expect(made.warnings.join()).toContain('manifest of the bundle');

    const target = dataDir(); // another machine: nobody knows how far the first one came
    const { numbersAfter, kept, manifest } = await restore(file, target);
    expect([kept, manifest.station]).toEqual([null, 's7']);
    expect(await verifyLog(log(target))).toMatchObject({ ok: true, rows: made.journalSeq });
    expect(readFileSync(join(target, 'recipes/cast/shots/000.png')).equals(Buffer.alloc(100_000, 7))).toBe(true);
    expect(readFileSync(join(target, 'config.from-backup.yaml'), 'utf8')).toContain('s7');
    const second = await start(target);
    expect(second.notices.join()).toMatch(/restored from a backup that ends at record \d+/);
    expect(second.started.bootNumber).toBeGreaterThan(1000);
    expect((await second.log.commit(verdict(100_000))).journalSeq).toBeGreaterThan(numbersAfter);
    expect(numbersAfter).toBeGreaterThan(made.journalSeq + 1_000_000);
    await stop(second.log);
    expect(await verifyLog(log(target))).toMatchObject({ ok: true });
    const third = await start(target);
    expect(third.notices).toEqual([]);
    await stop(third.log);

    // somebody who takes rows out under cover of the numbers that were left out
    const db = new Database(log(target));
    db.exec('DROP TRIGGER inspections_kept');
    db.prepare('DELETE FROM inspections WHERE journal_seq = ?').run(made.journalSeq);
    db.close();
    expect(await verifyLog(log(target))).toMatchObject({ ok: false });
  });

  test('over a log that went on: what was there is kept, and the numbers go on after it', async () => {
    const { dir, file } = await backedUp();
    const later = await start(dir);
    await fill(later.log, 21, 40);
    await stop(later.log);
    const { kept, numbersAfter } = await restore(file, dir, true);
    expect(query(join(dir, kept ?? ''), 'SELECT count(*) AS n FROM inspections')).toEqual([{ n: 40 }]);
    expect(numbersAfter).toBeGreaterThan(40);
    const again = await start(dir);
    expect(again.started).toMatchObject({ lastSeq: 40, bootNumber: 4 });
    await stop(again.log);
    expect(await verifyLog(log(dir))).toMatchObject({ ok: true });
  });

  test('over the very log it was made of: nothing was lost, no number is left out', async () => {
    const { dir, file } = await backedUp();
    expect((await restore(file, dir, true)).numbersAfter).toBe(20);
    const again = await start(dir);
    expect(again.notices).toEqual([]);
    expect((await again.log.commit(verdict(21))).journalSeq).toBe(21);
    await stop(again.log);
    expect(await verifyLog(log(dir))).toMatchObject({ ok: true, rows: 21 });
  });

  test('a restore that a power cut ended half way: the station does not start on it, the next restore mends it', async () => {
    const { file } = await backedUp();
    const target = dataDir();
    mkdirSync(join(target, '.restore'));
    writeFileSync(join(target, '.restore/moving'), '');
    await expect(start(target)).rejects.toMatchObject({ code: 'LOG_UNAVAILABLE', message: expect.stringContaining('restore') });
    const torn = join(dataDir(), 'torn.tar');
    writeFileSync(torn, readFileSync(file).subarray(0, 20_000));
    await expect(restore(torn, target, true)).rejects.toMatchObject({ code: 'BACKUP_REFUSED' });
    await expect(start(target)).rejects.toMatchObject({ code: 'LOG_UNAVAILABLE', message: expect.stringContaining('restore') });
    await restore(file, target, true);
    const again = await start(target);
    expect(again.started.lastSeq).toBe(20);
    await stop(again.log);
    expect(existsSync(join(target, '.restore'))).toBe(false);
  });

  test('files in recipes/ whose names are not ours are left out, and told', async () => {
    const { dir } = await backedUp();
    writeFileSync(join(dir, 'recipes', 'with space.txt'), '');
    cpSync(join(dir, 'recipes/cast'), join(dir, 'recipes/.cast-new'), { recursive: true });
    const file = join(dataDir(), 'b.tar');
    const { warnings, files } = await makeBackup(file, source(dir), never);
    expect(warnings).toHaveLength(3);
    expect(files).toBe(4);
  });
});

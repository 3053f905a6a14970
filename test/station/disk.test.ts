import { execFileSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import { existsSync, mkdirSync, readdirSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { systemClock } from '../../src/clock';
import { Disk, stepOf } from '../../src/station/disk';
import { keepingOf } from '../../src/station/keeping';
import { Ballast } from '../../src/store/ballast';
import { verifyLog } from '../../src/store/verify';
import { keptDiagnostics, quiet, until } from '../plc/support';
import { clean, dataDir, query, start, stop, verdict } from '../store/support/station';
import { configure } from './support';

afterAll(clean);

const MiB = 2 ** 20;

test('steps: a tenth, a twentieth, a fiftieth; of a large disk less', () => {
  const of = (free: number, total: number) => stepOf(free * MiB, total * MiB);
  expect([of(200, 1000), of(99, 1000), of(49, 1000), of(19, 1000), of(0, 1000)]).toEqual([100, 10, 5, 2, 2]);
  expect([of(20_000, 1e6), of(16_000, 1e6), of(8_000, 1e6), of(4_000, 1e6)]).toEqual([100, 10, 5, 2]);
});

describe('free space', () => {
  const deps = (waiting = false) => {
    const done: string[] = [];
    const ballast = { fill: async () => done.push('fill') > 0, drop: async () => done.push('drop') > 0 };
    return { done, deps: { ballast, sweep: () => void done.push('sweep'), waiting: () => waiting, diagnostics: quiet } };
  };

  test('that cannot be read counts as none', async () => {
    const disk = new Disk({ dir: join(dataDir(), 'gone'), minFree: 16 }, deps().deps);
    await disk.look();
    expect([disk.low, disk.alarm, disk.roomForPictures]).toEqual([true, true, false]);
  });

  test('below the least: pictures are deleted, none is written, the ballast stays', async () => {
    const { done, deps: low } = deps();
    const disk = new Disk({ dir: dataDir(), minFree: 1e12 }, low);
    await disk.look();
    await disk.look();
    expect([disk.low, disk.alarm, disk.roomForPictures, done]).toEqual([true, true, false, ['sweep']]);
  });

  test('verdicts that wait: the ballast goes, whatever the disk says', async () => {
    const { done, deps: full } = deps(true);
    const disk = new Disk({ dir: dataDir(), minFree: 1 }, full);
    await disk.look();
    expect([disk.roomForPictures, done]).toEqual([false, ['drop', 'sweep']]);
  });
});

describe('the ballast', () => {
  const file = (dir: string): string => join(dir, 'log.ballast');

  test('is not made where there is no room for it, and not where none is wanted', async () => {
    const dir = dataDir();
    expect(await new Ballast(dir, MiB, 2 ** 60).fill()).toBe(false);
    expect(await new Ballast(dir, 0, 0).fill()).toBe(false);
    expect(await new Ballast(dir, 0, 0).drop()).toBe(false);
    await expect(new Ballast(join(dir, 'gone'), MiB, 0).fill()).rejects.toThrow('ENOENT');
    expect(readdirSync(dir)).toEqual([]);
  });

  test('takes blocks, once; another size replaces it', async () => {
    const dir = dataDir();
    expect(await new Ballast(dir, 3 * MiB + 5, 0).fill()).toBe(true);
    const { size, blocks, ino } = statSync(file(dir));
    expect([size, blocks * 512 >= size]).toEqual([3 * MiB + 5, true]);
    expect(await new Ballast(dir, 3 * MiB + 5, 0).fill()).toBe(false);
    expect(statSync(file(dir)).ino).toBe(ino);
    expect(await new Ballast(dir, MiB, 0).fill()).toBe(true);
    expect(statSync(file(dir)).size).toBe(MiB);
    expect(await new Ballast(dir, 0, 0).fill()).toBe(false);
    expect(existsSync(file(dir))).toBe(false);
  });
});

/** A disk of our own, if this user may mount one. */
function smallDisk(dir: string): string | null {
  try {
    execFileSync('mount', ['-t', 'tmpfs', '-o', 'size=24m', 'none', dir], { stdio: 'pipe' });
    return null;
  } catch (thrown) {
    return (thrown as Error).message.split('\n')[1] ?? 'mount failed';
  }
}

test('a disk that somebody fills: the ballast lets verdicts be written, pictures go, the log says so and holds', async () => {
  const dir = dataDir();
  const refused = smallDisk(dir);
  if (refused !== null) {
    console.log(`skipped: a 24 MB disk cannot be mounted here (${refused})`);
    return;
  }
  try {
    const { log } = await start(dir);
    const config = configure({ 'log.ballast': 4, 'log.minFree': 16, 'images.minFree': 16 });
    const { diagnostics, lines } = keptDiagnostics();
    // made where there is room beside it, so here with less to spare than the station would ask for
    await new Ballast(dir, 4 * MiB, 0).fill();
    const { disk, retention } = keepingOf(config, dir, { log, clock: systemClock, diagnostics, dropped: () => undefined });
    mkdirSync(join(dir, 'images'));
    await log.commit(verdict(1));
    const picture = Buffer.alloc(200_000, 1);
    const { resultId } = verdict(1).part;
    writeFileSync(join(dir, 'images', `${resultId}.jpg`), picture);
    const sha256 = createHash('sha256').update(picture).digest('hex');
    await log.image({ resultId, name: `${resultId}.jpg`, kind: 'picture', sha256, bytes: picture.length });
    expect(existsSync(join(dir, 'log.ballast'))).toBe(true);

    execFileSync('sh', ['-c', 'dd if=/dev/zero of="$1" bs=64k 2>/dev/null; true', 'sh', join(dir, 'other')]);
    let n = 2;
    while (log.unwritten.waiting === 0 && n < 20_000) await log.commit(verdict(n++)).catch(() => undefined);
    expect(log.unwritten.waiting).toBe(1);
    await disk.look();
    expect([disk.low, disk.alarm, disk.roomForPictures]).toEqual([true, true, false]);
    await until('what waited is written', () => log.unwritten.waiting === 0, 30_000);
    expect(existsSync(join(dir, 'log.ballast'))).toBe(false);
    await log.commit(verdict(n++));
    await retention.sweep();
    await retention.stop(systemClock.now() + 5_000);
    expect(readdirSync(join(dir, 'images'))).toEqual([]);
    expect(lines.map(({ msg }) => msg).join('\n')).toContain('ballast is given up');
    expect(query(dir, "SELECT count(*) AS n FROM events WHERE kind = 'picturesDeleted'")).toEqual([{ n: 1 }]);

    rmSync(join(dir, 'other'));
    await stop(log);
    expect(await verifyLog(join(dir, 'log.db'))).toMatchObject({ ok: true, missingPictures: 1 });
    expect(query(dir, 'SELECT count(*) AS n FROM inspections')).toEqual([{ n: n - 1 }]);
  } finally {
    execFileSync('umount', ['-l', dir]); // lazily: a test that failed has it open still
  }
}, 60_000);

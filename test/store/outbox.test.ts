import { join } from 'node:path';
import { entryLimit, eventEntry, verdictEntry } from '../../src/store/journal';
import type { SqliteLog } from '../../src/store/log';
import { eventRow, inspectionRow } from '../../src/store/record';
import { verifyLog } from '../../src/store/verify';
import { clean, dataDir, fill, part, query, start, stop, verdict } from './support/station';

afterAll(clean);

const stamp = { journal_seq: Number.MAX_SAFE_INTEGER, boot_id: '00ZZZ', created_utc: '2026-11-30T08:00:00.000Z' };
const hashes = { prev_hash: Buffer.alloc(32), hash: Buffer.alloc(32, 255) };
const historical = '"isHistorical":1,'.length;

describe('journal entries', () => {
  test('the largest still fit 4 kB, in ASCII, with the word last', () => {
    const worst = verdict(
      2147483647,
      {
        detail: '\u{10ffff}'.repeat(4000),
        lot: '語'.repeat(500),
        score: 1e300,
        limit: -5,
        probabilities: { normal: 1 / 3e-5, anomaly: 1e-300 / 3 },
        frameId: Number.MAX_SAFE_INTEGER,
        evaluation: 3,
        code: 102,
        released: 0,
        provider: 'p'.repeat(400),
        boxes: Array.from({ length: 40 }, () => ({ x: 1e9, y: 65535.4, width: 65535, height: 65535 })),
        timings: { startTime: stamp.created_utc, endTime: stamp.created_utc, acquisitionDuration: 1e9 / 3, processingDuration: 1e9 / 7 },
      },
      { partId: 'Z'.repeat(32), recipe: { id: 'r'.repeat(32), number: 65535 } },
    );
    const { payload } = verdictEntry({ ...inspectionRow(worst, stamp), ...hashes });
    expect(Buffer.byteLength(payload) + historical).toBeLessThanOrEqual(entryLimit);
    expect(Buffer.byteLength(payload)).toBeGreaterThan(entryLimit - 100); // as much of the text as fits
    expect(payload).toMatch(/^[\x20-\x7e]+,"verdict":"UNDECIDED"}$/);
    const entry = JSON.parse(payload) as Record<string, unknown>;
    expect(entry).toMatchObject({ score: 65534, limit: 0, age: 65535, late: 0, verdict: 'UNDECIDED' });
    expect(entry.boxes).toEqual(Array(16).fill([65535, 65535, 65535, 65535]));
    expect(String(entry.detail)).toMatch(/^(\u{10ffff})+$/u);

    const event = eventEntry({ ...eventRow('k'.repeat(300), '\u0000'.repeat(9000), 1, true, stamp), ...hashes });
    expect(Buffer.byteLength(event.payload) + historical).toBeLessThanOrEqual(entryLimit);
  });

  test('boxes that somebody altered into something else are left out', () => {
    const row = { ...inspectionRow(verdict(1), stamp), ...hashes };
    for (const boxes of ['', '{', '7', '[[1,2,3],"x",null,[1,2,3,4.5]]']) {
      expect(JSON.parse(verdictEntry({ ...row, boxes }).payload)).toMatchObject({ boxes: [] });
    }
    expect(JSON.parse(verdictEntry({ ...row, boxes: '[[1,2,3,4]]' }).payload)).toMatchObject({ boxes: [[1, 2, 3, 4]] });
  });

  test('a verdict says what the contract asks, under these names', () => {
    const one = verdict(7, { probabilities: { normal: 0.75, anomaly: 0.25 }, score: 0.8744, limit: 0.62 });
    const { payload, type, journalSeq } = verdictEntry({ ...inspectionRow(one, { ...stamp, journal_seq: 9 }), ...hashes });
    expect([type, journalSeq]).toEqual(['verdict', 9]);
    expect(JSON.parse(payload)).toEqual({
      v: 1,
      journalSeq: 9,
      type: 'verdict',
      seq: 7,
      released: 1,
      resultEvaluation: 1,
      resultEvaluationCode: 0,
      resultState: 1,
      isSimulated: 0,
      score: 874,
      limit: 620,
      recipeId: 3,
      age: 150,
      partId: 'A7',
      resultId: 'P0000000000007',
      creationTime: stamp.created_utc,
      clockTrusted: 1,
      bootId: '00ZZZ',
      processingTimes: {
        startTime: '2026-11-30T08:00:00.000Z',
        endTime: '2026-11-30T08:00:00.150Z',
        acquisitionDuration: 61.25,
        processingDuration: 88.5,
      },
      bundle: 'b'.repeat(64),
      config: 'c'.repeat(64),
      recipe: 'cast',
      lot: 'L7',
      frameId: 1007,
      probabilities: { normal: 0.75, anomaly: 0.25 },
      boxes: [],
      ep: 'cpu',
      image: 'P0000000000007',
      hash: 'ff'.repeat(32),
      detail: '',
      late: 0,
      verdict: 'PASS',
    });
    const none = verdictEntry({ ...inspectionRow({ ...one, score: null, limit: null }, stamp), ...hashes });
    expect(JSON.parse(none.payload)).toMatchObject({ score: 65535, limit: 65535 });
  });
});

describe('what is owed', () => {
  test('every record, in order, with the hash of its row; until it is delivered; over restarts', async () => {
    const dir = dataDir();
    const first = await start(dir);
    await fill(first.log, 1, 10);
    const sha256 = 'd'.repeat(64);
    await first.log.image({ resultId: part(3).resultId, name: '3.jpg', kind: 'picture', sha256, bytes: 7 });
    await first.log.event('clockStep', 'Δ +3 s');
    const owed = await first.log.backlog(0, 100);
    expect(owed.map((entry) => entry.journalSeq)).toEqual(Array.from({ length: 12 }, (_, i) => i + 1));
    expect(JSON.parse(owed[10]?.payload ?? '')).toMatchObject({ type: 'image', image: '3.jpg', sha256, resultId: part(3).resultId });
    expect(JSON.parse(owed[11]?.payload ?? '')).toMatchObject({ type: 'event', kind: 'clockStep', detail: 'Δ +3 s' });
    const [{ hash } = { hash: '' }] = query<{ hash: string }>(
      dir,
      'SELECT lower(hex(hash)) AS hash FROM inspections WHERE journal_seq = 4',
    );
    expect(JSON.parse(owed[3]?.payload ?? '')).toMatchObject({ hash });

    await first.log.delivered(4);
    expect((await first.log.backlog(0, 3)).map((entry) => entry.journalSeq)).toEqual([5, 6, 7]);
    expect((await first.log.backlog(9, 3)).map((entry) => entry.journalSeq)).toEqual([10, 11, 12]);
    await stop(first.log);
    const second = await start(dir);
    const again = await second.log.backlog(0, 100);
    expect(again).toEqual(owed.slice(4)); // the same to the byte
    expect(query<{ n: number }>(dir, 'SELECT count(*) AS n FROM outbox')[0]?.n).toBe(8);
    await second.log.delivered(2); // never backwards
    expect((await second.log.backlog(0, 1))[0]?.journalSeq).toBe(5);
    await second.log.delivered(1_000_000); // and never ahead of the log
    await second.log.commit(verdict(11));
    expect((await second.log.backlog(0, 100)).map((entry) => entry.journalSeq)).toEqual([13]);
    await stop(second.log);
  });

  test('the mark is saved without a stop, soon', async () => {
    const dir = dataDir();
    const { log } = await start(dir);
    await fill(log, 1, 20);
    await log.delivered(3);
    const mark = (): number => query<{ value: number }>(dir, "SELECT value FROM meta WHERE name = 'deliveredUpTo'")[0]?.value ?? -1;
    while (mark() !== 3) await new Promise((resolve) => setTimeout(resolve, 50));
    await log.delivered(20); // many at once: saved at once
    expect(mark()).toBe(20);
    await stop(log);
  });
});

describe('the writer dies', () => {
  test('calls in the air reject, it is started again as the same run, open parts stay open, what waited is written', async () => {
    const dir = dataDir();
    const { log, notices } = await start(dir);
    await fill(log, 1, 3);
    await log.open(part(4));
    await killWorker(log);
    await expect(log.commit(verdict(5))).rejects.toMatchObject({ code: 'LOG_UNAVAILABLE' });
    while (log.unwritten.waiting > 0) await new Promise((resolve) => setTimeout(resolve, 20));
    const committed = await log.commit(verdict(4));
    expect(committed.journalSeq).toBe(5);
    expect((await log.find(5))?.verdict).toMatchObject({ released: 0, late: true, code: 502 });
    expect((await log.find(4))?.verdict).toMatchObject({ released: 1 });
    await stop(log);
    expect(notices.join()).toContain('started again');
    expect(query(dir, 'SELECT DISTINCT boot_id FROM inspections')).toEqual([{ boot_id: 'boot1' }]);
    expect(await verifyLog(join(dir, 'log.db'))).toMatchObject({ ok: true, rows: 5 });
  });

  test('and the stop comes before it was started again: what waited is written all the same', async () => {
    const dir = dataDir();
    const { log } = await start(dir);
    await fill(log, 1, 3);
    await killWorker(log);
    await expect(log.commit(verdict(4))).rejects.toMatchObject({ code: 'LOG_UNAVAILABLE' });
    await stop(log);
    expect(log.unwritten).toEqual({ waiting: 0, dropped: 0 });
    expect(query(dir, 'SELECT seq, code, late FROM inspections WHERE seq = 4')).toEqual([{ seq: 4, code: 502, late: 1 }]);
    expect(await verifyLog(join(dir, 'log.db'))).toMatchObject({ ok: true, rows: 4 });
  });
});

/** Ends the thread from outside, as a native fault would: no message, no close. */
async function killWorker(log: SqliteLog): Promise<void> {
  const client = (log as unknown as { client: { worker: import('node:worker_threads').Worker } }).client;
  await client.worker.terminate();
}
